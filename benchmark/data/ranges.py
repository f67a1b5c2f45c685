"""Values as a data set should give them; checked for every data set that is opened, a plugin's as well."""

import math

import numpy as np

from benchmark.api import Dataset
from benchmark.data.labels import check_classes, has_minus_one_as_class
from benchmark.errors import UserError

ROUNDING = 1e-6  # beyond the ends of a range
LEAST_BRIGHTEST = 128  # of 255: the brightest of all values in bytes that are meant to be divided by 255
LARGEST_SQUARE = 1e37  # of a whole point; float32 ends at 3.4e38, and losses are sums over points


def check_values(dataset: Dataset) -> None:
    """Raise where the points or labels of a data set are not what a model or a metric can use.

    Bytes that are 0 and 1 only are black and white; the data set gives them as 0 and 255 from here on.
    """
    if dataset.value_range != (0.0, 1.0) and (dataset.value_range is not None or len(dataset.shape) == 3):
        raise UserError(
            f"data set {dataset.name}: value_range is {dataset.value_range}, expected (0.0, 1.0), as models"
            " take its values for probabilities: rescale the points to [0, 1], or, for vectors, state None"
        )
    if _is_black_and_white(dataset):
        stored = dataset.x
        # On the object, not in a wrapper around it: it stays of the class that its plugin has defined.
        vars(dataset)["x"] = lambda split: stored(split) * np.uint8(255)
    # Own data count their classes, of any names; the class of any other data set states n_classes.
    numbered = hasattr(type(dataset), "n_classes")
    labels = []
    for split in dataset.splits:
        what = f"data set {dataset.name}: x({split!r})"
        x, y = dataset.x(split), dataset.y(split)
        check_points(x, dataset.shape, what)
        if x.dtype == np.uint8:
            check_bytes(x, what)
        elif dataset.value_range is not None:
            check_within(x, dataset.value_range, what)
        else:
            check_size(x, what)
        if y is not None:
            what = f"data set {dataset.name}: y({split!r})"
            if numbered:
                check_labels(y, len(x), dataset.n_classes, what)
            check_classes(y, what)
            labels.append(y)
    if labels and has_minus_one_as_class(np.concatenate(labels)):
        raise UserError(
            f"data set {dataset.name}: y has one class besides -1, which means not labelled; number the"
            " classes from 0"
        )


def _is_black_and_white(dataset: Dataset) -> bool:
    return all(
        (x := dataset.x(split)).dtype == np.uint8 and x.max(initial=0) == 1 for split in dataset.splits
    )


def check_points(x: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    """Raise where points are not stored as `Dataset.x` says, or there are none."""
    if x.shape[1:] != shape or x.dtype not in (np.uint8, np.float32) or len(x) == 0:
        raise UserError(
            f"{what} is {x.dtype} {x.shape}, expected uint8 or float32 of shape"
            f" (N, {', '.join(map(str, shape))})"
        )


def check_labels(y: np.ndarray, n: int, n_classes: int | None, what: str) -> None:
    """Raise where labels of n points are not the numbers of their classes from 0 on, or -1."""
    if y.shape != (n,) or y.dtype.kind not in "ui":
        raise UserError(
            f"{what} is {y.dtype} {y.shape}, expected integers of shape ({n},), one for every point"
        )
    if n_classes is not None and not -1 <= y.min() <= y.max() < n_classes:
        raise UserError(
            f"{what} has labels from {y.min()} to {y.max()}, expected 0 to {n_classes - 1}, or -1 where a"
            f" point is not labelled: number the classes from 0, or correct n_classes = {n_classes}"
        )


def check_finite(x: np.ndarray, what: str) -> None:
    """Raise where values are NaN or infinite."""
    if not np.isfinite(x).all():
        raise UserError(f"{what} has {int((~np.isfinite(x)).sum())} values that are NaN or infinite")


def check_bytes(x: np.ndarray, what: str) -> None:
    """Raise where values from 0 to 255 are expected and the largest says that they have another range."""
    largest = int(x.max(initial=0))
    if largest < LEAST_BRIGHTEST:
        raise UserError(
            f"{what} is uint8 from {int(x.min(initial=255))} to {largest}; bytes are divided by 255, so these"
            f" would nearly vanish. Give floats in [0, 1] instead: (X / {max(largest, 1)}).astype('float32'),"
            " with the largest value that X can have in place of that number; in image files white is the"
            " largest number that the format has, so multiply 12 bits that are stored as 16 by 16"
        )


def check_within(x: np.ndarray, limits: tuple[float, float], what: str) -> None:
    """Raise where floats leave the range that they are said to have, but for rounding."""
    check_finite(x, what)
    low, high, (least, most) = float(x.min()), float(x.max()), limits
    slack = ROUNDING * (most - least)
    if low < least - slack or high > most + slack:
        remedy = remedy_for(low, high) + ("; or state value_range = None" if x.ndim == 2 else "")
        raise UserError(
            f"{what} has values from {low:g} to {high:g}, expected [{least:g}, {most:g}]: {remedy}"
        )


def remedy_for(low: float, high: float) -> str:
    """How image values of some range are brought to [0, 1]."""
    if low >= 0 and 1 < high <= 255:
        return (
            "X / 255, or X.astype('uint8')"
            if high >= LEAST_BRIGHTEST
            else "X / the largest that there can be"
        )
    if low >= -1 - ROUNDING and high <= 1 + ROUNDING:
        return "(X + 1) / 2"
    return "(X - X.min()) / (X.max() - X.min())"


def check_size(x: np.ndarray, what: str) -> None:
    """Raise where vectors are so large that distances between them leave float32."""
    check_finite(x, what)
    largest = float(np.abs(x).max(initial=0))
    if largest**2 * math.prod(x.shape[1:]) > LARGEST_SQUARE:
        raise UserError(
            f"{what} has values up to {largest:g}, too large for distances in float32; divide them"
        )
