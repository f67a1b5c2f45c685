"""The IDX format of MNIST: four gzip files of images and labels."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.data import verify
from benchmark.errors import UserError

from ._files import FileDataset, Remote

MAGIC = {1: 0x00000801, 3: 0x00000803}  # unsigned bytes, with one or three dimensions


def idx_files(*mirrors: str) -> tuple[Remote, ...]:
    """The four files of MNIST's format, packed or unpacked, at addresses of folders that hold them."""
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return tuple(
        Remote(f"{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in mirrors), alternatives=(Remote(name),))
        for name in names
    )


class IdxDataset(FileDataset):
    """28x28 grey images and labels. Subclasses state name, folders, files and `originals`.

    Class attributes:
        originals: digests of the arrays in the files, {"train.x": SHA-256, ...}; not of the files themselves,
            since the gzip container may have been packed anew.
    """

    splits = ("train", "test")
    shape = (1, 28, 28)
    n_classes = 10
    preprocessing = "values / 255"
    originals: Mapping[str, str]

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.files[:2] if split == "train" else self.files[2:]
        return self._part(f"{split}.x", self.locate(images).path), self._part(
            f"{split}.y", self.locate(labels).path
        )

    def check(self, file: Remote, path: Path) -> None:
        self._part(("train.x", "train.y", "test.x", "test.y")[self.files.index(file)], path)

    def _part(self, key: str, path: Path) -> np.ndarray:
        array = read_idx(path)
        return verify(
            f"{key} of {self.title}",
            array[:, None] if key.endswith("x") else array,
            self.originals[key],
            path,
        )


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, packed or not.

    Raises:
        UserError: the file is truncated, damaged, or of another kind.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} can't be unpacked ({error}); delete it to have it downloaded again"
        ) from error
    dimensions = data[3] if len(data) > 4 else 0
    if int.from_bytes(data[:4], "big") != MAGIC.get(dimensions):
        raise UserError(f"{path} is not an IDX file of unsigned bytes; delete it to have it downloaded again")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    if len(data) != start + int(np.prod(shape)):
        raise UserError(
            f"{path} is truncated: {len(data)} bytes, expected {start + int(np.prod(shape))}; delete it"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()
