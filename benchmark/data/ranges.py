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
    if _is_black_and_white(dataset):
        stored = dataset.x
        # On the object, not in a wrapper around it: it stays of the class that its plugin has defined.
        vars(dataset)["x"] = lambda split: stored(split) * np.uint8(255)
    for split in dataset.splits:
        what = f"data set {dataset.name}: x({split!r})"
        x, y = dataset.x(split), dataset.y(split)
        if x.dtype == np.uint8:
            check_bytes(x, what)
        elif dataset.value_range is not None:
            check_within(x, dataset.value_range, what)
        elif x.dtype == np.float32:
            check_size(x, what)
        if y is not None:
            check_classes(y, f"data set {dataset.name}: y({split!r})")
    labels = [y for split in dataset.splits if (y := dataset.y(split)) is not None]
    if labels and has_minus_one_as_class(np.concatenate(labels)):
        raise UserError(
            f"data set {dataset.name}: y has one class besides -1, which means not labelled; number the"
            " classes from 0"
        )


def _is_black_and_white(dataset: Dataset) -> bool:
    return all(
        (x := dataset.x(split)).dtype == np.uint8 and x.max(initial=0) == 1 for split in dataset.splits
    )


def check_bytes(x: np.ndarray, what: str) -> None:
    """Raise where values from 0 to 255 are expected and the largest says that they have another range."""
    largest = int(x.max(initial=0))
    if largest < LEAST_BRIGHTEST:
        raise UserError(
            f"{what} is uint8 from {int(x.min(initial=255))} to {largest}; bytes are divided by 255, so these"
            f" would nearly vanish. Give floats in [0, 1] instead: (X / {max(largest, 1)}).astype('float32'),"
            " with the largest value that X can have in place of that number"
        )


def check_within(x: np.ndarray, limits: tuple[float, float], what: str) -> None:
    """Raise where floats leave the range that they are said to have, but for rounding."""
    if not np.isfinite(x).all():
        raise UserError(f"{what} has {int((~np.isfinite(x)).sum())} values that are NaN or infinite")
    low, high, (least, most) = float(x.min()), float(x.max()), limits
    slack = ROUNDING * (most - least)
    if low < least - slack or high > most + slack:
        remedy = f": {remedy_for(low, high)}" if limits == (0.0, 1.0) else "; or state value_range"
        raise UserError(f"{what} has values from {low:g} to {high:g}, expected [{least:g}, {most:g}]{remedy}")


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
    if not np.isfinite(x).all():
        raise UserError(f"{what} has {int((~np.isfinite(x)).sum())} values that are NaN or infinite")
    largest = float(np.abs(x).max(initial=0))
    if largest**2 * math.prod(x.shape[1:]) > LARGEST_SQUARE:
        raise UserError(
            f"{what} has values up to {largest:g}, too large for distances in float32; divide them"
        )
