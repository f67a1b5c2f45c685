"""UMAP of the values, then HDBSCAN on the map, which finds K itself; a reference row, not generative."""

from dataclasses import dataclass
from typing import Any

import torch
from sklearn.cluster import HDBSCAN
from torch import Tensor

from benchmark.api import DataSpec, hard_assignment

from ._neighbours import nearest_point
from ._umap import PixelMap, PixelMapConfig


class UmapHdbscan(PixelMap):
    """UMAP as in `umap_gmm`, then HDBSCAN (Campello, Moulavi and Sander, 2013; scikit-learn) on the map.

    HDBSCAN finds the number of clusters itself, K is not used. What it leaves out as noise counts as the
    cluster of the nearest place on the map that is in one, so that every point is counted; `noise` in the
    record has the share. A new point has the cluster of the training point with the nearest values.

    Settings are those of the page on clustering in UMAP's documentation: `min_samples` 10 and clusters of at
    least 500 of MNIST's 70,000 points, here a share of the points. For digits' 1,797 points that is too
    small, with many clusters and much noise: there it is 1/40, amid a range where both stay as they are.
    scikit-learn's `min_samples` counts the point itself, that page's hdbscan does not: 10 here are 9 there.
    """

    name = "umap_hdbscan"
    on_host = ("log_assign",)  # the number of clusters is read from the device

    @dataclass(frozen=True)
    class Config(PixelMapConfig):
        min_share: float = 1 / 140  # of the points, that a cluster has at least
        min_samples: int = 10  # neighbours that make a point dense, itself included; more leave more noise

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 < self.min_share < 1 or self.min_samples < 1:
                raise ValueError("min_share must be between 0 and 1, min_samples at least 1")

    presets = {"digits": {"min_share": 1 / 40}, "image": {"components": 50}}
    smoke = {"*": {"neighbours": 5}}

    labels: Tensor
    noise: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.register_buffer("labels", torch.zeros(data.n, dtype=torch.long))
        self.register_buffer("noise", torch.zeros(()))  # share of the training points

    @property
    def n_clusters(self) -> int:
        return int(self.labels.max()) + 1

    def cluster(self) -> None:
        c = self.config
        size = max(2, round(c.min_share * len(self.places)))
        hdbscan = HDBSCAN(min_cluster_size=size, min_samples=min(c.min_samples, len(self.places)), copy=True)
        labels = torch.from_numpy(hdbscan.fit_predict(self.places.cpu().numpy())).to(self.labels)
        self.labels.copy_(without_noise(labels, self.places))
        self.noise.copy_((labels < 0).float().mean())

    def log_assign(self, x: Tensor) -> Tensor:
        """(B, K') one-hot at the cluster of the nearest training point, of the K' that were found."""
        return hard_assignment(self.labels[self.neighbour(x)], self.n_clusters)

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """noise: share of the training points that HDBSCAN left out."""
        return {"noise": self.noise.item()}


def without_noise(labels: Tensor, places: Tensor) -> Tensor:
    """Labels (N,) with each -1 replaced by that of the nearest place (N, d) that has one; 0 if none has."""
    clustered = labels >= 0
    if not clustered.any():
        return torch.zeros_like(labels)
    labels = labels.clone()
    labels[~clustered] = labels[clustered][nearest_point(places[~clustered], places[clustered])]
    return labels
