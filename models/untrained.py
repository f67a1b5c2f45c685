"""An encoder that was never trained, then k-means on its codes: what a deep method must beat to show that it
learnt."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, draw_seed

from ._kmeans_rule import nearest
from ._networks import mlp


class Untrained(ClusteringModel):
    """The encoder of `ae_kmeans` (D-500-500-2000-10) with its initial weights, then k-means on its codes."""

    name = "untrained"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 10  # dimension of the code
        hidden: tuple[int, ...] = (500, 500, 2000)  # widths of the encoder
        restarts: int = 10  # of k-means

    centres: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.encoder = mlp((data.dim, *config.hidden, config.latent))
        self.register_buffer("centres", torch.zeros(config.n_clusters, config.latent))

    def stages(self, x: Tensor) -> Iterator[Action]:
        yield Action("kmeans", lambda: self.fit_kmeans(x))

    def fit_kmeans(self, x: Tensor) -> None:
        codes = self.map_batches(self.embed, x).cpu().numpy()
        kmeans = KMeans(self.config.n_clusters, n_init=self.config.restarts, random_state=draw_seed())
        self.centres.copy_(torch.from_numpy(kmeans.fit(codes).cluster_centers_))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the nearest centre."""
        return nearest(self.embed(x), self.centres)

    def embed(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))
