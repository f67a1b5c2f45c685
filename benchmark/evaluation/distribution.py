"""What a model assigns, if it is a distribution over its clusters."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmark.api import ClusteringModel, in_full_precision
from benchmark.errors import Diverged, UserError

SUM_TOLERANCE = 1e-3  # of the logarithm of a row's sum of probabilities


def assigned(model: ClusteringModel, x: torch.Tensor) -> Iterator[tuple[str, np.ndarray]]:
    """(name of the rule, (N, K) log q(y = k | x)) of each assignment rule of a model, for stored points x.

    Raises:
        Diverged, UserError: as `check_distribution`.
    """
    for i, (rule, assign) in enumerate(model.assignments().items()):
        log_q = _in_full_precision(assign(x)).cpu().numpy()
        check_distribution(log_q, len(x), rule, model.n_clusters if i == 0 else None)
        yield rule, log_q


def _in_full_precision(log_q: torch.Tensor) -> torch.Tensor:
    """Rows that half precision has rounded are normalised again; what is no distribution stays none."""
    values = in_full_precision(log_q)
    if values.dtype == log_q.dtype or log_q.ndim != 2:
        return values
    excess = values.logsumexp(dim=1, keepdim=True)
    return torch.where(excess.abs() < 0.1, values - excess, values)


def check_distribution(log_q: np.ndarray, n: int, rule: str, k: int | None = None) -> None:
    """Raise where an assignment rule did not give the logarithms of a distribution for each of n points.

    Args:
        k: number of clusters; None where the rule may have as many as it likes.

    Raises:
        Diverged: there are NaN.
        UserError: the shape is another, or the probabilities of a row do not sum to 1 (within 1e-3 of their
            logarithm).
    """
    what = f"the assignment rule {rule} gave"
    if log_q.ndim != 2 or len(log_q) != n or log_q.shape[1] != (k or max(1, log_q.shape[1])):
        expected = f"({n}, {k or 'K'}): log q(y = k | x) of every point"
        raise UserError(f"{what} the shape {log_q.shape}, expected {expected}")
    if nan := int(np.isnan(log_q).any(axis=1).sum()):
        raise Diverged(f"{what} NaN for {nan} of {n} points")
    highest = log_q.max(axis=1, keepdims=True).astype(np.float64)
    if nowhere := int(np.isneginf(highest).sum()):
        raise UserError(f"{what} minus infinity for every cluster for {nowhere} of {n} points")
    if np.isposinf(highest).any():
        raise UserError(f"{what} plus infinity, expected logarithms of probabilities")
    sums = highest[:, 0] + np.log(np.exp(log_q - highest).sum(axis=1))
    if (wrong := np.abs(sums) > SUM_TOLERANCE).any():
        worst = sums[np.abs(sums).argmax()]
        raise UserError(
            f"{what} no distribution for {int(wrong.sum())} of {n} points: logsumexp of a row is up to"
            f" {worst:.4g}, expected 0 within {SUM_TOLERANCE:g}; logits need log_softmax(dim=1),"
            " probabilities log()"
        )
