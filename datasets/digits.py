"""Optical Recognition of Handwritten Digits, as bundled with scikit-learn: nothing to download."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from benchmark.api import Dataset


class Digits(Dataset):
    """1,797 handwritten digits of 8x8 pixels with values 0 to 16, scaled to [0, 1]; no split."""

    name = "digits"
    title = "Digits"
    source = "UCI Machine Learning Repository, Alpaydin and Kaynak 1998, test part; from scikit-learn"
    licence = "CC BY 4.0"
    splits = ("all",)
    shape = (1, 8, 8)
    n_classes = 10
    preprocessing = "values / 16"

    def x(self, split: str) -> np.ndarray:
        return (_load()[0].reshape(-1, 1, 8, 8) / 16).astype(np.float32)

    def y(self, split: str) -> np.ndarray:
        return _load()[1]


@cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x, y.astype(np.uint8)
