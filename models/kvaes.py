"""kVAEs: VAEs that compete for the training points (Locatello, Vincent, Tolstikhin, Rätsch, Gelly, Schölkopf,
2018).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.api import Action, DataSpec, ModelConfig, Stage, as_float

from ._kde import KERNELS, kde_measurements
from ._mixture import fit_mixture, information
from ._stacked_vaes import StackedVAEs, of_owner

IMAGES = {  # the paper's networks for MNIST; numbers of epochs and batch size are ours, as it gives none
    "latent": 8,
    "filters": (8, 16, 32, 64),
    "discriminator_filters": (64, 128, 256),
    "batch_size": 100,
    "pretrain_epochs": 20,
    "meta_iterations": 10,
    "discriminator_epochs": 0,
    "reset_discriminators": False,
}

START = {"start": "mixture", "density": "elbo"}  # of the smaller budgets
RECIPE = {"lr": 2e-3, **START}  # the same for images
FULLY_CONNECTED = {"filters": (), "discriminator_filters": ()}

MIXTURE_POINTS = 10_000  # codes that the mixture of the start is fitted to

QUICK_PLANE = {"pretrain_epochs": 0.3, "meta_iterations": 10, "vae_epochs": 0.3, "discriminator_epochs": 0.1}


class KVAEs(StackedVAEs):
    """A mixture of K VAEs, each of which owns a part of the training points.

        P_model = sum_j alpha_j P_gj    alpha_j = share of the points that belong to VAE j

    The VAEs are pre-trained on all points. Then, in each of T meta-iterations:
    1. every VAE j is trained on its own part (negative ELBO);
    2. a discriminator D_j per VAE learns to tell all data (D_j = 1) from samples of g_j (D_j = 0), so that
       (1 - D_j(x)) / D_j(x) estimates P_gj(x) / P_data(x);
    3. every training point goes to the VAE for which this ratio is largest: argmin_j of the discriminators'
       logits.

    Encoders, decoders and discriminators are stacks of K networks, computed and trained as one
    (models/_stacked_vaes.py).

    The paper's comparisons are settings of the same class: without competition, `meta_iterations=0`, it is
    the paper's kVAEs at initialisation; with `pretrain_on=bags` besides it is bagging; with one cluster it is
    a single VAE.

    There is no released code. Where the paper says nothing, we do the following:
    - Vectors have a Gaussian decoder with variance 0.01, images one with cross-entropy; samples are decoder
      means.
    - Minibatches of the parts are drawn with replacement. All K VAEs take the same number of steps in a
      meta-iteration, the one in which a part of N / K points is seen `vae_epochs` times.
    - The discriminators have no batch normalisation, and see the same real points.
    - Empty parts: a VAE without points gets no gradient until points come back. What its Adam remembers, and
      batch normalisation's running statistics, still move it a little. With `min_share` > 0 the load
      is balanced as in the authors' later version: one with too few points goes on with those that it had
      before.
    - Points that were not trained on: the rule `default` is the one of training, but discriminators are only
      calibrated on training points; the rule `elbo` compares ELBOs (with z at the posterior's mean).

    What the quick and hour budgets change on images and vectors, all of it off in the paper's presets:
    - `start = "mixture"`: the first parts are not what VAEs that have all seen all points win at random, but
      the clusters of a Gaussian mixture on the codes of these VAEs. k-means and its kin depend on their
      start, and so do kVAEs.
    - `density = "elbo"`: the ELBOs decide, as in VAE-EM (2025), without discriminators, which need far more
      steps.
    - `min_pretrain_steps`, `min_vae_steps`: small data sets are passed over more often.
    """

    name = "kvaes"
    min_clusters = 1

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 5  # J, dimension of z
        hidden: tuple[int, ...] = (50, 50)  # widths of encoders and discriminators; the decoders mirror them
        filters: tuple[int, ...] = ()  # of convolutional encoders, mirrored by the decoders; empty: hidden
        discriminator_filters: tuple[int, ...] = ()  # of convolutional discriminators; empty: hidden
        decoder_variance: float = 0.01  # of p(x | z) for unbounded data
        lr: float = 5e-3  # of Adam
        beta1: float = 0.5  # of Adam
        batch_size: int = 32  # points per step of each VAE and each discriminator
        pretrain_epochs: float = 100  # of every VAE, before they compete
        min_pretrain_steps: int = 1  # of these at least, however few points there are
        # all points, or N / K points drawn with replacement for each VAE
        pretrain_on: Literal["all", "bags"] = "all"
        # first parts: the winners', or clusters of all VAEs' codes
        start: Literal["competition", "mixture"] = "competition"
        mixture_fits: int = 30  # of which the one with the highest I(x; j) is the start
        meta_iterations: int = 100  # T, rounds of the competition; 0: none
        vae_epochs: float = 10  # of the VAEs on their parts, per round
        min_vae_steps: int = 1  # of these at least, per round
        # estimate of P_gj that decides who gets a point
        density: Literal["discriminator", "elbo"] = "discriminator"
        discriminator_epochs: float = 2  # of the discriminators on all points, per round; 0: a single batch
        reset_discriminators: bool = True  # start every round with new ones
        # load balancing: a VAE with less than this times N / K points keeps its previous part; 0: off
        min_share: float = 0

        def __post_init__(self) -> None:
            widths = (*self.hidden, *self.filters, *self.discriminator_filters)
            if min(self.n_clusters, self.latent, self.batch_size, self.mixture_fits, *widths) < 1:
                raise ValueError(
                    "n_clusters, latent, batch_size, mixture_fits, hidden and both filters must be at least 1"
                )
            if min(self.min_pretrain_steps, self.min_vae_steps) < 1:
                raise ValueError("min_pretrain_steps and min_vae_steps must be at least 1")
            if (
                min(self.pretrain_epochs, self.meta_iterations, self.vae_epochs, self.discriminator_epochs)
                < 0
            ):
                raise ValueError("meta_iterations and the three numbers of epochs must not be negative")
            if min(self.lr, self.decoder_variance) <= 0:
                raise ValueError(
                    f"lr is {self.lr} and decoder_variance {self.decoder_variance}, both must be positive"
                )
            if not (0 <= self.beta1 < 1 and 0 <= self.min_share <= 1):
                raise ValueError(
                    f"beta1 is {self.beta1} and min_share {self.min_share}, expected values from 0 to 1"
                )

        def check(self, data: DataSpec) -> None:
            if (self.filters or self.discriminator_filters) and data.kind != "image":
                raise ValueError(f"filters are for images, {data.name} has vectors; set hidden instead")

    presets = {
        "modes9": {"discriminator_epochs": 5},
        "mnist": IMAGES,
        "digits": {**IMAGES, "pretrain_epochs": 100, "vae_epochs": 50},
        "image": IMAGES,
    }
    hour = {  # on MNIST 7,200 steps of 0.4 s, and assignments
        "digits": {**RECIPE, "pretrain_epochs": 200, "meta_iterations": 20},
        "image": {
            **RECIPE,
            "pretrain_epochs": 6,
            "min_pretrain_steps": 1500,
            "vae_epochs": 6,
            "min_vae_steps": 100,
        },
        "vector": START,
        # the competition, as in the paper's table
        "modes3": {},
        "modes5": {},
        "modes9": {},
    }
    quick = {
        "modes3": {**QUICK_PLANE, "decoder_variance": 0.3},
        "modes5": {**QUICK_PLANE, "decoder_variance": 0.03, "vae_epochs": 0.5},
        "modes9": {**QUICK_PLANE, "vae_epochs": 0.9},
        "digits": {
            **FULLY_CONNECTED,
            "latent": 5,
            "hidden": (100,),
            "pretrain_epochs": 80,
            "vae_epochs": 20,
        },
        "image": {
            **FULLY_CONNECTED,
            "hidden": (128, 64),
            "pretrain_epochs": 4,
            "min_pretrain_steps": 600,
            "vae_epochs": 2,
            "min_vae_steps": 40,
        },
        "vector": {
            "batch_size": 100,
            "pretrain_epochs": 2,
            "mixture_fits": 10,
            "meta_iterations": 20,
            "vae_epochs": 5,
        },
    }
    smoke = {
        "*": {
            "hidden": (16,),
            "filters": (),
            "discriminator_filters": (),
            "batch_size": 50,
            "pretrain_epochs": 2,
            "meta_iterations": 3,
            "vae_epochs": 2,
            "density": "discriminator",
            "discriminator_epochs": 2,
            "min_pretrain_steps": 1,
            "min_vae_steps": 1,
            "mixture_fits": 2,
        }
    }

    parts: Tensor
    sizes: Tensor
    assigned: Tensor
    alpha: Tensor
    alphas: Tensor
    moved: Tensor
    kept: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        k, n, t = config.n_clusters, data.n, config.meta_iterations
        # VAE j trains on the points parts[j, : sizes[j]], if it is active
        self.register_buffer("parts", torch.zeros(k, n, dtype=torch.int32))
        self.register_buffer("sizes", torch.full((k,), n))
        self.register_buffer("assigned", torch.full((n,), -1))
        self.register_buffer("alpha", torch.full((k,), 1 / k))
        # history of the competition: mixing weights, share of the points that moved, number of VAEs that kept
        # their part
        self.register_buffer("alphas", torch.zeros(t, k))
        self.register_buffer("moved", torch.zeros(t))
        self.register_buffer("kept", torch.zeros(t, dtype=torch.int64))

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        n, b = len(x), min(c.batch_size, len(x))
        part = n if c.pretrain_on == "all" else n // c.n_clusters

        def steps(epochs: float, points: int, at_least: int = 1) -> int:
            return max(at_least, round(epochs * points / b))

        def vae_step(_: Tensor) -> dict[str, Tensor]:
            return self.vae_step(self.draw_batches(x))

        yield Action("share out", lambda: self.share_out(part))
        yield Stage("pretrain", vae_step, steps(c.pretrain_epochs, part, c.min_pretrain_steps), b)
        if c.start == "mixture":
            yield Action("mixture", lambda: self.start_from_mixture(x))
        for t in range(c.meta_iterations):
            yield Stage("vaes", vae_step, steps(c.vae_epochs, n // c.n_clusters, c.min_vae_steps), b)
            if c.density == "discriminator":
                if c.reset_discriminators and t > 0:
                    yield Action("reset", self.reset_discriminators)
                yield Stage("discriminators", self.discriminator_step, steps(c.discriminator_epochs, n), b)
            yield Action("reassign", partial(self.reassign, x, t))

    def share_out(self, size: int) -> None:
        """Give every VAE all points, or a bag of `size` points drawn with replacement."""
        k, n = self.parts.shape
        everything = torch.arange(n, device=self.parts.device).expand(k, n)
        self.parts[:, :size] = everything if size == n else torch.randint_like(everything[:, :size], n)
        self.sizes.fill_(size)

    def draw_batches(self, x: Tensor) -> Tensor:
        """(K, B, D) random points, drawn with replacement, of the K parts of all stored points x."""
        u = torch.rand(len(self.parts), min(self.config.batch_size, len(x)), device=x.device)
        last = self.sizes[:, None] - 1
        places = (u * self.sizes[:, None]).long().minimum(last)  # u * size may be rounded up to size
        return as_float(x[self.parts.gather(1, places).long()]).flatten(2)

    @torch.no_grad()
    def start_from_mixture(self, x: Tensor) -> None:
        """First parts: clusters of a Gaussian mixture on the J principal components of the means m of all K
        VAEs.

        Every pre-trained VAE is a view of its own of the points; what they share is in the first components.
        """
        c = self.config
        self.eval()
        codes = self.map_batches(
            lambda part: self.encode(self.stack(part))[0].transpose(0, 1).flatten(1), x
        ).double()
        codes = codes - codes.mean(dim=0)
        axes = torch.linalg.eigh(codes.T @ codes / len(codes))[1][:, -c.latent :]
        projected = codes @ axes
        mixture = fit_mixture(projected, c.n_clusters, c.mixture_fits, "information", MIXTURE_POINTS)
        self.take_parts(mixture.log_joint(projected).argmax(dim=1))

    def reassign(self, x: Tensor, t: int) -> None:
        """Give every point of x to the VAE that explains it best: new parts and mixing weights."""
        owner = self.map_batches(self.log_density, x).argmax(dim=1)
        self.moved[t] = (owner != self.assigned).float().mean()
        self.kept[t] = self.take_parts(owner)
        self.alphas[t] = self.alpha

    def take_parts(self, owner: Tensor) -> int:
        """New parts and mixing weights from the VAE (N,) that every point belongs to; how many VAEs keep
        their old part.
        """
        k, n = self.parts.shape
        counts = torch.bincount(owner, minlength=k)
        self.alpha.copy_(counts / n)
        self.assigned.copy_(owner)
        balanced, kept = self.config.min_share > 0, 0
        for j, count in enumerate(counts.tolist()):
            if count > 0 and count >= self.config.min_share * n / k:
                self.parts[j, :count] = (owner == j).nonzero()[:, 0]
                self.sizes[j], self.active[j] = count, 1
            else:  # keeps its previous part; trains on it only if the load is balanced
                kept += 1
                self.active[j] = float(balanced)
        return kept

    def log_density(self, x: Tensor) -> Tensor:
        """(B, K) estimate of log P_gj(x), up to a constant per point, that decides about x (B, *shape)."""
        competed = self.config.meta_iterations > 0 and self.config.density == "discriminator"
        return self.log_ratio(x) if competed else self.elbo(x)

    def log_assign(self, x: Tensor) -> Tensor:
        """As in the training: the mixing weights play no part."""
        return self.log_density(x).log_softmax(dim=1)

    def assignments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """The rule of the training, and the ELBOs."""
        elbo = lambda x: self.map_batches(lambda part: self.elbo(part).log_softmax(dim=1), x)  # noqa: E731
        return {"default": lambda x: self.map_batches(self.log_assign, x), "elbo": elbo}

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) mean of q_j(z | x), j being the VAE that x is assigned to."""
        return of_owner(self.encode(self.stack(x))[0], self.log_assign(x).argmax(dim=1))

    def reconstruct(self, x: Tensor) -> Tensor:
        """By the VAE that x is assigned to."""
        means = self.decode(self.encode(self.stack(x))[0])
        return of_owner(means, self.log_assign(x).argmax(dim=1)).view(-1, *self.data.shape)

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Decoder means at z ~ N(0, I), of VAE `cluster`, or of VAE j with probability alpha_j."""
        if cluster is None:
            j = torch.multinomial(self.alpha, n, replacement=True)
        else:
            j = torch.full((n,), cluster, device=self.alpha.device)
        z = torch.randn(n, self.config.latent, device=j.device)
        batches = zip(z.split(500), j.split(500), strict=True)  # every VAE decodes every z, so in pieces
        return torch.cat([of_owner(self.decode(self.stack(part)), owner) for part, owner in batches]).view(
            n, *self.data.shape
        )

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """Mixing weights, course of the competition, and for points in the plane their likelihood given
        samples.
        """
        found = {
            "mixing_weights": self.alpha.tolist(),
            "moved_per_round": self.moved.tolist(),
            # I(x; j) in nats, log K at most
            "information": information(self.map_batches(self.log_assign, x).exp()).item(),
            # how often a VAE had no points, or with min_share > 0 too few
            "parts_kept": int(self.kept.sum()),
        }
        if self.data.shape != (2,):
            return found
        return found | kde_measurements(x.cpu().numpy(), self.sample(KERNELS).cpu().numpy())

    def draw(self, x: Tensor) -> dict[str, Figure]:
        """competition.png, shares of the VAEs over the rounds; for points in the plane modes.png, parts and
        samples.
        """
        figures = {}
        if len(self.moved):
            figures["competition"] = figure = Figure(figsize=(4, 2.4), layout="constrained")
            axes = figure.subplots()
            rounds = range(1, len(self.moved) + 1)
            axes.stackplot(
                rounds, self.alphas.T.cpu().numpy(), colors=[f"C{j % 10}" for j in range(len(self.alpha))]
            )
            axes.plot(rounds, self.moved.cpu().numpy(), "k", label="points that moved")
            axes.set(xlabel="round", ylabel="share of the points", ylim=(0, 1))
            axes.legend()
        if self.data.shape == (2,):
            figures["modes"] = figure = Figure(figsize=(6.4, 3.2), layout="constrained")
            left, right = figure.subplots(1, 2, sharex=True, sharey=True)
            points = x[:: max(1, len(x) // 5000)]
            owners, sizes = self.log_assign(points).argmax(dim=1).tolist(), (1000 * self.alpha).int().tolist()
            left.scatter(*points.T.cpu().numpy(), s=1, c=[f"C{j % 10}" for j in owners])
            for j, size in enumerate(sizes):
                right.scatter(*self.sample(size, cluster=j).T.cpu().numpy(), s=1, c=f"C{j % 10}")
            left.set(title="points, by assignment")
            right.set(title="samples, by VAE")
        return figures
