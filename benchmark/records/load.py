"""A run that has ended, and its trained model, from the folder that it left."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmark import config
from benchmark.api import ClusteringModel, DataSpec, as_float
from benchmark.data.opening import Opened, open_dataset
from benchmark.data.own_file import Standardisation, channels_first, prepared
from benchmark.errors import UserError
from benchmark.isolation import isolated
from benchmark.records.run import FILE, STANDARDISATION, Record, Run
from benchmark.records.source import source_digest
from benchmark.records.store import ended_well, read_record
from benchmark.registry import Registry


@dataclass(frozen=True)
class SavedRun:
    """A run as its folder has it, see `load_run`.

    Attributes:
        file: where the user's own data are now; None for what the run itself was given.
    """

    folder: Path
    run: Run
    record: Record
    registry: Registry
    model_class: type[ClusteringModel]
    file: Path | None = None

    @cached_property
    def data(self) -> Opened:
        """The run's data set, which must be at hand and unchanged.

        Raises:
            UserError: it is not.
        """
        asked = self.run.own and (self.file or self.run.own)
        if asked and not asked.exists():
            raise UserError(
                f"the data of this run were in {asked}, which is not there; say where they are now: "
                "load_run(..., data=[PATH]), on the command line --data PATH"
            )
        opened = open_dataset(
            self.registry, str(asked or self.run.dataset), self.run.key["protocol"], self.run.reading
        )
        if opened.digest != self.record["key"]["data"]:
            raise UserError(f"the data of {opened.dataset.name} have changed since this run")
        return opened

    def model(self) -> ClusteringModel:
        """The trained model, ready to assign and to sample, on the GPU if there is one. Needs no data.

        Raises:
            UserError: the model's source is not that of the run, or its file is damaged.
        """
        key = self.record["key"]
        if source_digest(self.model_class.__module__) != key["source"]:
            what = f"the source of {key['model']} has changed since this run"
            raise UserError(f"{what}, so its model can't be loaded; the same command runs it with today's")
        with isolated():
            model = self.model_class(self.spec(), config.from_dict(self.model_class, key["config"]))
        try:
            model.load_state_dict(torch.load(self.folder / "model.pt", map_location="cpu", weights_only=True))
        except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
            raise UserError(
                f"{self.folder / 'model.pt'} can't be loaded: {error}; delete record.json beside it to run it"
                " again"
            ) from error
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def spec(self) -> DataSpec:
        """What the model was told of its data; runs of older versions did not write it down."""
        spec = self.run.spec
        if not spec:
            return self.data.spec
        limits = spec["value_range"]
        return DataSpec(
            **{
                **spec,
                "shape": tuple(spec["shape"]),
                "value_range": None if limits is None else tuple(limits),
            }
        )

    def prepare(self, x: np.ndarray) -> torch.Tensor:
        """New points, as they are in the user's own data, treated like those that the model was trained on.

        Vectors are standardised with the mean and scale of the training data, images become (N, C, H, W) in
        [0, 1]: `run.model().log_assign(run.prepare(x))`.

        Raises:
            UserError: they have another shape or range.
        """
        return as_float(self.stored(x)).to("cuda" if torch.cuda.is_available() else "cpu")

    def stored(self, x: np.ndarray) -> torch.Tensor:
        """The same as a data set stores them, for `ClusteringModel.assign`: images may be bytes."""
        shape = self.spec().shape
        if x.ndim > 2:
            x = channels_first(x, "the images")
        if x.ndim == 1 or x.shape[1:] != shape:
            kinds = [f"{'images' if len(s) == 3 else 'vectors'} of shape {s}" for s in (x.shape[1:], shape)]
            raise UserError(f"these points are {kinds[0]}, but the run was trained on {kinds[1]}")
        file = self.folder / STANDARDISATION
        standardisation = Standardisation.read(file) if file.is_file() else None
        return torch.from_numpy(prepared(x, standardisation, self.record["data"]["preprocessing"]))


def load_run(
    folder: str | Path, plugins: Sequence[str | Path] = (), data: Sequence[str | Path] = ()
) -> SavedRun:
    """The run in a folder `.../seed-<n>`: `load_run("results/runs/mnist/vade/0123456789ab/seed-0").model()`.

    Args:
        plugins: files with models or data sets, besides those that the run itself was given; one of the same
            name takes the place of the run's, which may have been moved or lie on another machine.
        data: own files or folders, if that of the run is no longer where it was: the one of the same name
            counts, or the only one.

    Raises:
        UserError: the folder holds no run that ended well, or lacks its model.
    """
    folder = Path(folder)
    record = read_record(folder)
    if not ended_well(record):
        raise UserError(
            f"{folder} holds no run that ended well; expected a folder RESULTS/runs/DATA/MODEL/DIGEST/seed-N"
        )
    if missing := [name for name in (FILE, "model.pt") if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} has no {' and no '.join(missing)}, so its model can't be loaded; delete record.json"
            " there to run it again"
        )
    run = Run.read(folder)
    names = {Path(plugin).name for plugin in plugins}
    own = [plugin for plugin in run.plugins if Path(plugin).name not in names]
    registry = Registry([*own, *map(str, plugins)])
    name = run.key["model"]
    if name not in registry.models and (gone := [plugin for plugin in own if not Path(plugin).is_file()]):
        raise UserError(
            f"the model {name} of this run was in {' or '.join(gone)}, which is not there; say where the "
            f"file is now: load_run(..., plugins=[FILE.py]), on the command line --plugin FILE.py"
        )
    return SavedRun(folder, run, record, registry, registry.model(name), _chosen(run, data))


def _chosen(run: Run, files: Sequence[str | Path]) -> Path | None:
    """Of the user's own files the one that the run is of."""
    same = [Path(file) for file in files if Path(file).name == Path(run.dataset).name]
    return same[0] if same else Path(files[0]) if len(files) == 1 else None
