"""Axes of a latent along which the clusters found in it can do with the diagonals of their covariances."""

import torch
from torch import Tensor, nn

from ._mixture import Mixture

START_LOG_VAR = -3.0  # of q(z | x) afterwards, where the clusters have variance 1


@torch.no_grad()
def whiten(mixture: Mixture, mean: nn.Linear, log_var: nn.Linear, decoder: nn.Module) -> Mixture:
    """Replace the latent z by A z, A of `common_axes`; the mixture of A z.

    An autoencoder computes what it did before: A goes into the layer that makes z, its inverse into the one
    that reads it. The posterior becomes narrow beside the clusters, with variance e^-3 for all x.

    Args:
        mixture: fitted to the means of q(z | x).
        mean, log_var: the layers of the encoder that make them, and the logarithms of the variances.
        decoder: its first layer reads z.
    """
    a = common_axes(mixture.weights, mixture.covariances)
    a32 = a.to(mean.weight)
    mean.weight.copy_(a32 @ mean.weight)
    mean.bias.copy_(a32 @ mean.bias)
    first = next(decoder.parameters())
    first.copy_(first @ a.inverse().to(first))
    nn.init.zeros_(log_var.weight)
    nn.init.constant_(log_var.bias, START_LOG_VAR)
    return Mixture(mixture.weights, mixture.means @ a.T, a @ mixture.covariances @ a.T)


def common_axes(weights: Tensor, covariances: Tensor) -> Tensor:
    """(J, J) A such that all A S_k A' are as nearly diagonal as one A can make them, with variances of 1 on
    average.

    "Nearly" in what the clusters lose when only their diagonals are kept, `lost` (the criterion of
    Pham, SIAM J. Matrix Anal. Appl. 22, 2001; with A orthogonal Flury's common principal components). The
    search starts where the mean covariance is I.

    Args:
        weights, covariances: pi (K,) and S (K, J, J) of a mixture, in float64.
    """
    variances, axes = torch.linalg.eigh(_mean(weights, covariances))
    with torch.enable_grad():
        a = (axes.T / variances.sqrt()[:, None]).requires_grad_()
        optimizer = torch.optim.LBFGS([a], max_iter=500, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = lost(weights, a @ covariances @ a.T)
            loss.backward()
            return loss

        optimizer.step(closure)
    a = a.detach()
    return _mean(weights, a @ covariances @ a.T).diagonal().rsqrt()[:, None] * a


def lost(weights: Tensor, covariances: Tensor) -> Tensor:
    """Scalar sum_k pi_k KL( N(0, S_k) || N(0, diag S_k) ), in nats."""
    diagonal = covariances.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    return (weights * (diagonal - covariances.logdet())).sum() / 2


def _mean(weights: Tensor, covariances: Tensor) -> Tensor:
    return (weights[:, None, None] * covariances).sum(dim=0)
