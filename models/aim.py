"""AIM: adversarial inference by matching priors and conditionals, the two-variable case of MPCC."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, batches_per_epoch

from ._adversarial import AdversarialLoss, critic_loss, generator_loss, update
from ._code_clusters import CodeKMeans
from ._gan_networks import CriticNorm, generator, trunk
from ._mpcc_prior import latent_nll


class AIM(ClusteringModel):
    """A GAN with a standard normal prior, and an encoder that inverts it; then k-means on the codes.

        p(z) = N(0, I)   p(x | z): x = G(z)   q(x): the data   q(z | x) = N(m(x), diag e^l(x))

    Training minimises KL( p(x, z) || q(x, z) ), the VAE's objective with the two sides exchanged, and MPCC's
    without the cluster y:

        I    KL( p(x) || q(x) ), in its place a GAN: the only loss that the generator sees
        II   E_p[ -log q(z | x) ]: the encoder explains the generator's own samples
        III  -H(z), a constant, since the prior is fixed

    A step is `d_steps` updates of D, one of G, and `e_steps` of E. No loss knows of clusters: the codes m of
    the training points are clustered once, after training. Samples of a cluster have z from the Gaussian of
    the codes in it, those of the whole model from the prior.

    Li, Wang, Chen and Gao proposed the objective (2018); neither paper nor code was at hand. So this is what
    the derivation in MPCC's supplement leaves of MPCC, with its losses, rates and numbers of updates:
    - Networks are DCGAN's for images and fully connected ones for vectors, not MPCC's residual ones.
    - The encoder has a trunk of its own, without normalisation: real images meet no statistics of generated
      ones. MPCC's shares D's.
    - Loss II is divided by J, not by the number of an image's values; for Adam that is a matter of epsilon.
    - Samples come from the last generator, with the running averages of its batch norm. MPCC's come from an
      average of the generator over the iterations (decay 0.9999, below the paper's budget 0.99), with
      statistics computed anew after training: what differs in FID is not the cluster variable's alone.
    - Images are in [0, 1] and leave G by a sigmoid; MPCC's are in [-1, 1] and leave it by a tanh.

    Digits have fully connected networks (`channels` empty) below the paper's budget.
    """

    name = "aim"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 24  # J, dimension of z
        channels: tuple[int, ...] = (64, 128)  # of the convolutions, each halves an image; or none
        hidden: tuple[int, ...] = (1024,)  # widths of the fully connected layers
        critic_norm: CriticNorm = "spectral"  # of the discriminator
        loss: AdversarialLoss = "hinge"  # of the GAN; the discriminator has no gradient penalty
        iterations: int = 210_000  # each with d_steps + 1 + e_steps updates
        # fewer iterations if they are more than so many passes over the data
        epochs_at_most: int | None = None
        batch_size: int = 50  # real, and as many generated points, per update
        d_steps: int = 4  # updates of the discriminator per iteration
        e_steps: int = 4  # updates of the encoder per iteration
        lr: float = 2e-4  # of the generator's Adam
        d_lr: float = 2e-4  # of the discriminator's
        e_lr: float = 2e-4  # of the encoder's
        beta1: float = 0.0  # of all Adams

        def __post_init__(self) -> None:
            if self.loss == "wgan-gp":
                raise ValueError("loss is wgan-gp, expected hinge or nonsaturating")
            counts = (self.latent, self.iterations, self.d_steps, self.e_steps, *self.channels, *self.hidden)
            if min(counts) < 1 or not self.hidden:
                raise ValueError("latent, widths, iterations, d_steps and e_steps must be at least 1")
            if self.batch_size < 2:
                raise ValueError("batch_size is 1, expected at least 2 for batch normalisation")

        def check(self, data: DataSpec) -> None:
            halvings = len(self.channels)
            if data.kind == "image" and min(data.shape[1:]) < 2**halvings:
                raise ValueError(
                    f"channels has {halvings} widths, but images of {data.shape[1]}x{data.shape[2]} pixels"
                    " can't be halved so often"
                )

    presets = {
        "mnist": {},
        "fashion_mnist": {"latent": 16},
        "digits": {"channels": (64,), "latent": 10, "iterations": 50_000},
        "vector": {"latent": 10},
    }
    # MPCC's recipes for these budgets
    _small = {"batch_size": 64, "d_steps": 1}
    _fully_connected = {
        **_small,
        "channels": (),
        "hidden": (256, 256),
        "latent": 10,
        "e_steps": 2,
        "lr": 5e-4,
        "d_lr": 5e-4,
        "e_lr": 1e-3,
    }
    _dcgan = {
        **_small,
        "critic_norm": "batch",
        "loss": "nonsaturating",
        "e_steps": 1,
        "lr": 2e-3,
        "d_lr": 5e-4,
        "e_lr": 2e-3,
        "beta1": 0.5,
        "epochs_at_most": 150,
    }
    hour = {
        "digits": {**_fully_connected, "iterations": 30_000},
        "image": {**_dcgan, "channels": (32, 64), "hidden": (512,), "iterations": 12_000},
        "vector": {**_fully_connected, "iterations": 30_000},
    }
    quick = {
        "digits": {"iterations": 6500},
        "image": {"channels": (16, 32), "hidden": (256,), "iterations": 4000},
        "vector": {"iterations": 6500},
    }
    smoke = {"*": {"channels": (4,), "hidden": (16,), "iterations": 4, "batch_size": 8}}

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c, shape = config, data.shape
        channels = c.channels if data.kind == "image" else ()
        end = [] if data.value_range is None else [nn.Sigmoid()]
        layers = generator(c.latent, shape, c.hidden, channels, lambda features, of_rank: of_rank(features))
        self.generator = nn.Sequential(*layers, *end)
        head = nn.Linear(c.hidden[-1], 1)
        self.discriminator = nn.Sequential(
            trunk(shape, c.hidden, channels, c.critic_norm),
            spectral_norm(head) if c.critic_norm == "spectral" else head,
            nn.Flatten(0),
        )
        self.encoder = nn.Sequential(trunk(shape, c.hidden, channels), nn.Linear(c.hidden[-1], 2 * c.latent))
        self.kmeans = CodeKMeans(c.n_clusters, c.latent)
        self.generator_optimizer = _adam(self.generator, c.lr, c.beta1)
        self.discriminator_optimizer = _adam(self.discriminator, c.d_lr, c.beta1)
        self.encoder_optimizer = _adam(self.encoder, c.e_lr, c.beta1)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        points = c.d_steps * c.batch_size
        passes = c.iterations if c.epochs_at_most is None else c.epochs_at_most * batches_per_epoch(x, points)
        yield Stage("train", self.step, min(c.iterations, passes), points)
        yield Action("kmeans", lambda: self.kmeans.fit(self.map_batches(self.embed, x)))

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """d_steps + 1 + e_steps updates, each with latents of its own, in this order."""
        c = self.config
        n = c.batch_size
        for real in x.chunk(c.d_steps):
            with torch.no_grad():
                generated = self.generator(self.draw_latents(n))
            # apart: with batch normalisation each has the statistics of its own
            discriminator = critic_loss(self.discriminator(real), self.discriminator(generated), c.loss)
            update(discriminator, self.discriminator_optimizer)
        generator = generator_loss(self.discriminator(self.generator(self.draw_latents(n))), c.loss)
        update(generator, self.generator_optimizer)
        for _ in range(c.e_steps):
            latent = self.latent_loss(self.draw_latents(n))
            update(latent, self.encoder_optimizer)
        return {"discriminator": discriminator, "generator": generator, "latent": latent}

    def latent_loss(self, z: Tensor) -> Tensor:
        """Loss II per dimension: the mean of -log N(z; m(x), e^l(x)) at x = G(z), z (B, J)."""
        with torch.no_grad():
            x = self.generator(z)
        m, l = self.encoder(x).chunk(2, dim=1)
        return latent_nll(z, m, l, math.log(2 * math.pi)) / z.shape[1]

    def draw_latents(self, n: int) -> Tensor:
        """(n, J) z of the prior."""
        return torch.randn(n, self.config.latent, device=self.device)

    def log_assign(self, x: Tensor) -> Tensor:
        """One-hot at the nearest centre."""
        return self.kmeans.log_assign(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) mean m of q(z | x)."""
        return self.encoder(x)[:, : self.config.latent]

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        return self.generator(self.draw_latents(n) if cluster is None else self.kmeans.sample(n, cluster))

    def reconstruct(self, x: Tensor) -> Tensor:
        """G(m(x))."""
        return self.generator(self.embed(x))

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """latent_recovered: 1 - E|z - m(G(z))|^2 / J: 1 when the encoder recovers z, 0 when it knows nothing.

        code_variance: mean variance of the codes of the data; 1 where real and generated points are alike.
        """
        z = self.draw_latents(5000)
        squares = torch.cat([(part - self.embed(self.generator(part))).square() for part in z.split(500)])
        return {
            "latent_recovered": 1 - squares.mean().item(),
            "code_variance": self.map_batches(self.embed, x).var(dim=0).mean().item(),
        }


def _adam(module: nn.Module, lr: float, beta1: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=lr, betas=(beta1, 0.999), fused=True)
