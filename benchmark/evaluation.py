"""A trained model and a data set -> metrics. Besides generation.py and reference_values.py, all that reads labels."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import silhouette_score

from benchmark.api import ClusteringModel, Dataset, as_float
from benchmark.errors import Diverged
from benchmark.metrics import clustering_metrics
from benchmark.seeding import derive, start

SILHOUETTE_POINTS = 2000
SAMPLES_PER_CLUSTER = 100


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


@torch.no_grad()
def diagnose(model: ClusteringModel, x: torch.Tensor, seed: int) -> dict[str, Any]:
    """Signs of a collapsed model, measured without labels on its own samples; then what the model itself measures.

    Returns, for a model that samples, lists with one value per cluster:
        consistency: share of the samples of cluster k that the model assigns to k; 1 / K is chance.
        variety: mean over the values of a point of the samples' standard deviation, relative to that of the training
            points assigned to k: 0 when all samples are equal, 1 when they vary like the data; None without points.
    And for bounded data:
        saturation: share of sampled values within 1 % of the ends of the range, and the same of the data.
    """
    model.eval()
    start(seed, "eval")
    found: dict[str, Any] = {}
    if "sample" in model.abilities():
        assigned = next(iter(model.assignments().values()))(x)
        clusters, k = assigned.argmax(dim=1), assigned.shape[1]
        samples = [model.sample(SAMPLES_PER_CLUSTER, cluster=i) for i in range(k)]
        found["consistency"] = [(model.log_assign(s).argmax(dim=1) == i).float().mean().item() for i, s in enumerate(samples)]
        found["variety"] = []
        for i, s in enumerate(samples):
            points = as_float(x[clusters == i])
            spread = points.std(dim=0).mean().item() if len(points) > 1 else 0.0
            found["variety"].append(s.std(dim=0).mean().item() / spread if spread > 0 else None)
        if model.data.value_range is not None:
            found["saturation"] = [_saturation(v, model.data.value_range) for v in (torch.cat(samples), as_float(x))]
    return found | model.diagnose(x)


def _saturation(values: torch.Tensor, value_range: tuple[float, float]) -> float:
    low, high = value_range
    margin = 0.01 * (high - low)
    return ((values < low + margin) | (values > high - margin)).float().mean().item()


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
