"""Gaussian mixtures fitted to the codes of all training points."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from benchmark.api import draw_seed

REG_COVAR = 1e-3  # added to the diagonal of every covariance
ITERATIONS = 200  # of EM at most

Choice = Literal["likelihood", "information"]


class Mixture(NamedTuple):
    """Weights (K,), means (K, J) and full covariances (K, J, J), in float64."""

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def log_joint(self, codes: Tensor) -> Tensor:
        """(N, K) log pi_k + log N(z; mu_k, Sigma_k) of codes (N, J), up to a constant."""
        lower = torch.linalg.cholesky(self.covariances)  # (K, J, J)
        differences = (codes.double().cpu() - self.means[:, None]).transpose(1, 2)  # (K, J, N)
        squares = torch.linalg.solve_triangular(lower, differences, upper=False).square().sum(dim=1)  # (K, N)
        log_det = lower.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        return (self.weights.log() - log_det - 0.5 * squares.T).to(codes.device)


def fit_mixture(codes: Tensor, k: int, restarts: int, choice: Choice, points: int = 0) -> Mixture:
    """The best of several mixtures with full covariances, each fitted by EM from a k-means of its own.

    Different local optima often have the same likelihood to a hundredth of a nat, where some share two
    clusters between three components. Such components overlap, and I(x; c) sees that.

    Args:
        codes: (N, J).
        restarts: number of fits.
        choice: keep the fit with the highest likelihood, or that whose posterior q(c | x) has the highest
        I(x; c).
        points: how many random codes to fit to; 0: all.
    """
    if 0 < points < len(codes):
        codes = codes[torch.randperm(len(codes), device=codes.device)[:points]]
    values = codes.double().cpu().numpy()
    origin = values.mean(axis=0)  # EM squares coordinates, which cancels far from the origin
    values = values - origin
    best, best_score = None, -np.inf
    for _ in range(restarts):
        fit = GaussianMixture(k, reg_covar=REG_COVAR, max_iter=ITERATIONS, random_state=draw_seed()).fit(
            values
        )
        posterior = torch.from_numpy(fit.predict_proba(values))
        score = fit.lower_bound_ if choice == "likelihood" else information(posterior).item()
        if best is None or score > best_score:
            best, best_score = fit, score
    assert best is not None  # at least one restart
    return Mixture(*(torch.from_numpy(a) for a in (best.weights_, best.means_ + origin, best.covariances_)))


def information(q: Tensor) -> Tensor:
    """Scalar I(x; c) = H(mean of q) - mean of H(q) in nats, of posteriors q(c | x) (N, K).

    log K at most, for equally large clusters without doubt about any point; 0 if all points have the same
    posterior.
    """
    return torch.special.entr(q.mean(dim=0)).sum() - torch.special.entr(q).sum(dim=1).mean()
