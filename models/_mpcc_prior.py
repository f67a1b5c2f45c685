"""The prior of MPCC, a mixture of Gaussians, and the losses that the mixture and the encoder are trained
with.
"""

import math

import torch
from torch import Tensor, nn


class Mixture(nn.Module):
    """p(y) p(z | y): K Gaussians, all equally likely, with means mu and log-variances v (K, J)."""

    def __init__(self, n_clusters: int, latent: int, sigma: float):
        super().__init__()
        self.sigma = sigma
        self.mu = nn.Parameter(nn.init.orthogonal_(torch.empty(n_clusters, latent)))
        self.v = nn.Parameter(torch.ones(n_clusters, latent))

    def std(self) -> Tensor:
        """(K, J) s of the samples."""
        return (0.5 * self.v).exp() + self.sigma

    def sample(self, n: int, cluster: int | None = None) -> tuple[Tensor, Tensor]:
        """z (n, J) and y (n,), of one cluster or of all; differentiable in mu and v."""
        k, device = len(self.mu), self.mu.device
        y = (
            torch.randint(k, (n,), device=device)
            if cluster is None
            else torch.full((n,), cluster, device=device)
        )
        mu, std = self.mu[y], self.std()[y]
        return torch.addcmul(mu, std, torch.randn_like(mu)), y


def latent_nll(z: Tensor, m: Tensor, l: Tensor, constant: float) -> Tensor:
    """Mean of -log N(z; m, diag e^l), all (B, J), with `constant` in place of log 2 pi."""
    return 0.5 * ((z - m).square() * (-l).exp() + l + constant).sum(dim=1).mean()


def mixture_log_posterior(z: Tensor, mu: Tensor, variance: Tensor) -> Tensor:
    """(B, K) log q(y | z) of z (B, J) under equally likely Gaussians with means and variances (K, J)."""
    squares = (z[:, None] - mu).square() / variance  # (B, K, J)
    return (-0.5 * (variance.log() + squares).sum(dim=2)).log_softmax(dim=1)


def negative_entropy(v: Tensor) -> Tensor:
    """-H per cluster and dimension of Gaussians with log-variances v (K, J), without sigma_0."""
    return -0.5 * (v + math.log(2 * math.pi) + 1).mean()
