"""ClusterGAN with backprop decoding (Mukherjee, Asnani, Lin and Kannan, AAAI 2019), and the GANs that it is
compared with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.api import (
    Action,
    DataSpec,
    ModelConfig,
    Stage,
    as_float,
    batches_per_epoch,
    draw_seed,
    hard_assignment,
)
from benchmark.plots import image_sheet

from ._adversarial import AdversarialLoss
from ._decoding import LOSSES, Decoded, decode, once_in_a_row
from ._gan_networks import set_standing_statistics, some_batches
from ._kmeans_rule import kmeans_centres, nearest
from ._latent_gan import LatentGAN

KMEANS_POINTS = 10_000  # at most so many training points have k-means fitted to their codes ...
DECODED_POINTS = 500  # ... or to their decoded latents
STANDING_PASSES = 16  # batches over which the statistics of batch normalisation are averaged
DIAGNOSED = 1000  # training points that `diagnose` looks at, of which ...
DIAGNOSED_BY_DECODING = 100  # ... so many are reconstructed


class ClusterGAN(LatentGAN):
    """A GAN whose latent z = (z_n, z_c) is partly discrete, with an encoder that inverts the generator.

        z_n ~ N(0, sigma^2 I)   z_c one-hot, uniform over the K clusters   x = G(z)
        min over G, E, max over D:  E q(D(x)) + E q(1 - D(G(z)))
                                    + beta_n |z_n - E_n(G(z))|^2 + beta_c H(z_c, E_c(G(z)))

    q is the identity for WGAN-GP, with its gradient penalty, or the logarithm for the vanilla GAN. One step
    of training is `critic_steps` updates of the critic, 5 in the paper, and one joint update of G and E.
    Variants, the comparison models of the paper's tables:
        infogan      E is a head on the critic's trunk, predicts z_c alone, and trains the critic as well (as
                     in InfoGAN)
        wgan_onehot  no encoder: clusters by backprop decoding (decode=true), or by k-means on the critic's
                     features
        wgan_normal  the same with the prior z ~ N(0, sigma^2 I), which has no clusters

    Assignment rules, all fixed on the training points but for `kmeans_refit`:
        argmax         the largest entry of E_c(x). The default of clustergan and infogan: it is the model's
                       own posterior, costs one pass, needs no fit, and numbers the clusters as they are
                       sampled.
        kmeans         nearest of K centres of the codes (E_n(x), softmax E_c(x)), or of the critic's last
                       hidden layer if there is no such encoder, whose default it is without decode=true; its
                       distances depend on the scale of z_n.
        kmeans_refit   k-means fitted to the codes of the very points that are assigned, as the authors
                       evaluate: what the paper's tables are compared by.
        decode         the one-hot of the best restart of backprop decoding. The default of wgan_onehot with
                       decode=true.
        decode_kmeans  nearest of K centres of the decoded latents; the default of wgan_normal with
                       decode=true.
    The last two need K Adam runs for every point and are left out unless decode=true.

    Deviations from the released code:
    - The penalty interpolates with one coefficient per sample, as WGAN-GP does; `penalty_per_batch` restores
      the released one.
    - Batch norm uses running averages outside of training, so that points do not influence each other;
      released: always the batch's own. It has a gain; released: none. The critic of vector data has none,
      since the penalty is per sample.
    - The critic is high on data (the released one is low), and the vanilla generator loss is the
      non-saturating one.
    - k-means is fitted to at most 10,000 training codes, or to the decoded latents of 500 training points;
      released: to those of the very points that are assigned, for which codes have `kmeans_refit`.
    - On Pendigits the released encoder has batch norm, ours none; on 10x_73k our generator ends in a sigmoid,
      as data there are in [0, 1], the released one in the identity.
    - The released WGANs (wgan_normal, wgan_onehot) train 200,000 steps, ours as many as ClusterGAN.
    - Decoding compares restarts by the loss of their last latent, not of the one before; every point has the
      same K starts; it works on z_n in units in which sigma is 0.1, so that its settings suit every prior.
      For wgan_normal (sigma 0.15) that is a clip at 0.9 and a penalty of 4.4 on the whole latent; released:
      at 1, and 10 on its first d_n coordinates.
    - InfoGAN has these networks and this loss, so that models differ in the encoder alone, and no continuous
      code.

    The budgets below the paper's change the recipe, towards InfoGAN's:
    - One critic step, the non-saturating loss, larger rates; batch norm in the critic and the encoder, with
      standing statistics of training points: in training, real and generated ones each have those of their
      batch.
    - z_n ~ N(0, 0.25 I), so that it has a share of the point from the beginning, and small weights of its
      error and of the cross-entropy.
    - Small networks; for digits and vectors fully connected ones.
    """

    name = "clustergan"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        # which of the paper's GANs
        variant: Literal["clustergan", "infogan", "wgan_onehot", "wgan_normal"] = "clustergan"
        # with a gradient penalty; nonsaturating is the paper's "vanilla GAN"
        loss: AdversarialLoss = "wgan-gp"
        latent: int = 30  # d_n, dimension of z_n
        # standard deviation of z_n; none: 0.1, but 1 for infogan and 0.15 for wgan_normal
        sigma: float | None = None
        beta_n: float = 10.0  # weight of the mean squared error of z_n; 0 also takes z_n out of the codes
        beta_c: float = 10.0  # weight of the cross-entropy of z_c
        penalty: float = 10.0  # weight of the gradient penalty
        # one interpolation coefficient per batch, as released, not one per sample
        penalty_per_batch: bool = False
        # of the convolutions of image networks, each halves the image; empty: none
        channels: tuple[int, ...] = (64, 128)
        hidden: tuple[int, ...] = (1024,)  # widths of the fully connected layers
        batch_norm: bool = True  # in the generator
        # "batch": in the critic and the encoder, which the gradient penalty rules out
        critic_norm: Literal["none", "batch"] = "none"
        critic_steps: int = 5  # critic updates per update of generator and encoder
        batch_size: int = 64  # points per update
        steps: int = 500_000  # updates of generator and encoder
        epochs_at_most: int | None = None  # fewer steps if they are more than so many passes over the data
        lr: float = 1e-4  # of generator's and encoder's Adam
        critic_lr: float = 1e-4  # of the critic's
        beta2: float = 0.9  # of both; the first beta is 0.5
        decode: bool = False  # also assign by backprop decoding: K restarts of many steps for every point
        decode_steps: int = 5000  # Adam steps of a restart
        # mean |.| + penalty mean z_n^2, or |.|_1 + penalty |z_n|_2
        decode_loss: Literal["released", "paper"] = "released"
        decode_penalty: float = 10.0  # weight of the second term
        decode_lr: float = 0.01  # of Adam on z_n
        decode_box: float = 0.6  # z_n is clipped to [-box, box]

        def __post_init__(self) -> None:
            sizes = (self.latent, self.critic_steps, self.batch_size, self.steps, self.decode_steps)
            if min(*sizes, *self.hidden, *self.channels) < 1 or not self.hidden:
                raise ValueError(
                    "latent, hidden, channels, critic_steps, batch_size, steps and decode_steps must be at"
                    " least 1"
                )
            if min(self.decode_lr, self.decode_box, 1.0 if self.sigma is None else self.sigma) <= 0:
                raise ValueError("sigma, decode_lr and decode_box must be positive")
            if self.critic_norm == "batch" and self.loss == "wgan-gp":
                raise ValueError(
                    "critic_norm=batch is for loss=hinge or nonsaturating: the gradient penalty is per sample"
                )

    presets = {
        "mnist": {},
        "fashion_mnist": {"latent": 40, "beta_n": 0.0},
        "fashion5": {"latent": 40, "beta_n": 0.0},
        "digits": {"steps": 100_000},
        "pendigits": {"latent": 5, "hidden": (256, 256)},
        "tenx73k": {"hidden": (256, 256), "batch_norm": False, "steps": 100_000},
        "vector": {"latent": 5, "hidden": (256, 256)},
    }
    _dcgan = {
        "loss": "nonsaturating",
        "critic_norm": "batch",
        "critic_steps": 1,
        "latent": 30,
        "sigma": 0.5,
        "beta_n": 0.5,
        "beta_c": 1.0,
        "lr": 2e-3,
        "critic_lr": 5e-4,
        "beta2": 0.999,
        "epochs_at_most": 200,
    }
    _mlp = {
        **_dcgan,
        "epochs_at_most": None,
        "latent": 10,
        "channels": (),
        "hidden": (256, 256),
        "batch_norm": True,
        "decode_steps": 60,
        "decode_lr": 0.02,
    }
    _small = {**_dcgan, "channels": (16, 32), "hidden": (256,)}
    hour = {  # images: the quick budget's networks, longer, as for MPCC
        "digits": {**_mlp, "decode": True, "steps": 20_000},
        "image": {**_small, "steps": 24_000},
        "vector": {**_mlp, "steps": 20_000},
    }
    quick = {
        "digits": {**_mlp, "decode": True, "steps": 5500},
        "image": {**_small, "steps": 4500},
        "vector": {**_mlp, "steps": 4000},
    }
    smoke = {"*": {"channels": (), "hidden": (16,), "steps": 5, "decode": True, "decode_steps": 5}}

    centres: Tensor
    decoded_centres: Tensor
    decode_start: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c, k = config, config.n_clusters
        self.register_buffer("decode_start", 0.1 * torch.randn(k, self.n_free))
        encoded = c.hidden[-1] if c.variant != "clustergan" else k if c.beta_n == 0 else c.latent + k
        self.register_buffer("centres", torch.zeros(k, encoded))
        self.register_buffer("decoded_centres", torch.zeros(k, c.latent + k))

    @classmethod
    def skip_reason(cls, data: DataSpec) -> str | None:
        return "images must be at least 4x4" if data.kind == "image" and min(data.shape[1:]) < 4 else None

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        points = c.critic_steps * c.batch_size
        passes = c.steps if c.epochs_at_most is None else c.epochs_at_most * batches_per_epoch(x, points)
        yield Stage("train", self.step, min(c.steps, passes), points)
        if c.critic_norm == "batch":
            yield Action("standing statistics", lambda: self.set_standing_statistics(x))
        yield Action("kmeans", lambda: self.fit_kmeans(x))

    def set_standing_statistics(self, x: Tensor) -> None:
        """Of the critic and the encoder, on training images x: what they will be used on."""
        for network in (self.critic_trunk, *([self.encoder] if self.config.variant == "clustergan" else [])):
            images = some_batches(x, self.config.batch_size, STANDING_PASSES)
            set_standing_statistics(network, ((part,) for part in images))

    @torch.no_grad()
    def fit_kmeans(self, x: Tensor) -> None:
        """Fix the centres of the k-means rules on training points, centre k nearest to what G makes of
        one-hot k.
        """
        chosen = x[torch.randperm(len(x), device=x.device)]
        k, own = self.config.n_clusters, torch.arange(self.config.n_clusters, device=x.device)
        means = (
            self.embed(self.generator(self.sample_prior(100 * k, own.repeat(100))[0]))
            .view(100, k, -1)
            .mean(dim=0)
        )
        self.centres.copy_(
            kmeans_centres(self.map_batches(self.embed, chosen[:KMEANS_POINTS]), means, draw_seed())
        )
        if self.config.decode:
            z = self.decode(as_float(chosen[:DECODED_POINTS])).z
            one_hots = F.one_hot(own + z.shape[1] - k, z.shape[1]).to(z.dtype)  # z_n = 0, its mean
            self.decoded_centres.copy_(kmeans_centres(z, one_hots, draw_seed()))

    # Assignment

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) the code (E_n(x), softmax E_c(x)), with E_n in units in which sigma is 0.1, as it is in the
        paper: beside a wider z_n the categorical part would not count. Without such an encoder the critic's
        last hidden layer.
        """
        if self.config.variant != "clustergan":
            return self.critic_trunk(x)
        z_n, logits = self.encode(x)
        z_c = logits.softmax(dim=1)
        return torch.cat([z_n * 0.1 / self.sigma, z_c], dim=1) if self.config.beta_n else z_c

    def categorical(self, x: Tensor) -> Tensor:
        """(B, K) log-probabilities of z_c: of the encoder, or of InfoGAN's head."""
        return self.code(x)[:, -self.config.n_clusters :].log_softmax(dim=1)

    def decode(self, x: Tensor) -> Decoded:
        """Backprop decoding of a float batch (B, *shape), K restarts for each point:
        `models/_decoding.py`.
        """
        c, free = self.config, self.n_free
        units = torch.full((c.latent + c.n_clusters,), 1.0, device=x.device)
        units[:free] = self.sigma / 0.1
        # empty for a normal prior
        kept = torch.eye(c.n_clusters, device=x.device)[:, : c.latent + c.n_clusters - free]
        found = decode(
            lambda z: self.generator(z * units),
            x,
            self.decode_start,
            kept,
            loss=LOSSES[c.decode_loss],
            penalty=c.decode_penalty,
            steps=c.decode_steps,
            lr=c.decode_lr,
            box=c.decode_box,
        )
        return Decoded(found.z * units, found.loss, found.restart)

    def _rules(self, decode: Callable[[Tensor], Decoded]) -> dict[str, Callable[[Tensor], Tensor]]:
        """The rules on a float batch, the default first."""
        c = self.config
        rules = {
            "kmeans": lambda x: nearest(self.embed(x), self.centres),
            "argmax": self.categorical,
            "decode": lambda x: hard_assignment(decode(x).restart, c.n_clusters),
            "decode_kmeans": lambda x: nearest(decode(x).z, self.decoded_centres),
        }
        order = {
            "clustergan": ["argmax", "kmeans", "decode", "decode_kmeans"],
            "infogan": ["argmax", "kmeans", "decode", "decode_kmeans"],
            "wgan_onehot": ["decode", "decode_kmeans", "kmeans"],
            "wgan_normal": ["decode_kmeans", "kmeans"],
        }[c.variant]
        return {name: rules[name] for name in order if c.decode or not name.startswith("decode")}

    def assignments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        rules = self._rules(once_in_a_row(self.decode))

        def over_all(name: str) -> Callable[[Tensor], Tensor]:
            if name.startswith("decode"):  # makes batches of its own
                return lambda x: rules[name](as_float(x))
            return lambda x: self.map_batches(rules[name], x)

        found = {name: over_all(name) for name in rules}
        return found | ({"kmeans_refit": self.kmeans_refit} if self.config.variant == "clustergan" else {})

    def log_assign(self, x: Tensor) -> Tensor:
        return next(iter(self._rules(self.decode).values()))(x)

    def kmeans_refit(self, x: Tensor) -> Tensor:
        """(N, K) k-means of the codes of all stored points x (N, *shape), with the authors' random state."""
        codes = self.map_batches(self.embed, x)
        return nearest(codes, kmeans_centres(codes, self.centres, seed=0))

    # Generation

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """G(z) at z from the prior; the normal prior has no clusters, so there it is the same for each of
        them.
        """
        given = None if cluster is None else torch.full((n,), cluster, device=self.decode_start.device)
        return self.generator(self.sample_prior(n, given)[0])

    def reconstruct(self, x: Tensor) -> Tensor:
        """G at the code, with z_c the one-hot that is most probable; without such an encoder at the decoded
        latent.
        """
        if self.config.variant != "clustergan":
            return self.generator(self.decode(x).z)
        z_n, logits = self.encode(x)
        z_c = F.one_hot(logits.argmax(dim=1), logits.shape[1]).to(z_n.dtype)
        return self.generator(torch.cat([z_n if self.config.beta_n else torch.zeros_like(z_n), z_c], dim=1))

    @torch.no_grad()
    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """How well the encoder, and decoding, invert the generator, beside the signs of collapse that every
        record has.

        critic_gap: mean D(x) - mean D(G(z)); with the gradient penalty an estimate of the Wasserstein
        distance.
        z_n_error: mean squared error of E_n(G(z)) in units of the variance of z_n: 1 if E_n knows nothing.
        encoded_error: mean |x - G(E(x))| per value, of random training points.
        decoded_error, decoded_clipped: the same by decoding, and the share of z_n on a side of the box.
        decoded_as_encoded: share of points that decoding and argmax E_c put into the same cluster.
        """
        c = self.config
        points = as_float(x[torch.randperm(len(x), device=x.device)[:DIAGNOSED]])
        some = points[:DIAGNOSED_BY_DECODING]
        z, _ = self.sample_prior(len(points))
        generated = self.generator(z)
        found: dict[str, Any] = {
            "critic_gap": (self.critic(points).mean() - self.critic(generated).mean()).item()
        }
        if c.variant == "clustergan":
            if c.beta_n:
                found["z_n_error"] = (
                    self.encode(generated)[0] - z[:, : c.latent]
                ).square().mean().item() / self.sigma**2
            found["encoded_error"] = (self.reconstruct(some) - some).abs().mean().item()
        if c.decode:
            decoded = self.decode(some)
            z_n = decoded.z[:, : self.n_free] * 0.1 / self.sigma
            found["decoded_error"] = (self.generator(decoded.z) - some).abs().mean().item()
            found["decoded_clipped"] = (z_n.abs() >= 0.999 * c.decode_box).float().mean().item()
            if self.has_encoder:
                same = self.categorical(some).argmax(dim=1) == decoded.restart
                found["decoded_as_encoded"] = same.float().mean().item()
        return found

    @torch.no_grad()
    def draw(self, x: Tensor) -> dict[str, Figure]:
        """reconstructions.png: training images as they are, encoded and decoded."""
        if self.data.kind != "image":
            return {}
        points = as_float(x[torch.randperm(len(x), device=x.device)[:12]])
        rows = {"x": points}
        if self.config.variant == "clustergan":
            rows["E"] = self.reconstruct(points)
        if self.config.decode:
            rows["decoded"] = self.generator(self.decode(points).z)
        return {"reconstructions": image_sheet(list(rows.values()), list(rows))}
