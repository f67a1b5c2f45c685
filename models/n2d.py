"""N2D: an autoencoder, UMAP of its codes, a Gaussian mixture on the map; a reference row, not generative."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from benchmark.api import DataSpec, ModelConfig, Stage

from ._budget import training_steps
from ._code_clusters import CodeMixture
from ._networks import mlp, reconstruction_nll
from ._umap import MapClustering, check_dimensions


class N2D(MapClustering):
    """An autoencoder (D-500-500-2000-10 and its mirror image), UMAP of its codes, and a mixture on the map.

    McConville, Santos-Rodríguez, Piechocki and Craddock, "N2D: (not too) deep clustering via clustering the
    local manifold of an autoencoded embedding", ICPR 2020: 1,000 epochs in batches of 256, UMAP to ten
    dimensions with 20 neighbours and min_dist 0, a Gaussian mixture with full covariances.

    Deviations:
    - The reconstruction is a likelihood, as in `ae_kmeans`, where the paper has a squared error.
    - Codes and map have ten dimensions whatever K is, the released code's have K: six on HAR.
    - The mixture is the likeliest of ten fits by EM; the released code makes one.
    - The map starts from principal components, and a new point has the place of the training point with the
      nearest code (`MapClustering`).
    """

    name = "n2d"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 10  # dimension of the code
        hidden: tuple[int, ...] = (500, 500, 2000)  # widths of the encoder; the decoder mirrors them
        epochs: int = 1000  # of training the autoencoder
        min_steps: int = 0  # of training it at least, however few points there are
        batch_size: int = 256  # points per step
        lr: float = 1e-3  # of Adam
        neighbours: int = 20  # of UMAP: how local the structure is that it keeps
        dimensions: int = 10  # of the map
        min_dist: float = 0.0  # of UMAP: how near points of the map may be to each other
        restarts: int = 10  # of EM from k-means; the likeliest fit is kept

        def __post_init__(self) -> None:
            if min(self.latent, self.batch_size, self.dimensions, self.restarts, *self.hidden) < 1:
                raise ValueError("latent, hidden, batch_size, dimensions and restarts must be at least 1")
            if self.neighbours < 2 or self.min_dist < 0:
                raise ValueError("neighbours must be at least 2, min_dist at least 0")

        def check(self, data: DataSpec) -> None:
            check_dimensions(self.dimensions, self.latent, data)

    presets = {"digits": {"batch_size": 100}}
    hour = {"digits": {"epochs": 300}, "image": {"epochs": 160, "min_steps": 3000}}
    quick = {
        # the same autoencoders as those of ae_kmeans at this budget
        "digits": {"hidden": (500, 500, 1000), "epochs": 100},
        "image": {"hidden": (256, 256, 512), "epochs": 16, "min_steps": 1200, "restarts": 3},
        "vector": {"hidden": (256, 256, 512), "epochs": 20, "min_steps": 1000},
    }
    smoke = {
        "*": {
            "hidden": (32,),
            "epochs": 2,
            "min_steps": 0,
            "batch_size": 50,
            "neighbours": 5,
            "dimensions": 2,
            "restarts": 1,
        }
    }

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config, n_features=config.latent)
        self.bounded = data.value_range is not None
        sizes = (data.dim, *config.hidden, config.latent)
        self.encoder, self.decoder = mlp(sizes), mlp(sizes[::-1])
        self.mixture = CodeMixture(config.n_clusters, config.dimensions)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=config.lr, fused=True)

    def prepare(self, x: Tensor) -> Iterator[Stage]:
        c = self.config
        steps = training_steps(len(x), c.batch_size, c.epochs, c.min_steps)
        yield Stage("autoencoder", self.step, steps, c.batch_size)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1)
        loss = reconstruction_nll(self.decoder(self.encoder(x)), x, self.bounded).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"reconstruction": loss}

    def features(self, x: Tensor) -> Tensor:
        """(B, J) codes; in double precision, since UMAP makes another map of the smallest difference."""
        weights = {name: p.double() for name, p in self.encoder.named_parameters()}
        return functional_call(self.encoder, weights, (x.flatten(1).double(),)).float()

    def cluster(self) -> None:
        self.mixture.fit(self.places, self.config.restarts)

    def log_assign(self, x: Tensor) -> Tensor:
        """(B, K) posterior of the mixture at the point's place."""
        return self.mixture.log_assign(self.embed(x))
