"""UMAP (McInnes, Healy and Melville, 2018) of the training points, for the rows that cluster its map.

umap-learn is an optional extra.
"""

import importlib.util
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, as_float, draw_seed

from ._neighbours import nearest_point


class MapClustering(ClusteringModel):
    """Features of the training points, a map of them by UMAP, and clusters of the places on it.

    A new point is placed where the training point with the nearest features is: UMAP's own `transform`
    optimises new places, which then depend on the rest of their batch, and its state is no tensor. The map
    starts from principal components, not from eigenvectors of the graph as is umap-learn's default.

    A subclass gives `prepare`, `features` and `cluster`.
    """

    points: Tensor
    places: Tensor

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        if importlib.util.find_spec("umap") is None:
            return "it needs umap-learn, an optional extra: pip install 'dgcbench[umap]'"
        return None

    def __init__(self, data: DataSpec, config: Any, n_features: int):
        super().__init__(data, config)
        self.register_buffer("points", torch.zeros(data.n, n_features))  # features of the training points
        self.register_buffer("places", torch.zeros(data.n, config.dimensions))

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        yield from self.prepare(x)
        yield Action("map", lambda: self.fit_map(x))
        yield Action("clusters", self.cluster)

    @abstractmethod
    def prepare(self, x: Tensor) -> Iterator[Stage | Action]:
        """What comes before the features can be computed."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """(B, F) of a float batch."""

    @abstractmethod
    def cluster(self) -> None:
        """Cluster the places."""

    def fit_map(self, x: Tensor) -> None:
        from umap import UMAP  # takes seconds to import, and may not be there

        c = self.config
        self.points.copy_(self.map_batches(self.features, x))
        umap = UMAP(
            n_neighbors=min(c.neighbours, len(x) - 1),
            n_components=c.dimensions,
            min_dist=c.min_dist,
            init="pca",  # eigenvectors of the graph of many points take long
            random_state=draw_seed(),
            n_jobs=1,
        )
        threads = torch.get_num_threads()
        self.places.copy_(torch.from_numpy(umap.fit_transform(self.points.cpu().numpy())))
        torch.set_num_threads(threads)  # numba has set OpenMP's, and sums over several round differently

    def embed(self, x: Tensor) -> Tensor:
        """(B, d) place on the map: that of the nearest training point."""
        return self.places[self.neighbour(x)]

    def neighbour(self, x: Tensor) -> Tensor:
        """(B,) indices of the nearest training points."""
        return nearest_point(self.features(x), self.points)


def check_dimensions(dimensions: int, n_features: int, data: DataSpec) -> None:
    """Raise ValueError where a map has more dimensions than there are principal components to start from."""
    most = min(n_features, data.n)
    if dimensions > most:
        raise ValueError(
            f"dimensions is {dimensions}, expected at most {most}: the map starts from principal components,"
            " of which there are no more"
        )


@dataclass(frozen=True)
class PixelMapConfig(ModelConfig):
    """Hyper-parameters of a map of the values themselves."""

    components: int = 0  # principal components of the values that UMAP sees; 0: the values themselves
    neighbours: int = 30  # of UMAP: how local the structure is that it keeps
    dimensions: int = 2  # of the map
    min_dist: float = 0.0  # of UMAP: how near points of the map may be to each other

    def __post_init__(self) -> None:
        if self.components < 0 or self.neighbours < 2 or self.dimensions < 1 or self.min_dist < 0:
            raise ValueError(
                "components and min_dist must be at least 0, neighbours at least 2, dimensions at least 1"
            )

    def check(self, data: DataSpec) -> None:
        check_dimensions(self.dimensions, min(self.components or data.dim, data.dim), data)


class PixelMap(MapClustering):
    """A map of the values of the points, or of their principal components."""

    pca_mean: Tensor
    pca_axes: Tensor

    def __init__(self, data: DataSpec, config: Any):
        self.projected = 0 < config.components < min(data.dim, data.n)
        n_features = config.components if self.projected else data.dim
        super().__init__(data, config, n_features)
        self.register_buffer("pca_mean", torch.zeros(data.dim))
        self.register_buffer("pca_axes", torch.eye(data.dim)[:n_features])  # (F, D), orthonormal rows

    def prepare(self, x: Tensor) -> Iterator[Action]:
        if self.projected:
            yield Action("pca", lambda: self.fit_pca(x))

    def fit_pca(self, x: Tensor) -> None:
        points = as_float(x).flatten(1).cpu().numpy()
        pca = PCA(self.config.components, svd_solver="covariance_eigh").fit(points)
        self.pca_mean.copy_(torch.from_numpy(pca.mean_))
        self.pca_axes.copy_(torch.from_numpy(pca.components_))

    def features(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.pca_mean) @ self.pca_axes.T
