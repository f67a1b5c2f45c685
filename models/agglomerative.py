"""Agglomerative clustering with Ward's criterion on the values of the points."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, as_float, hard_assignment


class Agglomerative(ClusteringModel):
    """Agglomerative clustering (Ward, scikit-learn) on the raw values.

    Ward's method needs all pairwise distances, so at most `max_points` points, drawn at random, are
    clustered. Any other point gets the cluster of its nearest clustered point; those keep their own.
    """

    name = "agglomerative"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        max_points: int = 10_000  # clustered at most; memory grows with the square, 0.4 GB for 10,000

    points: Tensor
    labels: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        n = min(data.n, config.max_points)
        self.register_buffer("points", torch.zeros(n, data.dim))
        self.register_buffer("labels", torch.zeros(n, dtype=torch.long))

    def stages(self, x: Tensor) -> Iterator[Action]:
        yield Action("fit", lambda: self.fit(x))

    def fit(self, x: Tensor) -> None:
        chosen = torch.randperm(len(x))[: len(self.points)]
        self.points.copy_(as_float(x[chosen]).flatten(1))
        ward = AgglomerativeClustering(self.config.n_clusters, linkage="ward").fit(self.points.cpu().numpy())
        self.labels.copy_(torch.from_numpy(ward.labels_))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the cluster of the nearest clustered point."""
        # In double precision, so that a clustered point is its own nearest.
        nearest = torch.cdist(x.flatten(1).double(), self.points.double()).argmin(dim=1)
        return hard_assignment(self.labels[nearest], self.config.n_clusters)
