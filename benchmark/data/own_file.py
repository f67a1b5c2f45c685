"""A user's own data as a data set: DATASET=path/to/folder, .npz, .npy, .csv or .parquet."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.api import Dataset
from benchmark.data.folder import array_digest
from benchmark.data.labels import labelled
from benchmark.data.own_kinds import read_own
from benchmark.data.own_points import Points
from benchmark.data.ranges import check_bytes, check_within
from benchmark.errors import UserError
from benchmark.files import digest, write_arrays
from benchmark.reading import DEFAULT, Reading

BYTES = "values / 255"
COARSEST = 0.01  # error of rounding to float32, of a column's standard deviation
NAME_LENGTH = 40  # characters of the file's name: a folder's name may have 255 bytes, tables add to it


@dataclass(frozen=True)
class Standardisation:
    """What vectors are standardised by: column by column, minus the mean, over the standard deviation.

    Attributes:
        mean, scale: (D,) of the vectors as they are in the file; the scale of a constant column is 1.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "Standardisation":
        """That of vectors (N, D). Powers of two are taken out first, so that no square leaves float64."""
        _, exponent = np.frexp(np.abs(x).max(axis=0))
        small = np.ldexp(x, -exponent)
        mean, std = np.ldexp(small.mean(axis=0), exponent), np.ldexp(small.std(axis=0), exponent)
        constant = x.max(axis=0) == x.min(axis=0)
        return cls(np.where(constant, x[0], mean), np.where(constant | (std == 0), 1, std))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return ((x.astype(np.float64) - self.mean) / self.scale).astype(np.float32)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Standardised vectors in the units of the file."""
        return x * self.scale + self.mean

    def save(self, path: Path) -> None:
        write_arrays(path, {"mean": self.mean, "scale": self.scale})

    @classmethod
    def read(cls, path: Path) -> "Standardisation":
        with np.load(path, allow_pickle=False) as file:
            return cls(file["mean"], file["scale"])


class OwnDataset(Dataset):
    """Images or vectors of the user's own, in any of the kinds that `own_kinds.read_own` reads.

    X of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3 are images: uint8 from 0 to 255, or
    anything within [0, 1]. X of shape (N, D) are vectors of any scale; every column is standardised to mean 0
    and variance 1 on the training points, unless the reading says otherwise. There is no split, and all
    points are clustered, unless the file has one.

    Args:
        x: finite numbers in place of the file's, for points that are in memory and have no labels.
    """

    source = "the user's own data"

    def __init__(self, path: Path, reading: Reading = DEFAULT, x: np.ndarray | None = None):
        super().__init__(path.parent)
        self.path = path
        points = read_own(path, reading) if x is None else Points(x)
        if len(points.x) < 2:
            raise UserError(f"{path} has {len(points.x)} point, expected at least 2")
        self.columns, self._caveat = points.columns, points.caveat
        train = points.train or len(points.x)
        self.splits = ("all",) if points.train is None else ("train", "test")
        self._places = dict(zip(self.splits, (slice(train), slice(train, None)), strict=False))
        y = points.y
        self._y, self._names = y, points.names
        self.standardisation: Standardisation | None = None
        if points.x.ndim > 2:
            self._x, self.value_range = as_images(points.x, str(path)), (0.0, 1.0)
            self.preprocessing = BYTES if self._x.dtype == np.uint8 else "none"
            if resized := [f"{k[2:]} {v}" for k, v in reading.given().items() if k in ("--size", "--colour")]:
                self.preprocessing = f"{', '.join(resized)}; {self.preprocessing}"
        else:
            self._x, self.value_range = self._as_vectors(points.x, train, reading.standardise), None
        self.shape = self._x.shape[1:]
        self.class_names = () if y is None else np.unique(y[labelled(y)]).astype(str).tolist()
        self.n_classes = len(self.class_names) or None
        content = self._content()[:6]  # several files may have one name
        self.name = f"{name_of(path)}-{content}"
        self.title = f"{path.name} ({content})"

    def _content(self) -> str:
        """SHA-256 of all that comes back from a run."""
        arrays = {"x": array_digest(self._x), "y": "-" if self._y is None else array_digest(self._y)}
        if self._names is not None:
            arrays["names"] = digest({"names": self._names})
        if len(self.splits) > 1:
            arrays["train"] = str(self._places["train"].stop)
        return digest(arrays)

    def _as_vectors(self, x: np.ndarray, train: int, standardise: bool) -> np.ndarray:
        with np.errstate(over="ignore"):  # of long doubles
            x = x.astype(np.float64)
        if not np.isfinite(x).all():
            raise UserError(f"{self.path}: X has values too large for float64; divide them")
        if standardise:
            self.preprocessing = "every column minus its mean, divided by its standard deviation"
            self.standardisation = Standardisation.of(x[:train])
            found = self.standardisation(x)
        else:
            self.preprocessing = "none: vectors as they are in the file"
            with np.errstate(over="ignore"):
                found = x.astype(np.float32)
            self._check_precision(x, found)
        if not np.isfinite(found).all():
            raise UserError(f"{self.path}: X has values up to {np.abs(x).max():g}, too large; divide them")
        return found

    def _check_precision(self, x: np.ndarray, found: np.ndarray) -> None:
        """Raise where float32 rounds away what tells the points apart, as far from 0 it does."""
        spread = Standardisation.of(x).scale
        varies = x.max(axis=0) != x.min(axis=0)
        coarse = varies & np.isfinite(found).all(axis=0) & (np.abs(found - x).max(axis=0) > COARSEST * spread)
        if coarse.any():
            raise UserError(
                f"{self.path}: {int(coarse.sum())} columns of X lie so far from 0 for their spread that"
                " float32 can't hold them; let them be standardised, or subtract their mean"
            )

    def x(self, split: str) -> np.ndarray:
        return self._x[self._places[split]]

    def y(self, split: str) -> np.ndarray | None:
        return None if self._y is None else self._y[self._places[split]]

    def names(self, split: str) -> Sequence[str] | None:
        return None if self._names is None else self._names[self._places[split]]

    def caveat(self) -> str | None:
        return self._caveat


def name_of(path: Path) -> str:
    """Name of an own file in tables and folders; letters of every script stay."""
    name = path.resolve().name if path.is_dir() else path.stem  # of "." too
    return re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", name))[:NAME_LENGTH]


def as_images(x: np.ndarray, what: str) -> np.ndarray:
    """Images as (N, C, H, W), uint8 or float32 in [0, 1]; bytes that are 0 and 1 only are floats.

    Args:
        x: in any of the layouts that `OwnDataset` takes.
        what: they are, for messages.
    """
    x = channels_first(x, what)
    if x.max() == x.min():
        raise UserError(f"{what}: all values of X are {x.max()}, there is nothing to cluster")
    if x.dtype == np.uint8 and x.max() > 1:
        check_bytes(x, f"{what}: X")
        return np.ascontiguousarray(x)
    return unit_floats(x, what)


def channels_first(x: np.ndarray, what: str) -> np.ndarray:
    """Images of any layout as (N, C, H, W)."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1] not in (1, 3):
        remedy = ""
        if x.shape[3] == 4 or x.shape[1] == 4:
            channels = "X[..., :3]" if x.shape[3] == 4 else "X[:, :3]"
            remedy = f"; if the fourth is transparency, give {channels}"
        raise UserError(f"{what}: X has shape {x.shape}, expected 1 or 3 colour channels{remedy}")
    return x


def unit_floats(x: np.ndarray, what: str) -> np.ndarray:
    """Values that are within [0, 1] but for rounding, clipped to it, as float32."""
    check_within(x, (0.0, 1.0), f"{what}: image X")
    return np.ascontiguousarray(x.clip(0, 1).astype(np.float32))


def prepared(x: np.ndarray, standardisation: Standardisation | None, preprocessing: str) -> np.ndarray:
    """New points, as in the user's own data, as points like those that a data set stores, (N, *shape).

    Args:
        standardisation, preprocessing: of the data set of the training points.

    Raises:
        UserError: they have another range.
    """
    if x.ndim > 2:
        x = channels_first(x, "the images")
        # bytes of 0 and 1 only may be the whole range of the training points
        divided = x.dtype == np.uint8 and (x.max() > 1 or BYTES in preprocessing)
        return np.ascontiguousarray(x) if divided else unit_floats(x, "the images")
    with np.errstate(over="ignore"):
        found = x.astype(np.float32) if standardisation is None else standardisation(x)
    if not np.isfinite(found).all():
        raise UserError("these vectors have values too large for float32; divide them")
    return found
