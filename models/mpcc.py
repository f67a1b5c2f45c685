"""MPCC: matching priors and conditionals for clustering (Astorga, Huijse, Protopapas and Estévez, ECCV
2020).
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, batches_per_epoch

from ._adversarial import critic_loss, generator_loss, update
from ._gan_networks import set_standing_statistics, some_batches
from ._mpcc_build import Networks, Resize, build_resnets, build_small
from ._mpcc_networks import Delivery, Upsampling
from ._mpcc_prior import Mixture, latent_nll, mixture_log_posterior, negative_entropy

PosteriorVariance = Literal["released", "exact"]
LatentConstant = Literal["pi", "2pi"]
LatentPer = Literal["value", "latent"]


class MPCC(ClusteringModel):
    """A GAN with a learnable Gaussian mixture as prior, and an encoder that inverts it.

        p(y) = 1/K   p(z | y) = N(mu_y, diag s_y^2)   p(x | z, y): x = G(z, y)
        q(x): the data   q(z | x) = N(m(x), diag e^l(x))   q(y | z): posterior of the mixture

    Training minimises KL( p(x, z, y) || q(x, z, y) ), VaDE's objective with the two sides exchanged:

        I    KL( p(x) || q(x) ), in its place a hinge GAN: the only loss that the generator sees
        II   E_p[ -log q(z | x) - log q(y | z) ]: the encoder and the mixture explain the generator's own
             samples
        III  -H(z | y): the components stay wide

    An iteration is one step: `d_steps` updates of D; one of G and the mixture together; `e_steps` of E, the
    first of them with a second update of the mixture; both are 4 in the paper. E shares D's first blocks:
    these tensors belong to two Adams. In loss II the latents are not detached, so that the mixture moves
    towards what the encoder can recognise.

    The paper (P) and the released code (C) differ in some places; each is a switch, with the default named
    here:
    - posterior_variance. z is drawn with s = e^(v/2) + sigma_0, but classified with variance e^v + sigma_0^2
      ("released", C, default); "exact" classifies with s^2.
    - upsampling: "nearest" (C, default) or "bilinear" (P).
    - latent_constant: loss II has log pi ("pi", C, default) where a Gaussian has log 2 pi; no gradient
      depends on it.
    - ema_reconstruction: images are reconstructed by the averaged generator (P, default) or by the last one
      (C).

    Deviations from the released code:
    - Standing statistics (16 passes) are computed as in P, once after training: the released scripts leave
      them out. Predictions and pictures are made in evaluation mode, so that an image does not depend on the
      rest of its batch.
    - Reconstruction error is a mean squared error; C reports the square of the mean difference, which is near
      zero whenever the brightness is right.
    - D has no class embedding (C has one that is never used); phi, frozen and unused in C, is left out.
    - Images are resized bilinearly to S x S (as in C). Samples come back by the pseudo-inverse, so that an
      image which was enlarged survives both; where S is smaller than the image, bilinearly.
    - The last iterate is evaluated.

    The budgets below the paper's keep the prior and the losses, and change the recipe:
    - Small DCGAN networks (dcgan), all with batch norm, z at the input and y by the generator's batch norms,
      and the non-saturating loss. The encoder is a network of its own, with standing statistics of training
      images: in training it has those of the generated batch.
    - digits: fully connected networks (mlp), with spectral norm in the discriminator and an encoder of their
      own.
    - One discriminator step, higher rates, and in dcgan loss II's latent part is divided by J, not by an
      image's values.
    """

    name = "mpcc"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        networks: Networks = "resnet"  # the paper's residual ones; DCGAN's; or fully connected ones
        image_size: int = 32  # S, pixels of the resnet's images: 8, 16 or 32; the others keep the data's size
        # M, pixels to which the resnet discriminator reduces an image; the encoder goes on to M / 4
        map_size: int = 8
        width: int = 12  # C of the resnet; every block has 4 C channels
        delivery: Delivery = "embedding"  # how z and y reach the resnet generator's blocks
        upsampling: Upsampling = "nearest"  # in the resnet generator
        channels: tuple[int, ...] = (32, 64)  # of dcgan's convolutions, each halves the image
        hidden: tuple[int, ...] = (512,)  # widths of the fully connected layers of dcgan and mlp
        loss: Literal["hinge", "nonsaturating"] = "hinge"  # of the GAN
        latent: int = 24  # J, dimension of z
        share_trunk: bool = True  # the encoder's first layers are the discriminator's
        sigma: float = 0.5  # sigma_0, added to the standard deviations of the mixture
        iterations: int = 210_000  # each with d_steps + 1 + e_steps updates
        # fewer iterations if they are more than so many passes over the data
        epochs_at_most: int | None = None
        batch_size: int = 50  # real, and as many generated images, per update
        d_steps: int = 4  # updates of the discriminator per iteration
        e_steps: int = 4  # updates of the encoder per iteration
        lr: float = 2e-4  # of the generator's Adam
        d_lr: float = 2e-4  # of the discriminator's
        e_lr: float = 2e-4  # of the encoder's
        prior_lr: float = 1.6e-3  # of the mixture's
        beta1: float = 0.0  # of all Adams
        entropy_weight: float = 0.01  # of loss III
        # loss II's latent part is divided by the number of values of an image, or by J
        latent_per: LatentPer = "value"
        ema_decay: float = 0.9999  # of the averaged generator
        ema_start: int = 1000  # until this iteration the average is a copy
        # over which the statistics of batch normalisation are averaged after training
        standing_passes: int = 16
        posterior_variance: PosteriorVariance = "released"  # of q(y | z)
        latent_constant: LatentConstant = "pi"  # in loss II
        ema_reconstruction: bool = True  # reconstruct with the averaged generator

        def __post_init__(self) -> None:
            size = self.image_size
            if size not in (8, 16, 32):
                raise ValueError(f"image_size is {size}, expected 8, 16 or 32")
            if self.map_size not in (4, 8) or self.map_size > size:
                raise ValueError(f"map_size is {self.map_size}, expected 4 or 8")
            counts = ("width", "latent", "iterations", "batch_size", "d_steps", "e_steps", "standing_passes")
            if small := [name for name in counts if getattr(self, name) < 1]:
                raise ValueError(f"{', '.join(small)} must be at least 1")
            if min((*self.channels, *self.hidden), default=0) < 1 or not self.hidden:
                raise ValueError(
                    f"channels are {self.channels} and hidden {self.hidden}, expected widths of at least 1"
                )
            if self.batch_size < 2:
                raise ValueError("batch_size is 1, expected at least 2 for batch normalisation")
            chunks = (size // 4).bit_length()
            if self.delivery == "split" and self.latent % chunks:
                raise ValueError(
                    f"latent is {self.latent}, expected a multiple of {chunks} for delivery=split"
                )

    _fashion = {"width": 24, "latent": 16, "delivery": "shared"}
    _omniglot = {"width": 16, "iterations": 120_000}
    _cifar = {"width": 96, "latent": 128, "delivery": "split", "prior_lr": 6e-4}
    presets = {
        "mnist": {},
        "mnist32": {},
        "fashion_mnist": _fashion,
        "fashion_mnist32": _fashion,
        "omniglot": _omniglot,
        "omniglot_affine": _omniglot,
        "cifar10": {**_cifar, "iterations": 90_000},
        "cifar20": {**_cifar, "iterations": 78_000},
        "digits": {"image_size": 16, "map_size": 4, "iterations": 50_000},
    }
    _small = {
        "d_steps": 1,
        "batch_size": 64,
        "share_trunk": False,
        "prior_lr": 2e-3,
        "ema_decay": 0.99,
        "ema_start": 100,
    }
    _dcgan = {
        **_small,
        "networks": "dcgan",
        "channels": (16, 32),
        "hidden": (256,),
        "loss": "nonsaturating",
        "latent": 24,
        "latent_per": "latent",
        "delivery": "embedding",
        "e_steps": 1,
        "lr": 2e-3,
        "d_lr": 5e-4,
        "e_lr": 2e-3,
        "beta1": 0.5,
        "epochs_at_most": 150,
    }
    _mlp = {
        **_small,
        "networks": "mlp",
        "hidden": (256, 256),
        "latent": 10,
        "e_steps": 2,
        "lr": 5e-4,
        "d_lr": 5e-4,
        "e_lr": 1e-3,
    }
    hour = {  # images: twice as wide networks had learnt less after an hour (MNIST, one seed)
        "digits": {**_mlp, "iterations": 30_000},
        "image": {**_dcgan, "iterations": 24_000},
    }
    quick = {
        "digits": {**_mlp, "iterations": 6500},
        "image": {**_dcgan, "iterations": 4000},
    }
    smoke = {
        "*": {
            "channels": (4,),
            "hidden": (16,),
            "image_size": 8,
            "map_size": 8,
            "width": 1,
            "iterations": 4,
            "batch_size": 8,
        }
    }

    iteration: Tensor

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        if data.kind != "image":
            return "its networks are convolutional and need images"
        if max(data.shape[1:]) > 32:
            return (
                "its networks are for images of at most 32x32 pixels, these have"
                f" {data.shape[1]}x{data.shape[2]}"
            )
        return None

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c = config
        resnets = c.networks == "resnet"
        self.resize = Resize(data.shape[1:], (c.image_size, c.image_size) if resnets else data.shape[1:])
        self.generator, self.discriminator, self.encoder = (build_resnets if resnets else build_small)(
            c, data.shape
        )
        self.prior = Mixture(c.n_clusters, c.latent, c.sigma)
        self.ema_generator = copy.deepcopy(self.generator).requires_grad_(False)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.generator_optimizer = _adam(self.generator, c.lr, c.beta1)
        self.discriminator_optimizer = _adam(self.discriminator, c.d_lr, c.beta1)
        self.encoder_optimizer = _adam(self.encoder, c.e_lr, c.beta1)
        self.prior_optimizer = _adam(self.prior, c.prior_lr, c.beta1)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        images = c.d_steps * c.batch_size
        passes = c.iterations if c.epochs_at_most is None else c.epochs_at_most * batches_per_epoch(x, images)
        yield Stage("train", self.step, min(c.iterations, passes), images)
        yield Action("standing statistics", lambda: self.set_standing_statistics(x))

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One iteration: d_steps + 1 + e_steps updates, each with latents of its own, in this order."""
        for real in self.resize(x).chunk(self.config.d_steps):
            discriminator = self.discriminator_loss(real)
            update(discriminator, self.discriminator_optimizer)
        generator = self.generator_loss()
        update(generator, self.generator_optimizer, self.prior_optimizer)
        latent, cluster, entropy = self.encoder_losses()
        update(latent + cluster + entropy, self.encoder_optimizer, self.prior_optimizer)
        for _ in range(self.config.e_steps - 1):
            latent, _, _ = self.encoder_losses()
            update(latent, self.encoder_optimizer)
        self.update_ema()
        return {
            "discriminator": discriminator,
            "generator": generator,
            "latent": latent,
            "cluster": cluster,
            "entropy": entropy,
        }

    def discriminator_loss(self, real: Tensor) -> Tensor:
        """Loss I, discriminator's side, of images (B, C, S, S)."""
        with torch.no_grad():
            fake = self.generator(*self.prior.sample(self.config.batch_size))
        # batch norm: real and generated images each with statistics of their own
        if self.config.networks == "dcgan":
            return critic_loss(self.discriminator(real), self.discriminator(fake), self.config.loss)
        scores = self.discriminator(torch.cat([fake, real]))
        return critic_loss(scores[len(fake) :], scores[: len(fake)], self.config.loss)

    def generator_loss(self) -> Tensor:
        """Loss I, generator's side."""
        return generator_loss(
            self.discriminator(self.generator(*self.prior.sample(self.config.batch_size))), self.config.loss
        )

    def encoder_losses(self) -> tuple[Tensor, Tensor, Tensor]:
        """Loss II, its part for z and its part for y, and loss III."""
        z, y = self.prior.sample(self.config.batch_size)
        with torch.no_grad():
            x = self.generator(z, y)
        m, l = self.encoder(x)
        constant = math.log(math.pi if self.config.latent_constant == "pi" else 2 * math.pi)
        latent = (
            latent_nll(z, m, l, constant) / (z[0] if self.config.latent_per == "latent" else x[0]).numel()
        )
        cluster = F.nll_loss(self.log_posterior(z), y)
        return latent, cluster, self.config.entropy_weight * negative_entropy(self.prior.v)

    @torch.no_grad()
    def update_ema(self) -> None:
        """Average parameters and buffers of the generator; a copy of them in the first `ema_start`
        iterations.
        """
        keep = torch.where(self.iteration < self.config.ema_start, 0.0, self.config.ema_decay)
        pairs = zip(
            self.generator.state_dict().values(), self.ema_generator.state_dict().values(), strict=True
        )
        for value, mean in pairs:
            if value.is_floating_point():  # batch normalisation also counts its batches
                mean.lerp_(value, 1 - keep)
        self.iteration += 1

    def set_standing_statistics(self, x: Tensor) -> None:
        """Of the generators on latents, and of an encoder with batch norm on training images x: what it will
        be used on.
        """
        c = self.config
        for network in (self.ema_generator, self.generator):
            set_standing_statistics(
                network, (self.prior.sample(c.batch_size) for _ in range(c.standing_passes))
            )
        images = some_batches(x, c.batch_size, c.standing_passes)
        set_standing_statistics(self.encoder.trunk, ((self.resize(part),) for part in images))

    def log_posterior(self, z: Tensor) -> Tensor:
        """(B, K) log q(y | z)."""
        c, v = self.config, self.prior.v
        variance = v.exp() + c.sigma**2 if c.posterior_variance == "released" else self.prior.std().square()
        return mixture_log_posterior(z, self.prior.mu, variance)

    def log_assign(self, x: Tensor) -> Tensor:
        """log q(y | z = m(x))."""
        return self.log_posterior(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) mean m of q(z | x)."""
        return self.encoder(self.resize(x))[0]

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        return self.resize.back(self.ema_generator(*self.prior.sample(n, cluster)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """G(m(x), most probable y)."""
        z = self.embed(x)
        generator = self.ema_generator if self.config.ema_reconstruction else self.generator
        return self.resize.back(generator(z, self.log_posterior(z).argmax(dim=1)))

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """What the paper's failures show in, beside the consistency, variety and saturation that every
        model's record has.

        prior_accuracy: share of draws z ~ p(z | y) that q(y | z) gives back to y; 1 when the components are
        separate.
        latent_recovered: 1 - E|z - m(G(z, y))|^2 / E|z - mu_y|^2: 1 when the encoder recovers z, 0 when it
        knows y only.
        component_std: mean standard deviation of each component.
        reconstruction_mse: mean squared error, in the data's units.
        """
        z, y = self.prior.sample(5000)
        m = torch.cat(
            [
                self.encoder(self.ema_generator(*part))[0]
                for part in zip(z.split(500), y.split(500), strict=True)
            ]
        )
        squares = (z - m).square().sum() / (z - self.prior.mu[y]).square().sum()
        errors = self.map_batches(
            lambda part: (self.reconstruct(part) - part).square().flatten(1).mean(dim=1), x
        )
        return {
            "iterations": self.iteration.item(),
            "prior_accuracy": (self.log_posterior(z).argmax(dim=1) == y).float().mean().item(),
            "latent_recovered": 1 - squares.item(),
            "component_std": self.prior.std().mean(dim=1).tolist(),
            "reconstruction_mse": errors.mean().item(),
        }


def _adam(module: nn.Module, lr: float, beta1: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=lr, betas=(beta1, 0.999), fused=True)
