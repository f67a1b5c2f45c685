"""UMAP of the values, then a Gaussian mixture on the map: a reference row, not generative."""

from dataclasses import dataclass

from torch import Tensor

from benchmark.api import DataSpec

from ._code_clusters import CodeMixture
from ._umap import PixelMap, PixelMapConfig


class UmapGmm(PixelMap):
    """UMAP to two dimensions (umap-learn), then a Gaussian mixture with full covariances (scikit-learn).

    UMAP sees the values of the points, of large images 50 principal components, which loses little and makes
    the search for neighbours fast and the trained model small. Its settings are those that its documentation
    has for clustering: 30 neighbours, min_dist 0. A new point goes where the nearest training point is.
    """

    name = "umap_gmm"

    @dataclass(frozen=True)
    class Config(PixelMapConfig):
        restarts: int = 10  # of EM from k-means; the likeliest fit is kept

    presets = {"digits": {}, "image": {"components": 50}}
    smoke = {"*": {"neighbours": 5, "restarts": 1}}

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.mixture = CodeMixture(config.n_clusters, config.dimensions)

    def cluster(self) -> None:
        self.mixture.fit(self.places, self.config.restarts)

    def log_assign(self, x: Tensor) -> Tensor:
        """(B, K) posterior of the mixture at the point's place."""
        return self.mixture.log_assign(self.embed(x))
