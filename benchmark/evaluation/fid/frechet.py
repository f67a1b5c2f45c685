"""Moments of features, accumulated in one pass, and the Frechet distance between two Gaussians with such
moments.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Moments: all that a Frechet distance needs to know of a set of features.

    Attributes:
        n: number of samples.
        mean: (D,) float64.
        cov: (D, D) float64, unbiased (divided by n - 1).
    """

    n: int
    mean: np.ndarray
    cov: np.ndarray


class RunningMoments:
    """Sums in float64 over batches of features, from which the moments follow. One pass, nothing else is
    kept.

    The first batch's mean is taken off all features, so that a mean that is large against the deviations
    costs no digits.
    """

    def __init__(self) -> None:
        self.n = 0
        self.shift = self.sums = self.products = torch.zeros(0, dtype=torch.float64)  # (D,), (D,), (D, D)

    def add(self, features: Tensor) -> None:
        """Account for a batch (B, D)."""
        if features.ndim != 2:
            raise ValueError(f"features have shape {tuple(features.shape)}, expected (B, D)")
        values = features.double()
        if self.n == 0:
            self.shift = values.mean(dim=0)
            self.sums = torch.zeros_like(self.shift)
            self.products = values.new_zeros(values.shape[1], values.shape[1])
        values = values - self.shift
        self.n += len(values)
        self.sums = self.sums + values.sum(dim=0)
        self.products.addmm_(values.T, values)

    def moments(self) -> Moments:
        """
        Raises:
            ValueError: fewer than two samples, or features that are not finite.
        """
        if self.n < 2:
            raise ValueError(f"moments of {self.n} samples were asked for; a covariance needs at least 2")
        mean = self.sums / self.n
        cov = (self.products - self.n * torch.outer(mean, mean)) / (self.n - 1)
        if not (mean.isfinite().all() and cov.isfinite().all()):
            raise ValueError("the features hold NaN or infinite values")
        return Moments(self.n, (mean + self.shift).cpu().numpy(), ((cov + cov.T) / 2).cpu().numpy())

    def state(self) -> dict[str, np.ndarray]:
        """Everything, as arrays; `restore` is the inverse."""
        tensors = {"shift": self.shift, "sums": self.sums, "products": self.products}
        return {"n": np.array(self.n), **{name: t.cpu().numpy() for name, t in tensors.items()}}

    @classmethod
    def restore(cls, state: dict[str, np.ndarray], device: torch.device) -> "RunningMoments":
        running = cls()
        running.n = int(state["n"])
        running.shift, running.sums, running.products = (
            torch.from_numpy(state[name]).to(device) for name in ("shift", "sums", "products")
        )
        return running


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet (2-Wasserstein) distance between two Gaussians (Dowson and Landau 1982; Heusel et al.
    2017).

        |m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^{1/2}

    With any F such that F F' = S_a, the eigenvalues of S_a S_b are those of the symmetric F' S_b F, and the
    sum of their roots is the last trace. F is the Cholesky factor, or, of a singular S_a, its eigenvectors
    times the roots of the eigenvalues, which takes three times as long.

    Raises:
        ValueError: the moments are of features of different dimensions, or are not finite.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"moments of {len(a.mean)} and of {len(b.mean)} features can't be compared")
    if min(a.n, b.n) <= len(a.mean):
        warnings.warn(
            f"{min(a.n, b.n)} samples of {len(a.mean)} features: the covariance is singular, and the distance"
            " strongly biased; compare it only with distances from as many samples",
            RuntimeWarning,
            stacklevel=2,
        )
    factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(a.cov))
    if failed:
        values, vectors = torch.linalg.eigh(torch.from_numpy(a.cov))
        factor = vectors * values.clamp(min=0).sqrt()
    product = factor.T @ torch.from_numpy(b.cov) @ factor
    trace = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum().item()
    distance = np.square(a.mean - b.mean).sum() + np.trace(a.cov) + np.trace(b.cov) - 2 * trace
    if not np.isfinite(distance):
        raise ValueError(f"the distance of these moments is {distance}")
    return max(0.0, float(distance))  # rounding can take the distance of equal moments below 0
