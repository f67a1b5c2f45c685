"""A trained model and a data set -> metrics. Besides generation.py and reference_values.py, all that reads labels."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import silhouette_score

from benchmark.api import ClusteringModel, Dataset
from benchmark.errors import Diverged
from benchmark.evaluation.metrics import clustering_metrics
from benchmark.seeding import derive, start

SILHOUETTE_POINTS = 2000


def evaluate(model: ClusteringModel, dataset: Dataset, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metrics of every split and assignment rule, and the log-assignments that they were computed from.

    Returns:
        metrics: {split: {rule: {metric: value}}}.
        log_q: {split: (N, K) array} for the model's first rule, the one that the neutral protocol uses.
    """
    model.eval()
    start(seed, "eval")
    device = next((t.device for t in [*model.parameters(), *model.buffers()]), torch.device("cpu"))
    metrics: dict[str, Any] = {}
    first: dict[str, np.ndarray] = {}
    for split in dataset.splits:
        x, y = dataset.x(split), dataset.y(split)
        metrics[split] = {}
        for rule, assign in model.assignments().items():
            log_q = assign(torch.from_numpy(x).to(device)).cpu().numpy()
            if log_q.ndim != 2 or len(log_q) != len(x) or np.isnan(log_q).any():
                raise Diverged(f"assignment rule {rule} gave {log_q.shape}, {np.isnan(log_q).sum()} NaN, for {x.shape}")
            first.setdefault(split, log_q)
            metrics[split][rule] = {
                "n": len(x),
                **_label_free(x, log_q, derive(seed, "eval", 1)),
                **(clustering_metrics(y, log_q) if y is not None else {}),
            }
    return metrics, first


def _label_free(x: np.ndarray, log_q: np.ndarray, seed: int) -> dict[str, Any]:
    """What can be said of a clustering without labels.

    silhouette: mean silhouette coefficient in the space of the data, on a random subset; None with one cluster only.
    """
    c = log_q.argmax(axis=1)
    sizes = np.bincount(c, minlength=log_q.shape[1])
    chosen = np.random.default_rng(seed).permutation(len(x))[:SILHOUETTE_POINTS]
    points, labels = x[chosen].reshape(len(chosen), -1).astype(np.float32), c[chosen]
    several = 1 < len(np.unique(labels)) < len(chosen)
    return {
        "cluster_sizes": sizes.tolist(),
        "clusters_used": int((sizes > 0).sum()),
        "largest_share": float(sizes.max() / sizes.sum()),
        "silhouette": float(silhouette_score(points, labels)) if several else None,
    }
