"""A Gaussian mixture with full covariances: what a generative model of raw values reaches without a
network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, as_float, draw_seed


class Gmm(ClusteringModel):
    """Gaussian mixture with full covariances by EM (scikit-learn), on raw values or their principal
    components.

    The covariances of large images are singular (some pixels never change) and costly, so these are first
    projected to `components` principal components; 0 leaves the values as they are.
    """

    name = "gmm"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        components: int = 0  # principal components to project to, 0 for none
        restarts: int = 5  # of EM from k-means; the one with the highest likelihood is kept
        reg_covar: float = 1e-4  # added to the diagonal of every covariance

        def __post_init__(self) -> None:
            if self.components < 0 or self.restarts < 1 or self.reg_covar < 0:
                raise ValueError("components and reg_covar can't be negative, restarts must be at least 1")

    presets = {"digits": {}, "image": {"components": 50, "restarts": 1}}

    weights: Tensor
    means: Tensor
    precisions_cholesky: Tensor
    pca_mean: Tensor
    pca_axes: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.projected = 0 < config.components < min(data.dim, data.n)
        k, d = config.n_clusters, config.components if self.projected else data.dim
        self.register_buffer("weights", torch.full((k,), 1 / k, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(k, d, dtype=torch.float64))
        self.register_buffer("precisions_cholesky", torch.eye(d, dtype=torch.float64).repeat(k, 1, 1))
        self.register_buffer("pca_mean", torch.zeros(data.dim, dtype=torch.float64))
        # (d, D), orthonormal rows
        self.register_buffer("pca_axes", torch.eye(data.dim, dtype=torch.float64)[:d])

    def stages(self, x: Tensor) -> Iterator[Action]:
        if self.projected:
            yield Action("pca", lambda: self.fit_pca(x))
        yield Action("em", lambda: self.fit_mixture(x))

    def fit_pca(self, x: Tensor) -> None:
        points = as_float(x).flatten(1).cpu().numpy()
        pca = PCA(self.config.components, svd_solver="covariance_eigh").fit(points)
        self.pca_mean.copy_(torch.from_numpy(pca.mean_))
        self.pca_axes.copy_(torch.from_numpy(pca.components_))

    def fit_mixture(self, x: Tensor) -> None:
        points = self.map_batches(self.embed, x).cpu().numpy()
        c = self.config
        mixture = GaussianMixture(
            c.n_clusters, n_init=c.restarts, reg_covar=c.reg_covar, max_iter=200, random_state=draw_seed()
        )
        mixture.fit(points)
        for name in ("weights", "means", "precisions_cholesky"):
            getattr(self, name).copy_(torch.from_numpy(getattr(mixture, f"{name}_")))

    def log_assign(self, x: Tensor) -> Tensor:
        return torch.log_softmax(self.log_joint(self.embed(x)), dim=1).float()

    def log_joint(self, v: Tensor) -> Tensor:
        """(B, K) log pi_k + log N(v; mu_k, Sigma_k), up to a constant, of (B, d) projected points."""
        upper = self.precisions_cholesky  # (K, d, d), Sigma^-1 = upper upper^T
        whitened = torch.einsum("kbd,kde->kbe", v[None] - self.means[:, None], upper)
        log_det = upper.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        return self.weights.log() + log_det - 0.5 * whitened.square().sum(dim=2).T

    def embed(self, x: Tensor) -> Tensor:
        """(B, d) principal components, or the values themselves."""
        return (x.flatten(1).double() - self.pca_mean) @ self.pca_axes.T

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Points of the mixture, clamped to the range of the data."""
        if cluster is None:
            k = torch.multinomial(self.weights, n, replacement=True)
        else:
            k = torch.full((n,), cluster, device=self.weights.device)
        noise = torch.randn(n, self.means.shape[1], 1, dtype=torch.float64, device=self.means.device)
        # Sigma^-1 = U U^T, so U^-T noise has covariance Sigma
        scaled = torch.linalg.solve_triangular(
            self.precisions_cholesky[k].transpose(1, 2), noise, upper=False
        )
        x = (self.means[k] + scaled[:, :, 0]) @ self.pca_axes + self.pca_mean
        x = x if self.data.value_range is None else x.clamp(*self.data.value_range)
        return x.float().view(n, *self.data.shape)
