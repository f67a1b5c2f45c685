"""A run that has ended, and its trained model, from the folder that it left."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmark import config
from benchmark.api import ClusteringModel, Dataset
from benchmark.data import data_folder, data_spec, dataset_digest
from benchmark.errors import UserError
from benchmark.records.provenance import source_digest
from benchmark.records.run import Record, Run
from benchmark.records.store import read_record
from benchmark.registry import Registry


@dataclass(frozen=True)
class SavedRun:
    """What a run's folder says about it: `SavedRun.open("results/runs/mnist/vade/0123456789ab/seed-0").model()`."""

    folder: Path
    run: Run
    record: Record
    dataset: Dataset
    model_class: type[ClusteringModel]

    @classmethod
    def open(cls, folder: str | Path, plugins: Sequence[str] = ()) -> "SavedRun":
        """The run in a folder `.../seed-<n>`.

        Args:
            plugins: files with models or data sets, besides those that the run itself was given.

        Raises:
            UserError: the folder holds no run that ended well, or lacks its model; or the data are not those of the run.
        """
        folder = Path(folder)
        record = read_record(folder)
        if record is None or record["status"] != "ok":
            raise UserError(f"{folder} holds no run that ended well")
        if missing := [name for name in ("run.json", "model.pt") if not (folder / name).is_file()]:
            raise UserError(f"{folder} has no {' and no '.join(missing)}, so its model can't be loaded; run it again")
        run = Run.read(folder / "run.json")
        registry = Registry([*run.plugins, *plugins])
        dataset, model_class = registry.dataset(run.source, data_folder()), registry.model(run.key["model"])
        if dataset_digest(dataset) != record["key"]["data"]:
            raise UserError(f"the data of {dataset.name} have changed since this run")
        return cls(folder, run, record, dataset, model_class)

    def model(self) -> ClusteringModel:
        """The trained model, ready to assign and to sample, on the GPU if there is one.

        Raises:
            UserError: the model's source is not that of the run, or its file is damaged.
        """
        key = self.record["key"]
        if source_digest(self.model_class.__module__) != key["source"]:
            what = f"the source of {key['model']} has changed since this run"
            raise UserError(f"{what}, so its model can't be loaded; run it again")
        model = self.model_class(data_spec(self.dataset), config.from_dict(self.model_class, key["config"]))
        try:
            model.load_state_dict(torch.load(self.folder / "model.pt", map_location="cpu", weights_only=True))
        except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
            raise UserError(f"{self.folder / 'model.pt'} can't be loaded, run it again: {error}") from error
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
