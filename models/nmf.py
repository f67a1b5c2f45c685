"""Non-negative matrix factorisation read as a clustering."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.decomposition import NMF, non_negative_factorization
from torch import Tensor

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, as_float, draw_seed, hard_assignment


class Nmf(ClusteringModel):
    """NMF x = w H with K components (scikit-learn); a point belongs to its largest coefficient.

    Xu, Liu and Gong, "Document clustering based on non-negative matrix factorization", SIGIR 2003: the
    rows of H are scaled to length 1 before coefficients are compared.
    """

    name = "nmf"
    on_host = ("log_assign", "embed", "reconstruct")  # coefficients come from scikit-learn

    @dataclass(frozen=True)
    class Config(ModelConfig):
        max_iter: int = 400  # of coordinate descent

    components: Tensor

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        if data.value_range is None or data.value_range[0] < 0:
            return "NMF needs data without negative values"
        return None

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.register_buffer("components", torch.zeros(config.n_clusters, data.dim))  # H

    def stages(self, x: Tensor) -> Iterator[Action]:
        yield Action("fit", lambda: self.fit(x))

    def fit(self, x: Tensor) -> None:
        points = as_float(x).flatten(1).cpu().numpy()
        c = self.config
        nmf = NMF(c.n_clusters, init="random", max_iter=c.max_iter, random_state=draw_seed()).fit(points)
        components = torch.from_numpy(nmf.components_)
        self.components.copy_(components / components.norm(dim=1, keepdim=True).clamp_min(1e-12))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the largest coefficient."""
        return hard_assignment(self.embed(x).argmax(dim=1), self.config.n_clusters)

    def embed(self, x: Tensor) -> Tensor:
        """(B, K) coefficients w for the fitted H."""
        points, h = x.flatten(1).cpu().numpy(), self.components.cpu().numpy()
        w, _, _ = non_negative_factorization(points, H=h, n_components=len(h), update_H=False, max_iter=200)
        return torch.from_numpy(w).to(x.device)

    def reconstruct(self, x: Tensor) -> Tensor:
        product = (self.embed(x).float() @ self.components).clamp(*(self.data.value_range or (None, None)))
        return product.view(len(x), *self.data.shape)
