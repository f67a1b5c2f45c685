"""Data sets in the IDX format of MNIST: four gzip files, found, downloaded from mirrors, read and verified."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import numpy as np
from sklearn.datasets import fetch_file

from benchmark.api import Dataset
from benchmark.data import array_digest, verify
from benchmark.errors import UserError

FILES = {
    "train.x": "train-images-idx3-ubyte.gz",
    "train.y": "train-labels-idx1-ubyte.gz",
    "test.x": "t10k-images-idx3-ubyte.gz",
    "test.y": "t10k-labels-idx1-ubyte.gz",
}
MAGIC = {1: 0x00000801, 3: 0x00000803}  # unsigned bytes, with one or three dimensions


class IdxDataset(Dataset):
    """28x28 grey images and labels. Subclasses state name, mirrors and digests.

    Class attributes:
        folders: where in the data folder the files may lie; downloads go to the first. torchvision keeps its own,
            unpacked, in e.g. MNIST/raw.
        mirrors: addresses of folders that hold the four files, tried in order.
        digests: of the decoded arrays, so that any container with the right content will do.
    """

    splits = ("train", "test")
    shape = (1, 28, 28)
    n_classes = 10
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._arrays: dict[str, np.ndarray] = {}

    def missing(self) -> str | None:
        names = [file for file in FILES.values() if self._find(file) is None]
        if not names:
            return None
        place = self.folder / self.folders[0]
        return f"{', '.join(names)}; `run` downloads them, or put them into {place} (from {self.mirrors[0]})"

    def fetch(self) -> None:
        for key, file in FILES.items():
            if self._find(file) is None:
                self._download(key, file)

    def x(self, split: str) -> np.ndarray:
        return self._read(f"{split}.x")[:, None]

    def y(self, split: str) -> np.ndarray:
        return self._read(f"{split}.y")

    def _find(self, file: str) -> Path | None:
        """The file, packed or unpacked, in any of the folders that it may lie in."""
        for folder in self.folders:
            for name in (file, file.removesuffix(".gz")):
                if (path := self.folder / folder / name).is_file():
                    return path
        return None

    def _read(self, key: str) -> np.ndarray:
        if key not in self._arrays:
            path = self._find(FILES[key])
            if path is None:
                raise UserError(f"{self.title} is not complete in {self.folder}: {self.missing()}")
            self._arrays[key] = verify(self, key, read_idx(path), path)
        return self._arrays[key]

    def _download(self, key: str, file: str) -> None:
        """Fetch a file from the first mirror that has the right one; it appears in the data folder only when whole."""
        place = self.folder / self.folders[0]
        failures = []
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place, prefix=".download-") as temporary:
                for mirror in self.mirrors:
                    try:
                        path = Path(fetch_file(f"{mirror}{file}", folder=temporary, local_filename=file, n_retries=1))
                        if array_digest(read_idx(path)) == self.digests[key]:
                            os.replace(path, place / file)
                            return
                        failures.append(f"{mirror}: another file than expected")
                        path.unlink()
                    except (URLError, OSError, UserError) as error:
                        failures.append(f"{mirror}: {error}")
        except OSError as error:
            raise UserError(f"the data folder {place} can't be written: {error}; set DGCBENCH_DATA") from error
        raise UserError(
            f"{file} of {self.title} could not be downloaded; put it into {place}, or set DGCBENCH_DATA to a folder that "
            "has it.\n  " + "\n  ".join(failures)
        )


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, packed or not.

    Raises:
        UserError: the file is truncated, damaged, or of another kind.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} can't be unpacked ({error}); delete it to have it downloaded again") from error
    dimensions = data[3] if len(data) > 4 else 0
    if int.from_bytes(data[:4], "big") != MAGIC.get(dimensions):
        raise UserError(f"{path} is not an IDX file of unsigned bytes; delete it to have it downloaded again")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    if len(data) != start + int(np.prod(shape)):
        raise UserError(f"{path} is truncated: {len(data)} bytes, expected {start + int(np.prod(shape))}; delete it")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()
