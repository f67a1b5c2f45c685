"""A trained model and a data set -> metrics. Labels are read for scoring here, and for the bounds and
classifier of FID.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmark.api import ClusteringModel, Dataset, in_full_precision
from benchmark.evaluation.distribution import check_distribution
from benchmark.evaluation.metrics import Clustering, measure
from benchmark.seeding import derive, start


def evaluate(
    model: ClusteringModel,
    dataset: Dataset,
    seed: int,
    splits: Sequence[str] = (),
    first_rule: bool = False,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metrics of every split and assignment rule, and the log-assignments that they were computed from.

    Args:
        splits: those that count; empty: all.
        first_rule: only the model's first rule.

    Returns:
        metrics: {split: {rule: {metric: value}}}.
        log_q: {split: (N, K) array} for the model's first rule, the one that the neutral protocol uses.
    """
    model.eval()
    start(seed, "eval")
    metrics: dict[str, Any] = {}
    first: dict[str, np.ndarray] = {}
    for split in splits or dataset.splits:
        x, y = dataset.x(split), dataset.y(split)
        metrics[split] = {}
        for rule, assign in list(model.assignments().items())[: 1 if first_rule else None]:
            log_q = _in_full_precision(assign(torch.from_numpy(x).to(model.device))).cpu().numpy()
            check_distribution(log_q, len(x), rule)
            first.setdefault(split, log_q)
            metrics[split][rule] = measure(Clustering(log_q, x, y, derive(seed, "eval", 1)))
    return metrics, first


def _in_full_precision(log_q: torch.Tensor) -> torch.Tensor:
    """Rows that half precision has rounded are normalised again; what is no distribution stays none."""
    values = in_full_precision(log_q)
    if values.dtype == log_q.dtype or log_q.ndim != 2:
        return values
    excess = values.logsumexp(dim=1, keepdim=True)
    return torch.where(excess.abs() < 0.1, values - excess, values)
