"""HAR: human activity recognition from a smartphone's sensors (UCI)."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from benchmark.errors import UserError

from ._archives import read_members
from ._files import FileDataset, Found, Remote

FOLDER = "UCI HAR Dataset"
INNER = f"{FOLDER}.zip"
PARTS = {
    split: (f"{FOLDER}/{split}/X_{split}.txt", f"{FOLDER}/{split}/y_{split}.txt")
    for split in ("train", "test")
}


class Har(FileDataset):
    """Six activities from 561 features of phone sensors: 7,352 training and 2,947 test windows, other people
    in the test.

    VaDE trains on the first 10,200 of all 10,299 rows, and calls the data set HHAR, which is another one.
    """

    name = "har"
    title = "HAR"
    source = "UCI Machine Learning Repository, Anguita, Ghio, Oneto, Parra and Reyes-Ortiz 2013"
    licence = "CC BY 4.0"
    shape = (561,)
    value_range = None  # [-1, 1], but VaDE's decoder is linear here
    n_classes = 6
    class_names = (
        "walking",
        "walking upstairs",
        "walking downstairs",
        "sitting",
        "standing",
        "laying",
    )
    preprocessing = "none; features lie in [-1, 1] (VaDE)"
    folders = ("har", "")
    files = (  # SHA-256 as two independent projects on GitHub state them
        Remote(
            "human+activity+recognition+using+smartphones.zip",
            (
                "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
            ),
            "sha256:c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
            alternatives=(
                Remote(
                    INNER,
                    digest="sha256:2045e435c955214b38145fb5fa00776c72814f01b203fec405152dac7d5bfeb0",
                    members=(*PARTS["train"], *PARTS["test"]),
                ),
            ),
        ),
    )

    rows: Mapping[str, int] = {"train": 7352, "test": 2947}

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        points, labels = self._members(self.locate(self.files[0]), split)
        try:
            x = np.loadtxt(io.BytesIO(points), dtype=np.float32, ndmin=2)
            y = np.loadtxt(io.BytesIO(labels), dtype=np.int64, ndmin=1)
        except ValueError as error:
            raise UserError(f"{self.title} in {self.folder} is not a table of numbers: {error}") from error
        if x.shape != (expected := (self.rows[split], *self.shape)):
            raise UserError(
                f"{self.title} in {self.folder}: the {split} part has the shape {x.shape}, expected"
                f" {expected}"
            )
        return x, y - 1

    def _members(self, found: Found, split: str) -> list[bytes]:
        """The files of a split; the archive of today's repository has the original one inside."""
        if found.form is not self.files[0]:
            return list(read_members(found.path, PARTS[split]).values())
        try:
            with zipfile.ZipFile(io.BytesIO(read_members(found.path, [INNER])[INNER])) as inner:
                return [inner.read(name) for name in PARTS[split]]
        except (zipfile.BadZipFile, KeyError) as error:
            raise UserError(
                f"{INNER} in {found.path} can't be read: {error}; delete it to have it downloaded again"
            ) from error
