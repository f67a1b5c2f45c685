"""An autoencoder, then k-means on its codes: what clustering gains from the representation alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from benchmark.api import (
    Action,
    ClusteringModel,
    DataSpec,
    ModelConfig,
    Stage,
    draw_seed,
)

from ._budget import training_steps
from ._kmeans_rule import nearest
from ._networks import decoder_mean, mlp, reconstruction_nll


class AeKMeans(ClusteringModel):
    """Autoencoder (D-500-500-2000-10 and its mirror image, as in DEC and VaDE), then k-means on its codes."""

    name = "ae_kmeans"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 10  # dimension of the code
        hidden: tuple[int, ...] = (500, 500, 2000)  # widths of the encoder; the decoder mirrors them
        epochs: int = 300  # of training the autoencoder
        min_steps: int = 0  # of training it at least, however few points there are
        batch_size: int = 256  # points per step
        lr: float = 1e-3  # of Adam
        restarts: int = 10  # of k-means

    presets = {"digits": {"batch_size": 100}}
    hour = {"digits": {}, "image": {"epochs": 160, "min_steps": 3000}}  # on MNIST 19 s an epoch
    quick = {
        # the same autoencoders as VaDE's at this budget
        "digits": {"hidden": (500, 500, 1000), "epochs": 100},
        "image": {"hidden": (256, 256, 512), "epochs": 16, "min_steps": 1200},
        "vector": {"hidden": (256, 256, 512), "epochs": 20, "min_steps": 1000},
    }
    smoke = {"*": {"hidden": (32,), "epochs": 2, "min_steps": 0, "batch_size": 50}}

    centres: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        self.bounded = data.value_range is not None
        sizes = (data.dim, *config.hidden, config.latent)
        self.encoder, self.decoder = mlp(sizes), mlp(sizes[::-1])
        self.register_buffer("centres", torch.zeros(config.n_clusters, config.latent))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=config.lr, fused=True)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        steps = training_steps(len(x), c.batch_size, c.epochs, c.min_steps)
        yield Stage("autoencoder", self.step, steps, c.batch_size)
        yield Action("kmeans", lambda: self.fit_kmeans(x))

    def step(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1)
        loss = reconstruction_nll(self.decoder(self.encoder(x)), x, self.bounded).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"reconstruction": loss}

    def fit_kmeans(self, x: Tensor) -> None:
        # k-means takes their mean off before it squares
        codes = self.map_batches(self.embed, x).cpu().numpy()
        kmeans = KMeans(self.config.n_clusters, n_init=self.config.restarts, random_state=draw_seed()).fit(
            codes
        )
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the nearest centre."""
        return nearest(self.embed(x), self.centres)

    def embed(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))

    def reconstruct(self, x: Tensor) -> Tensor:
        return decoder_mean(self.decoder(self.embed(x)), self.bounded).view(-1, *self.data.shape)
