"""Spectral clustering of the values of the points: a reference row, not generative."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.kernel_approximation import Nystroem
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, as_float, draw_seed, hard_assignment

from ._kmeans_rule import nearest
from ._neighbours import nearest_point


class Spectral(ClusteringModel):
    """Normalised spectral clustering: k-means on the leading eigenvectors of a W that joins the points.

    Up to `exact_points` points W is their graph of nearest neighbours (scikit-learn's SpectralClustering), of
    which each point is one itself: 10 are 9 others. scikit-learn divides the eigenvectors of D^-1/2 W D^-1/2
    by the roots of the degrees, so that they are those of D^-1 W, and does not scale rows to length 1. Any
    other point gets the cluster of the nearest of them.

    Of more points W is a Gaussian kernel, approximated from `landmarks` random points by Nystroem's method
    (Fowlkes, Belongie, Chung and Malik, PAMI 2004; scikit-learn's Nystroem): W = F F^T. The eigenvectors of
    D^-1/2 W D^-1/2 follow from F alone, also for new points, and their rows are scaled to length 1 (Ng,
    Jordan and Weiss, 2002). The kernel's width is the median distance between landmarks. Such a kernel sees
    less of the points' neighbourhoods than the graph does: expect less of it.
    """

    name = "spectral"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        exact_points: int = 5000  # with more, Nystroem's approximation
        neighbours: int = 10  # of a point in the graph, itself included
        landmarks: int = 1000  # m, points that the kernel is approximated from
        restarts: int = 10  # of k-means on the eigenvectors

        def __post_init__(self) -> None:
            if min(self.exact_points, self.neighbours, self.restarts) < 1:
                raise ValueError("exact_points, neighbours and restarts must be at least 1")
            if self.landmarks < self.n_clusters:
                raise ValueError(f"landmarks is {self.landmarks}, expected at least the number of clusters")

        def check(self, data: DataSpec) -> None:
            if data.n <= self.exact_points and self.n_clusters >= data.n:
                raise ValueError(
                    f"the number of clusters is {self.n_clusters}, expected less than the {data.n} points:"
                    " scikit-learn finds fewer eigenvectors than points"
                )

    smoke = {"vector": {"exact_points": 100, "landmarks": 50, "restarts": 1}}  # so that both are tested

    points: Tensor
    labels: Tensor
    gamma: Tensor
    root: Tensor
    total: Tensor
    axes: Tensor
    centres: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c, k = config, config.n_clusters
        self.exact = data.n <= c.exact_points
        n = data.n if self.exact else min(c.landmarks, data.n)
        self.register_buffer("points", torch.zeros(n, data.dim))  # those of the graph, or the landmarks
        if self.exact:
            self.register_buffer("labels", torch.zeros(n, dtype=torch.long))
            return
        zeros = lambda *shape: torch.zeros(shape, dtype=torch.float64)  # noqa: E731
        self.register_buffer("gamma", zeros())  # W(a, b) = exp(-gamma |a - b|^2)
        self.register_buffer("root", zeros(n, n))  # W^-1/2 of the landmarks
        self.register_buffer("total", zeros(n))  # sum of the features of all training points
        self.register_buffer("axes", zeros(n, k))
        self.register_buffer("centres", zeros(k, k))

    def stages(self, x: Tensor) -> Iterator[Action]:
        if self.exact:
            yield Action("graph", lambda: self.fit_graph(x))
        else:
            yield Action("landmarks", lambda: self.fit_landmarks(x))
            yield Action("eigenvectors", lambda: self.fit_eigenvectors(x))

    def fit_graph(self, x: Tensor) -> None:
        c = self.config
        self.points.copy_(as_float(x).flatten(1))
        spectral = SpectralClustering(
            c.n_clusters,
            affinity="nearest_neighbors",
            n_neighbors=min(c.neighbours, len(x)),
            n_init=c.restarts,
            random_state=draw_seed(),
        )
        self.labels.copy_(torch.from_numpy(spectral.fit_predict(self.points.cpu().numpy())))

    def fit_landmarks(self, x: Tensor) -> None:
        chosen = torch.randperm(len(x))[: len(self.points)].to(x.device)
        points = as_float(x[chosen]).flatten(1).double()
        self.gamma.copy_(1 / F.pdist(points).square().median())
        nystroem = Nystroem(gamma=self.gamma.item(), n_components=len(points), random_state=draw_seed())
        nystroem.fit(points.cpu().numpy())
        self.points.copy_(torch.from_numpy(nystroem.components_))
        self.root.copy_(torch.from_numpy(nystroem.normalization_).T)

    @torch.no_grad()
    def fit_eigenvectors(self, x: Tensor) -> None:
        """Of F^T D^-1 F (m, m): with eigenvector v and value s, D^-1/2 F v / sqrt(s) is one of W's."""
        c = self.config
        self.total.copy_(self.map_batches(self.features, x).sum(dim=0))
        scaled = self.map_batches(self.scaled, x)
        values, vectors = torch.linalg.eigh(scaled.T @ scaled)
        self.axes.copy_(vectors[:, -c.n_clusters :] / values[-c.n_clusters :].sqrt())
        kmeans = KMeans(c.n_clusters, n_init=c.restarts, random_state=draw_seed())
        kmeans.fit(self.map_batches(self.eigenvectors, x).cpu().numpy())
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))

    def features(self, x: Tensor) -> Tensor:
        """(B, m) F, such that F(a) F(b)^T approximates W(a, b)."""
        squares = torch.cdist(x.flatten(1).double(), self.points.double()).square()
        return (-self.gamma * squares).exp() @ self.root

    def scaled(self, x: Tensor) -> Tensor:
        """(B, m) rows of D^-1/2 F; the degree of a point is the sum of W over the training points."""
        features = self.features(x)
        return features / (features @ self.total).clamp_min(1e-12).sqrt()[:, None]

    def eigenvectors(self, x: Tensor) -> Tensor:
        """(B, K) entries of the K leading eigenvectors, scaled to length 1."""
        return F.normalize(self.scaled(x) @ self.axes, dim=1)

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the cluster of the nearest point of the graph, or at the nearest centre."""
        if self.exact:
            return hard_assignment(
                self.labels[nearest_point(x.flatten(1), self.points)], self.config.n_clusters
            )
        return nearest(self.eigenvectors(x), self.centres)
