"""Data sets as the protocols see them: the same points in other splits."""

from abc import ABC
from collections.abc import Sequence

import numpy as np

from benchmark.api import Dataset
from benchmark.errors import UserError, unknown
from benchmark.protocols import PROTOCOLS, applicable


def divide(dataset: Dataset, protocol: str) -> Dataset:
    """The data set as a protocol sees it: other splits of the same points. Models are fitted on the first
    one.
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    protocol = applicable(dataset.splits, protocol)
    if protocol == "held-out" and (n := len(dataset.x("train"))) <= 2 * (last := _validation_points(n)):
        raise UserError(
            f"{dataset.name} has {n} training points, of which held-out keeps the last {last} for validation;"
            f" expected more than {2 * last}, so that most are trained on; leave --protocol out"
        )
    return _DIVISIONS[protocol](dataset) if protocol in _DIVISIONS else dataset


class _Divided(Dataset, ABC):
    """Another division of the points of `whole`, which is there already: nothing is fetched."""

    def __init__(self, whole: Dataset):
        super().__init__(whole.folder)
        self.whole = whole
        self.name, self.title, self.shape, self.n_classes = (
            whole.name,
            whole.title,
            whole.shape,
            whole.n_classes,
        )
        self.value_range, self.source, self.licence = whole.value_range, whole.source, whole.licence


class _Pooled(_Divided):
    """Training and test points together: MPCC, VaDE."""

    splits = ("all",)

    def x(self, split: str) -> np.ndarray:
        return np.concatenate([self.whole.x(part) for part in ("train", "test")])

    def y(self, split: str) -> np.ndarray | None:
        parts = {part: self.whole.y(part) for part in ("train", "test")}
        known = next((y for y in parts.values() if y is not None), None)
        if known is None:
            return None
        missing = "" if known.dtype.kind in "US" else -1
        sizes = {part: len(self.whole.x(part)) for part in parts}
        return np.concatenate([np.full(sizes[p], missing) if y is None else y for p, y in parts.items()])

    def names(self, split: str) -> Sequence[str] | None:
        parts = {part: self.whole.names(part) for part in ("train", "test")}
        if not any(parts.values()):
            return None
        return [n for part, names in parts.items() for n in names or [""] * len(self.whole.x(part))]


class _HeldOut(_Divided):
    """The last training points are for validation: ClusterGAN, which chooses among its runs with them."""

    splits = ("train", "test", "validation")

    def x(self, split: str) -> np.ndarray:
        return self._part(self.whole.x("test" if split == "test" else "train"), split)

    def y(self, split: str) -> np.ndarray | None:
        labels = self.whole.y("test" if split == "test" else "train")
        return None if labels is None else self._part(labels, split)

    def names(self, split: str) -> Sequence[str] | None:
        names = self.whole.names("test" if split == "test" else "train")
        return None if names is None else self._part(np.array(names), split).tolist()

    def _part(self, values: np.ndarray, split: str) -> np.ndarray:
        last = _validation_points(len(values))
        return {"train": values[:-last], "validation": values[-last:], "test": values}[split]


def _validation_points(n: int) -> int:
    """How many of n training points are held out. As released: MNIST, Fashion and 10x_73k 5,000, Pendigits
    1,000.
    """
    return 5000 if n >= 50_000 else 1000


_DIVISIONS: dict[str, type[_Divided]] = {"pooled": _Pooled, "held-out": _HeldOut}
