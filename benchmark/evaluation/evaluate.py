"""A trained model and a data set -> metrics. Labels are read for scoring here, and for the bounds and
classifier of FID.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmark.api import ClusteringModel, Dataset
from benchmark.evaluation.distribution import assigned
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
        rules = assigned(model, torch.from_numpy(x).to(model.device))
        for rule, log_q in itertools.islice(rules, 1 if first_rule else None):
            first.setdefault(split, log_q)
            metrics[split][rule] = measure(Clustering(log_q, x, y, derive(seed, "eval", 1)))
    return metrics, first
