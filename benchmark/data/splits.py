"""Data sets as the protocols see them: the same points in other splits."""

from abc import ABC
from collections.abc import Sequence

import numpy as np

from benchmark.api import Dataset
from benchmark.errors import unknown
from benchmark.protocols import PROTOCOLS, applicable


def divide(dataset: Dataset, protocol: str) -> Dataset:
    """The data set as a protocol sees it: other splits of the same points. Models are fitted on the first
    one.
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    protocol = applicable(dataset.splits, protocol)
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
        parts = [y for part in ("train", "test") if (y := self.whole.y(part)) is not None]
        return np.concatenate(parts) if parts else None

    def names(self, split: str) -> Sequence[str] | None:
        parts = [n for part in ("train", "test") if (n := self.whole.names(part)) is not None]
        return [name for part in parts for name in part] or None


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
        # as released: MNIST, Fashion and 10x_73k 5,000, Pendigits 1,000
        last = 5000 if len(values) >= 50_000 else 1000
        return {"train": values[:-last], "validation": values[-last:], "test": values}[split]


_DIVISIONS: dict[str, type[_Divided]] = {"pooled": _Pooled, "held-out": _HeldOut}
