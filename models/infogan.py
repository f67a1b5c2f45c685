"""InfoGAN (Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel, NIPS 2016) as a clustering model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, as_float, batches_per_epoch

from ._adversarial import critic_loss, generator_loss, update
from ._gan_networks import generator, set_standing_statistics, some_batches, trunk

STANDING_PASSES = 16  # batches over which the statistics of batch normalisation are averaged
DIAGNOSED = 1000  # points that `diagnose` looks at


class InfoGAN(ClusteringModel):
    """A GAN that keeps a part of its latent, the codes, recognisable in the image.

        z ~ U(-1, 1)^J   c one-hot, uniform over the K clusters   u ~ U(-1, 1)^U   x = G(z, c, u)
        min over G, Q, max over D:  E log D(x) + E log(1 - D(G)) - lambda L(G, Q)
        L(G, Q) = E log Q(c | x) + E log Q(u | x), a lower bound of I(c, u; x) but for constants (eq. 5)

    Q(c | x) is categorical, Q(u | x) a Gaussian of variance 1; Q is a head on D's trunk. A step is one update
    of D and Q together, in which the information term trains the trunk as well, and one of G with latents of
    its own and the non-saturating loss. Points are assigned by Q(c | x).

    Rates, trunk, head and the place of the information term are those of the authors' code
    (openai/InfoGAN, launchers/run_mnist_exp.py): Adam with first beta 0.5, 1e-3 for G, 2e-4 for D and Q.

    Deviations from that code:
    - Leaky ReLU has slope 0.2 (0.01 there), as in the suite's other GANs.
    - D's head and the two layers of Q's start as torch's linear layers do, with standard deviations of 0.018,
      0.018 and 0.05 at the paper's widths; there they have 0.02, as all other layers have in both.
    - In G, batch norm before the convolutions has one mean and variance per channel, there one per unit.
    - Batch norm uses fixed statistics after training, those of training images in the trunk, so that a
      point's cluster does not depend on the rest of its batch. In training, real and generated images each
      have those of their batch, as there.
    - Images are in [0, 1] and leave G by a sigmoid; vectors without bounds leave it as they are, and their
      networks are fully connected.

    The budgets below the paper's take smaller batches, larger rates and, for images, smaller networks: a
    quarter of the width (quick) or half of it (hour). Digits have fully connected layers of 256 and 256
    there; vectors have these at every budget.
    """

    name = "infogan"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 62  # J, dimension of z, which nothing reads back
        continuous: int = 2  # U, number of continuous codes
        information: float = 1.0  # lambda, weight of the information term
        channels: tuple[int, ...] = (64, 128)  # of the convolutions of image networks, each halves the image
        hidden: tuple[int, ...] = (1024,)  # widths of the fully connected layers
        head: int = 128  # width of Q's own layer
        batch_size: int = 128  # real, and as many generated points, per update
        steps: int = 5000  # each of one update of D and Q, and one of G
        epochs_at_most: int | None = None  # fewer steps if they are more than so many passes over the data
        lr: float = 1e-3  # of G's Adam
        d_lr: float = 2e-4  # of D's and Q's

        def __post_init__(self) -> None:
            sizes = (self.latent, self.head, self.steps, *self.hidden, *self.channels)
            if min(sizes) < 1 or not self.hidden or self.continuous < 0:
                raise ValueError(
                    "latent, head, steps, hidden and channels must be at least 1, continuous at least 0"
                )
            if self.batch_size < 2:
                raise ValueError("batch_size is 1, expected at least 2 for batch normalisation")

    presets = {"vector": {"channels": (), "hidden": (256, 256)}}
    _small = {"head": 64, "batch_size": 64, "lr": 2e-3, "d_lr": 5e-4, "epochs_at_most": 200}
    _mlp = {**_small, "channels": (), "hidden": (256, 256), "epochs_at_most": None}
    hour = {
        "digits": {**_mlp, "steps": 20_000},
        "image": {**_small, "channels": (32, 64), "hidden": (512,), "steps": 12_000},
        "vector": {**_mlp, "steps": 40_000},
    }
    quick = {
        "digits": {**_mlp, "steps": 4000},
        "image": {**_small, "channels": (16, 32), "hidden": (256,), "steps": 4500},
        "vector": {**_mlp, "steps": 4000},
    }
    smoke = {"*": {"channels": (), "hidden": (16,), "head": 8, "batch_size": 32, "steps": 5}}

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        return "images must be at least 4x4" if data.kind == "image" and min(data.shape[1:]) < 4 else None

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c, k = config, config.n_clusters
        end = [] if data.value_range is None else [nn.Sigmoid()]
        layers = generator(
            c.latent + k + c.continuous, data.shape, c.hidden, c.channels, lambda n, of_rank: of_rank(n)
        )
        self.generator = nn.Sequential(*layers, *end)
        self.trunk = trunk(data.shape, c.hidden, c.channels, "batch")
        self.critic_head = nn.Linear(c.hidden[-1], 1)
        self.hidden = nn.Sequential(
            nn.Linear(c.hidden[-1], c.head), nn.BatchNorm1d(c.head), nn.LeakyReLU(0.2)
        )
        self.codes = nn.Linear(c.head, k + c.continuous)  # logits of c, then means of u
        self.generator_optimizer = _adam([self.generator], c.lr)
        self.critic_optimizer = _adam([self.trunk, self.critic_head, self.hidden, self.codes], c.d_lr)

    # Training

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        passes = (
            c.steps if c.epochs_at_most is None else c.epochs_at_most * batches_per_epoch(x, c.batch_size)
        )
        yield Stage("train", self.step, min(c.steps, passes), c.batch_size)
        yield Action("standing statistics", lambda: self.set_standing_statistics(x))

    def sample_prior(self, n: int, cluster: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(z, c, u) joined (n, J + K + U), the clusters (n,), and u (n, U)."""
        c = self.config
        free = 2 * torch.rand(n, c.latent + c.continuous, device=self.device) - 1
        z, u = free.split([c.latent, c.continuous], dim=1)
        chosen = (
            torch.randint(c.n_clusters, (n,), device=self.device)
            if cluster is None
            else torch.full((n,), cluster, device=self.device)
        )
        return self._latent(z, chosen, u), chosen, u

    def _latent(self, z: Tensor, cluster: Tensor, u: Tensor) -> Tensor:
        return torch.cat([z, F.one_hot(cluster, self.config.n_clusters).to(z.dtype), u], dim=1)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """An update of D and Q, then one of G."""
        latent, cluster, u = self.sample_prior(len(x))
        with torch.no_grad():
            fake = self.generator(latent)
        features = self.trunk(fake)
        critic = critic_loss(self._score(self.trunk(x)), self._score(features), "nonsaturating")
        update(critic + self.information_loss(features, cluster, u), self.critic_optimizer)

        latent, cluster, u = self.sample_prior(len(x))
        features = self.trunk(self.generator(latent))
        adversarial = generator_loss(self._score(features), "nonsaturating")
        information = self.information_loss(features, cluster, u)
        update(adversarial + information, self.generator_optimizer)
        return {"critic": critic, "generator": adversarial, "information": information}

    def information_loss(self, features: Tensor, cluster: Tensor, u: Tensor) -> Tensor:
        """-lambda L of the trunk's features of G(z, c, u), without the constants of Q(u | x)."""
        logits, mean = self._codes(features)
        squares = (u - mean).square().sum(dim=1).mean()
        return self.config.information * (F.cross_entropy(logits, cluster) + 0.5 * squares)

    def _codes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of c (B, K) and means of u (B, U)."""
        logits, mean = self.codes(self.hidden(features)).split(
            [self.config.n_clusters, self.config.continuous], dim=1
        )
        return logits, mean

    def _score(self, features: Tensor) -> Tensor:
        return self.critic_head(features).squeeze(1)

    def set_standing_statistics(self, x: Tensor) -> None:
        """Of the trunk and Q on training points x: what they will be used on."""
        images = some_batches(x, self.config.batch_size, STANDING_PASSES)
        set_standing_statistics(nn.Sequential(self.trunk, self.hidden), ((part,) for part in images))

    # What it is for

    def log_assign(self, x: Tensor) -> Tensor:
        """(B, K) log Q(c | x)."""
        return self._codes(self.trunk(x))[0].log_softmax(dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """(B, hidden[-1]) the trunk's features."""
        return self.trunk(x)

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        return self.generator(self.sample_prior(n, cluster)[0])

    def reconstruct(self, x: Tensor) -> Tensor:
        """G at the most probable c and the mean of u, with z = 0: what the codes say of x."""
        logits, mean = self._codes(self.trunk(x))
        z = torch.zeros(len(x), self.config.latent, device=x.device)
        return self.generator(self._latent(z, logits.argmax(dim=1), mean.clamp(-1, 1)))

    @torch.no_grad()
    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """code_accuracy: share of generated points whose c Q reads rightly.
        code_error: mean squared error of their u in units of its variance, 1/3 (1: nothing is known).
        reconstruction_mse: mean squared error per value of training points.
        """
        latent, cluster, u = self.sample_prior(DIAGNOSED)
        logits, mean = self._codes(self.trunk(self.generator(latent)))
        points = as_float(x[torch.randperm(len(x), device=x.device)[:DIAGNOSED]])
        found = {
            "code_accuracy": (logits.argmax(dim=1) == cluster).float().mean().item(),
            "reconstruction_mse": (self.reconstruct(points) - points).square().mean().item(),
        }
        if self.config.continuous:
            found["code_error"] = 3 * (mean - u).square().mean().item()
        return found


def _adam(modules: Iterable[nn.Module], lr: float) -> torch.optim.Adam:
    parameters = [p for module in modules for p in module.parameters()]
    return torch.optim.Adam(parameters, lr=lr, betas=(0.5, 0.999), fused=True)
