"""k-means and Gaussian mixtures on codes, for models that have no clusters of their own."""

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from benchmark.api import draw_seed

from ._kmeans_rule import RESTARTS, nearest
from ._mixture import fit_mixture

FLOOR = 1e-6  # added to the variances, so that a cluster of equal codes has a covariance too


class CodeKMeans(nn.Module):
    """K centres of codes, and a Gaussian for each cluster to draw codes from.

    Attributes:
        centres: (K, J), where the codes of a cluster have their mean.
        spread: (K, J, J) lower Cholesky factors of the covariances of the clusters' codes.
    """

    centres: Tensor
    spread: Tensor

    def __init__(self, n_clusters: int, latent: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(n_clusters, latent))
        self.register_buffer("spread", torch.eye(latent).repeat(n_clusters, 1, 1))

    def fit(self, codes: Tensor) -> None:
        """k-means (scikit-learn, the best of ten restarts) on codes (N, J)."""
        kmeans = KMeans(len(self.centres), n_init=RESTARTS, random_state=draw_seed())
        labels = torch.from_numpy(kmeans.fit_predict(codes.cpu().numpy()))
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))
        floor = FLOOR * torch.eye(codes.shape[1], dtype=torch.float64)
        for k, spread in enumerate(self.spread):
            members = codes.cpu()[labels == k].double()
            # fewer distinct codes than clusters leave some without members, whose covariance would be NaN
            covariance = members.T.cov(correction=0) if len(members) else torch.zeros_like(floor)
            spread.copy_(torch.linalg.cholesky(covariance + floor))

    def log_assign(self, codes: Tensor) -> Tensor:
        """(B, K) one-hot at the nearest centre of codes (B, J), as log-probabilities."""
        return nearest(codes, self.centres)

    def sample(self, n: int, cluster: int) -> Tensor:
        """(n, J) codes from the Gaussian of a cluster."""
        noise = torch.randn(n, self.centres.shape[1], device=self.centres.device)
        return self.centres[cluster] + noise @ self.spread[cluster].T


class CodeMixture(nn.Module):
    """A mixture of K Gaussians with full covariances on codes: weights (K,), means (K, J), covariances."""

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(self, n_clusters: int, latent: int):
        super().__init__()
        eye = torch.eye(latent, dtype=torch.float64)
        self.register_buffer("weights", torch.full((n_clusters,), 1 / n_clusters, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(n_clusters, latent, dtype=torch.float64))
        self.register_buffer("covariances", eye.repeat(n_clusters, 1, 1))

    def fit(self, codes: Tensor, restarts: int, points: int = 0) -> None:
        """The likeliest of several fits by EM to codes (N, J), or to so many random ones of them."""
        mixture = fit_mixture(codes, len(self.weights), restarts, "likelihood", points)
        for name, value in mixture._asdict().items():
            getattr(self, name).copy_(value)

    def log_assign(self, codes: Tensor) -> Tensor:
        """(B, K) log-posterior of codes (B, J)."""
        components = MultivariateNormal(self.means, self.covariances, validate_args=False)
        joint = self.weights.log() + components.log_prob(codes.double()[:, None])
        return joint.log_softmax(dim=1).float()
