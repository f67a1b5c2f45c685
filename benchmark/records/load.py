"""A run that has ended, and its trained model, from the folder that it left."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmark import config
from benchmark.api import ClusteringModel, as_float
from benchmark.data.opening import Opened, open_dataset
from benchmark.data.own_file import BYTES, Standardisation, channels_first, unit_floats
from benchmark.errors import UserError
from benchmark.records.run import FILE, STANDARDISATION, Record, Run
from benchmark.records.source import source_digest
from benchmark.records.store import read_record
from benchmark.registry import Registry


@dataclass(frozen=True)
class SavedRun:
    """What a run's folder says about it, see `load_run`."""

    folder: Path
    run: Run
    record: Record
    registry: Registry
    model_class: type[ClusteringModel]

    @cached_property
    def data(self) -> Opened:
        """The run's data set, which must be at hand and unchanged.

        Raises:
            UserError: it is not.
        """
        opened = open_dataset(self.registry, self.run.dataset, self.run.key["protocol"], self.run.standardise)
        if opened.digest != self.record["key"]["data"]:
            raise UserError(f"the data of {opened.dataset.name} have changed since this run")
        return opened

    def model(self) -> ClusteringModel:
        """The trained model, ready to assign and to sample, on the GPU if there is one.

        Raises:
            UserError: the model's source is not that of the run, or its file is damaged.
        """
        key = self.record["key"]
        if source_digest(self.model_class.__module__) != key["source"]:
            what = f"the source of {key['model']} has changed since this run"
            raise UserError(f"{what}, so its model can't be loaded; run it again")
        model = self.model_class(self.data.spec, config.from_dict(self.model_class, key["config"]))
        try:
            model.load_state_dict(torch.load(self.folder / "model.pt", map_location="cpu", weights_only=True))
        except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
            raise UserError(f"{self.folder / 'model.pt'} can't be loaded, run it again: {error}") from error
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def prepare(self, x: np.ndarray) -> torch.Tensor:
        """New points, as they are in an own file's X, treated like those that the model was trained on.

        Vectors are standardised with the mean and scale of the training data, images become (N, C, H, W) in
        [0, 1]: `run.model().log_assign(run.prepare(x))`.

        Raises:
            UserError: they have another shape or range.
        """
        file = self.folder / STANDARDISATION
        if x.ndim > 2:
            x = channels_first(x, "the images")
            divided = x.dtype == np.uint8 and self.record["data"]["preprocessing"] == BYTES
            found = torch.from_numpy(np.ascontiguousarray(x) if divided else unit_floats(x, "the images"))
        elif file.is_file():
            standardise = Standardisation.read(file)
            if x.ndim != 2 or x.shape[1:] != standardise.mean.shape:
                expected = len(standardise.mean)
                raise UserError(f"these vectors have the shape {x.shape}, expected (N, {expected})")
            found = torch.from_numpy(standardise(x))
        else:
            found = torch.from_numpy(x.astype(np.float32))
        return as_float(found).to("cuda" if torch.cuda.is_available() else "cpu")


def load_run(folder: str | Path, plugins: Sequence[str] = ()) -> SavedRun:
    """The run in a folder `.../seed-<n>`: `load_run("results/runs/mnist/vade/0123456789ab/seed-0").model()`.

    Args:
        plugins: files with models or data sets, besides those that the run itself was given.

    Raises:
        UserError: the folder holds no run that ended well, or lacks its model.
    """
    folder = Path(folder)
    record = read_record(folder)
    if record is None or record["status"] != "ok":
        raise UserError(f"{folder} holds no run that ended well")
    if missing := [name for name in (FILE, "model.pt") if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} has no {' and no '.join(missing)}, so its model can't be loaded; run it again"
        )
    run = Run.read(folder)
    registry = Registry([*run.plugins, *plugins])
    return SavedRun(folder, run, record, registry, registry.model(run.key["model"]))
