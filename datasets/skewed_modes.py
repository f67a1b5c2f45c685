"""The synthetic 2-D mixtures of the kVAEs paper: 3, 5 or 9 skewed Gaussian modes.

Locatello et al. 2018 state 64,000 points and the skew x2 <- x2 + 0.04 x1^2 - 4, but neither positions nor
widths of the modes. Ours: 3 and 5 modes on a circle of radius 5, 9 modes on a 3x3 grid with spacing 5; the
widths are such that the mean log-likelihood of the true density (-4.4, -2.6, -2.3 nats) lies just above the
best published values (-4.59, -2.74, -2.51).
"""

import numpy as np

from benchmark.api import Dataset

N = 64_000
SEED = 2018


class _SkewedModes(Dataset):
    source = "made here, after Locatello et al. 2018, Clustering Meets Implicit Generative Models"
    licence = "none needed"
    splits = ("all",)
    shape = (2,)
    value_range = None
    n_classes: int
    width: float  # standard deviation of a mode before the skew, which leaves areas unchanged

    def x(self, split: str) -> np.ndarray:
        noise = np.random.default_rng(SEED).standard_normal((N, 2))
        x = self.centres()[self.y(split)] + self.width * noise
        x[:, 1] += 0.04 * x[:, 0] ** 2 - 4
        return x.astype(np.float32)

    def y(self, split: str) -> np.ndarray:
        return np.random.default_rng(SEED + 1).integers(self.n_classes, size=N)

    def centres(self) -> np.ndarray:
        """(modes, 2) means before the skew."""
        angles = np.pi / 2 + 2 * np.pi * np.arange(self.n_classes) / self.n_classes
        return 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


class Modes3(_SkewedModes):
    """64,000 points in the plane, 3 skewed Gaussian modes of equal weight."""

    name, title, n_classes, width = "modes3", "3 skewed modes", 3, 1.25


class Modes5(_SkewedModes):
    """64,000 points in the plane, 5 skewed Gaussian modes of equal weight."""

    name, title, n_classes, width = "modes5", "5 skewed modes", 5, 0.4


class Modes9(_SkewedModes):
    """64,000 points in the plane, 9 skewed Gaussian modes of equal weight."""

    name, title, n_classes, width = "modes9", "9 skewed modes", 9, 0.25

    def centres(self) -> np.ndarray:
        grid = 5.0 * np.arange(-1, 2)
        return np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
