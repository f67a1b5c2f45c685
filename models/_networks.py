"""Layers, likelihoods and divergences that several models share."""

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given widths, a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.ReLU()] if i else []
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


def reconstruction_nll(output: Tensor, x: Tensor, bounded: bool, variance: float = 1.0) -> Tensor:
    """(...) -log p(x | z), summed over the values of a point.

    Args:
        output: (..., D) of the decoder: logits of Bernoulli means if the data are bounded to [0, 1], else
        means of
            Gaussians with this variance (without their constant).
        x: (..., D).
    """
    if bounded:
        return F.binary_cross_entropy_with_logits(output, x, reduction="none").sum(dim=-1)
    return (output - x).square().sum(dim=-1) / (2 * variance)


def gaussian_kl(m: Tensor, l: Tensor) -> Tensor:
    """(...) KL( N(m, diag e^l) || N(0, I) ) of m, l (..., J)."""
    return 0.5 * (l.exp() + m.square() - 1 - l).sum(dim=-1)


def decoder_mean(output: Tensor, bounded: bool) -> Tensor:
    """E[x | z] from the decoder's output as in `reconstruction_nll`."""
    return output.sigmoid() if bounded else output
