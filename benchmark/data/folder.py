"""Where data sets are kept, how their arrays are digested, and what is told about them to a model."""

import hashlib
import os
from pathlib import Path

import numpy as np

from benchmark.api import Dataset, DataSpec
from benchmark.data.ranges import check_points
from benchmark.errors import UserError
from benchmark.protocols import SPLITS


def data_folder() -> Path:
    """The folder for downloaded data: DGCBENCH_DATA, by default dgcbench in the user's cache folder."""
    if folder := os.environ.get("DGCBENCH_DATA"):
        return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "dgcbench"


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and values, whatever file it came from."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def dataset_digest(dataset: Dataset) -> str:
    """One SHA-256 for all arrays of a data set, points and labels."""
    parts = []
    for split in dataset.splits:
        for part, array in (("x", dataset.x(split)), ("y", dataset.y(split))):
            parts.append(f"{split}.{part} {array_digest(array) if array is not None else '-'}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def verify(what: str, array: np.ndarray, expected: str | None, where: Path | str) -> np.ndarray:
    """`array` itself if it has the expected digest, or if none is known, else an error that says `what` it
    should be.
    """
    if expected is not None and (found := array_digest(array)) != expected:
        raise UserError(
            f"{where} does not hold {what}: its digest is {found[:16]}..., expected {expected[:16]}...; "
            "delete the file to have it downloaded again"
        )
    return array


def data_spec(dataset: Dataset) -> DataSpec:
    """Description of a data set for models. Checks the names of its splits, its shape, and that its training
    points have it.
    """
    if dataset.splits[0] not in ("train", "all") or not set(dataset.splits) <= set(SPLITS):
        raise UserError(
            f"data set {dataset.name} has the splits {', '.join(dataset.splits)}; expected train or all"
            f" first, and none but {', '.join(SPLITS)}"
        )
    if len(dataset.shape) != 1 and (len(dataset.shape) != 3 or dataset.shape[0] not in (1, 3)):
        raise UserError(
            f"data set {dataset.name} has the shape {dataset.shape}, expected (D,) for vectors or (C, H, W)"
            " with C = 1 or 3 for images: x[:, None] adds a channel, x.transpose(0, 3, 1, 2) puts them first"
        )
    x = dataset.x(dataset.splits[0])
    check_points(x, dataset.shape, f"data set {dataset.name}: x({dataset.splits[0]!r})")
    return DataSpec(dataset.name, dataset.shape, dataset.value_range, len(x))
