"""Signs of a collapsed model, measured without labels on its own samples."""

import json
from typing import Any

import torch

from benchmark.api import ClusteringModel, as_float, in_full_precision
from benchmark.seeding import start

SAMPLES_PER_CLUSTER = 100


@torch.no_grad()
def diagnose(model: ClusteringModel, x: torch.Tensor, seed: int) -> dict[str, Any]:
    """Signs of a collapsed model, measured without labels on its own samples; then what the model itself
    measures.

    Returns, for a model that samples, lists with one value per cluster:
        consistency: share of the samples of cluster k that the model assigns to k; 1 / K is chance.
        variety: mean over the values of a point of the samples' standard deviation, relative to that of the
            training points assigned to k: 0 when all samples are equal, 1 when they vary like the data; None
            without points.
    And for bounded data:
        saturation: share of sampled values within 1 % of the ends of the range, and the same of the data.
    """
    model.eval()
    start(seed, "eval")
    found: dict[str, Any] = {}
    if "sample" in model.abilities():
        assigned = model.assign(x)
        clusters, k = assigned.argmax(dim=1), assigned.shape[1]
        samples = [in_full_precision(model.sample(SAMPLES_PER_CLUSTER, cluster=i)) for i in range(k)]
        found["consistency"] = [
            (model.log_assign(s).argmax(dim=1) == i).float().mean().item() for i, s in enumerate(samples)
        ]
        found["variety"] = []
        for i, s in enumerate(samples):
            points = as_float(x[clusters == i])
            spread = points.std(dim=0).mean().item() if len(points) > 1 else 0.0
            found["variety"].append(s.std(dim=0).mean().item() / spread if spread > 0 else None)
        if model.data.value_range is not None:
            found["saturation"] = [
                _saturation(v, model.data.value_range) for v in (torch.cat(samples), as_float(x))
            ]
    # as JSON takes it: a model may give arrays, tensors, or their scalars
    return dict(json.loads(json.dumps(found | model.diagnose(x), default=_as_list)))


def _as_list(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def _saturation(values: torch.Tensor, value_range: tuple[float, float]) -> float:
    low, high = value_range
    margin = 0.01 * (high - low)
    return ((values < low + margin) | (values > high - margin)).float().mean().item()
