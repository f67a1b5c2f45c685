"""Which points are labelled: a data set may know the classes of some of its points only."""

import numpy as np

from benchmark.errors import UserError

NOT_LABELLED = ("", "nan")  # numpy writes a missing value among strings as "nan"


def labelled(y: np.ndarray) -> np.ndarray:
    """(N,) whether a point has a label: -1, an empty text and NaN mean "not labelled"."""
    if y.dtype.kind in "US":
        return ~np.isin(np.char.strip(y.astype(str)), NOT_LABELLED)
    known: np.ndarray = y != -1
    return known & ~np.isnan(y) if y.dtype.kind == "f" else known


def has_minus_one_as_class(y: np.ndarray) -> bool:
    """Whether -1 stands beside one other label only: some name two classes -1 and 1.

    Args:
        y: of all splits, since one of them alone may lack the other classes.
    """
    return y.dtype.kind in "if" and bool((y == -1).any()) and n_classes(y) == 1


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
