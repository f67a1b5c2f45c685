"""A user's own data: DATASET=path/to/own.npz with an array X and, if there are labels, an array y."""

import re
from pathlib import Path

import numpy as np

from benchmark.api import Dataset
from benchmark.errors import UserError


class NpzDataset(Dataset):
    """Images or vectors from an .npz file.

    X of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3 are images: uint8, or floats within [0,
    1]. X of shape (N, D) are vectors of any scale; every column is standardised to mean 0 and variance 1. y,
    if there, has shape (N,): integers or strings. There is no split: all points are clustered.
    """

    source = "the user's own file"
    splits = ("all",)

    def __init__(self, path: Path):
        super().__init__(path.parent)
        self.path = path
        self.name = name_of(path)
        self.title = path.name
        x, self._y = _read(path)
        self._x, self.value_range = _images(x, path) if x.ndim > 2 else (_standardised(x), None)
        self.shape = self._x.shape[1:]
        self.n_classes = None if self._y is None else len(np.unique(self._y))
        if self.n_classes == 1:
            raise UserError(f"{path}: y has one class only; leave y out to cluster without labels")

    def x(self, split: str) -> np.ndarray:
        return self._x

    def y(self, split: str) -> np.ndarray | None:
        return self._y


def name_of(path: Path) -> str:
    """Name of an own file in tables and folders."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Arrays X and y, checked. Object arrays are refused, since loading them would run whatever they hold."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; expected an .npz file with an array X and, optionally, y")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key in ("X", "y")}
            found = ", ".join(file.files) or "no arrays"
    except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
        why = "it holds Python objects, not numbers" if "pickle" in str(error).lower() else str(error)
        raise UserError(f"{path} can't be read as an .npz file of numeric arrays: {why}") from error
    if "X" not in arrays:
        raise UserError(
            f"{path} has no array X (it has: {found}); write it with numpy.savez({path.name!r}, X=x, y=y)"
        )
    x, y = arrays["X"], arrays.get("y")
    if x.dtype.kind not in "uifb" or x.ndim not in (2, 3, 4) or len(x) < 2 or x.size == 0:
        raise UserError(
            f"{path}: X is {x.dtype} {x.shape}, expected numbers, (N, D) vectors or (N, H, W[, C]) images"
        )
    if not np.isfinite(x).all():
        raise UserError(
            f"{path}: X has {int((~np.isfinite(x)).sum())} values that are NaN or infinite; remove them first"
        )
    if y is not None and (y.shape != x.shape[:1] or y.dtype.kind not in "uibUS"):
        raise UserError(
            f"{path}: y is {y.dtype} {y.shape}, expected integers or strings of shape {x.shape[:1]}"
        )
    return x, y


def _standardised(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    scale = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(scale > 0, scale, 1)).astype(np.float32)


def _images(x: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Images as (N, C, H, W), uint8 or float32 in [0, 1]."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1] not in (1, 3):
        raise UserError(f"{path}: X has shape {x.shape}, expected 1 or 3 colour channels")
    if x.dtype != np.uint8:
        if x.min() < 0 or x.max() > 1:
            raise UserError(
                f"{path}: image values go from {x.min():g} to {x.max():g}; expected uint8, or floats in"
                " [0, 1]"
            )
        x = x.astype(np.float32)
    return np.ascontiguousarray(x), (0.0, 1.0)
