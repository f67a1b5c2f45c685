"""What every kind of own data comes down to: points, perhaps labels and names, in one or two splits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.data.labels import check_classes, has_minus_one_as_class, labelled
from benchmark.errors import UserError
from benchmark.reading import Reading


@dataclass(frozen=True)
class Points:
    """Own data as they were read.

    Attributes:
        x: numbers, (N, D) vectors or (N, H, W[, C]) or (N, C, H, W) images.
        y: (N,) labels as `clean_labels` gives them.
        names: (N,) of the files or rows.
        train: how many of the points, from the first on, are the training split; None for all of them.
        columns: names of the D columns of a table.
        caveat: what a reader of results must know.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    train: int | None = None
    columns: tuple[str, ...] = ()
    caveat: str | None = None


def refuse(reading: Reading, path: Path, kind: str, *options: str) -> None:
    """Raise where options were given that mean nothing for this kind of data."""
    if given := [option for option in reading.given() if option in options]:
        raise UserError(f"{path} is {kind}, for which {' and '.join(given)} can't be used; leave it out")


def check_numbers(x: np.ndarray, what: str) -> None:
    """Raise where `x` can't be points."""
    if x.dtype.kind not in "uifb" or x.ndim not in (2, 3, 4) or x.size == 0:
        raise UserError(
            f"{what} is {x.dtype} {x.shape}, expected numbers, (N, D) vectors or (N, H, W[, C]) images"
        )
    if not np.isfinite(x).all():
        raise UserError(
            f"{what} has {int((~np.isfinite(x)).sum())} values that are NaN or infinite; remove them first"
        )


def clean_labels(y: np.ndarray, n: int, what: str) -> np.ndarray:
    """(N,) integers or strings; whole floats are integers, one-hot rows the places of their ones.

    Not labelled is -1 among integers, which NaN among floats becomes, and "" among strings. Where -1 is one
    of two classes, both become strings.

    Args:
        what: they are, for messages.
    """
    given = f"{what} is {y.dtype} {y.shape}"
    if y.shape == (n, 1):
        y = y[:, 0]
    elif y.ndim == 2 and len(y) == n and y.dtype.kind in "uifb" and np.isin(y, (0, 1)).all():
        if not (y.sum(axis=1) == 1).all():
            raise UserError(f"{given} of 0 and 1, expected exactly one 1 in every row")
        y = y.argmax(axis=1)
    if y.shape != (n,) or y.dtype.kind not in "uibfUS":
        raise UserError(f"{given}, expected integers or strings of shape {(n,)}")
    two_classes = has_minus_one_as_class(y)
    missing = np.isnan(y) if y.dtype.kind == "f" else np.zeros(n, dtype=bool)
    if y.dtype.kind == "f":
        whole = y[~missing]
        if not (np.isfinite(whole).all() and (whole == np.floor(whole)).all()):
            raise UserError(f"{given} with fractions, expected integers or strings of shape {(n,)}")
        y = np.where(missing, -1, y).astype(np.int64)
    elif y.dtype.kind in "US":
        y = np.where(labelled(y), y, y.dtype.type())
    if two_classes:
        y = np.where(missing, "", y.astype(str))
    known = labelled(y)
    if not known.any():
        raise UserError(f"{what} labels no point; leave the labels out to cluster without them")
    if len(np.unique(y[known])) == 1:
        raise UserError(f"{what} has one class only; leave the labels out to cluster without them")
    check_classes(y, what)
    return y
