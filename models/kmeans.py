"""k-means on the values of the points: the first thing that every deep method must beat."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans as Lloyd
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, as_float, draw_seed

from ._kmeans_rule import nearest


class KMeans(ClusteringModel):
    """k-means with k-means++ restarts (scikit-learn) on the raw values."""

    name = "kmeans"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        restarts: int = 10  # the one with the lowest inertia is kept

    centres: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.register_buffer("centres", torch.zeros(config.n_clusters, data.dim))

    def stages(self, x: Tensor) -> Iterator[Action]:
        yield Action("fit", lambda: self.fit(x))

    def fit(self, x: Tensor) -> None:
        points = as_float(x).flatten(1).cpu().numpy()
        lloyd = Lloyd(self.config.n_clusters, n_init=self.config.restarts, random_state=draw_seed()).fit(
            points
        )
        self.centres.copy_(torch.from_numpy(lloyd.cluster_centers_))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the nearest centre."""
        return nearest(x.flatten(1), self.centres)
