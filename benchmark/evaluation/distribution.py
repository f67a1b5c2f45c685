"""Whether what a model assigns is a distribution over its clusters."""

import numpy as np

from benchmark.errors import Diverged, UserError

SUM_TOLERANCE = 1e-3  # of the logarithm of a row's sum of probabilities


def check_distribution(log_q: np.ndarray, n: int, rule: str) -> None:
    """Raise where an assignment rule did not give the logarithms of a distribution for each of n points.

    Raises:
        Diverged: there are NaN, or the shape is another.
        UserError: the probabilities of a row do not sum to 1 (within 1e-3 of their logarithm).
    """
    what = f"the assignment rule {rule} gave"
    if log_q.ndim != 2 or len(log_q) != n or log_q.shape[1] < 1:
        raise Diverged(f"{what} the shape {log_q.shape}, expected ({n}, K): log q(y = k | x) of every point")
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
