"""Which points are labelled: a data set may know the classes of some of its points only."""

import numpy as np

from benchmark.errors import UserError

NOT_LABELLED = ("", "nan")  # numpy writes a missing value among strings as "nan"


def labelled(y: np.ndarray) -> np.ndarray:
    """(N,) whether a point has a label: -1, an empty text and NaN mean "not labelled".

    Where -1 leaves fewer than two other classes, it is a class itself: some name two classes -1 and 1.
    """
    if y.dtype.kind == "f":
        known = ~np.isnan(y)
        return known & _but_minus_one(y, known)
    if y.dtype.kind in "US":
        return ~np.isin(np.char.strip(y.astype(str)), NOT_LABELLED)
    if y.dtype.kind == "i":
        return _but_minus_one(y, np.ones(len(y), dtype=bool))
    return np.ones(len(y), dtype=bool)


def _but_minus_one(y: np.ndarray, known: np.ndarray) -> np.ndarray:
    return y != -1 if len(np.unique(y[known & (y != -1)])) > 1 else np.ones(len(y), dtype=bool)


def n_classes(y: np.ndarray) -> int:
    """Number of classes among the labelled points."""
    return len(np.unique(y[labelled(y)]))


def check_classes(y: np.ndarray, what: str) -> None:
    """Raise where the classes of `what` are so many that any clustering would be found right."""
    points, classes = int(labelled(y).sum()), n_classes(y)
    if classes > max(2, points / 2):
        raise UserError(
            f"{what} has {classes} classes for {points} labelled points, more than half as many: are these"
            " the numbers of the rows, or measurements? Leave the labels out to cluster without them"
        )
