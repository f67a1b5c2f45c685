"""DEC: Deep Embedded Clustering (Xie, Girshick and Farhadi, ICML 2016)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.api import Action, DataSpec, Stage

from ._mixture import information
from .ae_kmeans import AeKMeans


class DEC(AeKMeans):
    """An autoencoder's encoder, trained on until its codes form clusters.

        q_ij = (1 + |z_i - mu_j|^2)^-1 / sum_j' (...)      Student's t with one degree of freedom, equation 1
        p_ij = (q_ij^2 / f_j) / sum_j' (...),  f_j = sum_i q_ij                                     equation 3
        L = KL(P || Q) = sum_i sum_j p_ij log p_ij / q_ij                                           equation 2

    The autoencoder and k-means on its codes are `ae_kmeans`; then encoder and centres mu minimise L with the
    target P held, which is computed anew from all points every `target_steps` steps. Training ends when fewer
    than `tolerance` of the points have changed their cluster since the last time. The decoder stays as it is.

    Deviations:
    - The autoencoder is trained end to end with Adam, on the cross-entropy of images, instead of layer by
      layer with dropout and then together, on squared errors.
    - P is computed anew every 140 steps, on USPS and Reuters every 30, as in the independent implementation
      DEC-keras. The paper does not say when; the released code (piiswrong/dec, dec/dec.py) has 160 on MNIST,
      40 on STL and 20 on Reuters, in another of its versions 20 on all.
    - Pixels are in [0, 1]; the released code has 0.02 times 0 to 255, that is [0, 5.1], which makes the codes
      longer against Student's t.
    - `scale`: codes are multiplied such that their mean squared distance to the centres of k-means is this;
      the decoder's first layer is divided alike, so the autoencoder stays what it was. Student's t has a
      length of its own, 1, and an autoencoder's codes have any. Off in the paper's presets.
    """

    name = "dec"

    @dataclass(frozen=True)
    class Config(AeKMeans.Config):
        restarts: int = 20  # of k-means
        scale: float = 0.0  # mean squared distance of codes to the centres of k-means; 0: as it comes
        cluster_steps: int = 20_000  # of clustering at most
        cluster_lr: float = 0.01  # of its SGD with momentum 0.9
        target_steps: int = 140  # after which the target P is computed anew
        tolerance: float = 0.001  # share of points; clustering ends when fewer change their cluster

        def __post_init__(self) -> None:
            if self.target_steps < 1 or not 0 <= self.tolerance <= 1 or self.scale < 0:
                raise ValueError(
                    f"target_steps is {self.target_steps}, tolerance {self.tolerance} and scale {self.scale},"
                    " expected at least 1, a share from 0 to 1, and at least 0"
                )

    # The autoencoders are those of ae_kmeans, for the hour budget with time left for clustering.
    presets = {**AeKMeans.presets, "usps": {"target_steps": 30}, "reuters10k": {"target_steps": 30}}
    hour = {"digits": {"target_steps": 50}, "image": {"epochs": 120, "min_steps": 3000}}
    quick = {
        "digits": {**AeKMeans.quick["digits"], "cluster_steps": 3000},
        "image": {**AeKMeans.quick["image"], "cluster_steps": 6000},
        "vector": {**AeKMeans.quick["vector"], "cluster_steps": 6000},
    }
    smoke = {"*": {**AeKMeans.smoke["*"], "cluster_steps": 6, "target_steps": 3}}

    target: Tensor
    clusters: Tensor
    changed: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        del self.centres  # from here on learnt
        self.centres = nn.Parameter(torch.zeros(config.n_clusters, config.latent))
        self.register_buffer("target", torch.zeros(data.n, config.n_clusters), persistent=False)  # P
        self.register_buffer("clusters", torch.zeros(data.n, dtype=torch.long), persistent=False)
        self.register_buffer("changed", torch.ones(()))  # share of points at the last look
        self.cluster_optimizer = self.optimizer_of([*self.encoder.parameters(), self.centres])

    def optimizer_of(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=self.config.cluster_lr, momentum=0.9, fused=True)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        yield from super().stages(x)
        yield Action("target", lambda: self.has_settled(x))
        yield Stage(
            "cluster",
            self.cluster_step,
            c.cluster_steps,
            c.batch_size,
            until=lambda: self.has_settled(x),
            check_steps=c.target_steps,
        )

    @torch.no_grad()
    def fit_kmeans(self, x: Tensor) -> None:
        """Set the centres to those of k-means on the codes, then rescale codes and centres."""
        super().fit_kmeans(x)
        if self.config.scale > 0:
            squares = self.map_batches(
                lambda part: squared_distances(self.embed(part), self.centres).amin(dim=1), x
            )
            factor = (self.config.scale / squares.mean()).sqrt()
            for values in (*self.encoder[-1].parameters(), self.centres):
                values.mul_(factor)
            next(self.decoder.parameters()).div_(factor)

    @torch.no_grad()
    def has_settled(self, x: Tensor) -> bool:
        """Compute the target P of all points anew; whether hardly any has changed its cluster since the last
        time.
        """
        q = self.map_batches(self.log_assign, x).exp()
        clusters = q.argmax(dim=1)
        self.changed.copy_((clusters != self.clusters).float().mean())
        self.target.copy_(target_distribution(q))
        self.clusters.copy_(clusters)
        return bool(self.changed < self.config.tolerance)

    def cluster_step(self, x: Tensor, index: Tensor) -> dict[str, Tensor]:
        """One step on KL(P || Q) of the points in these rows."""
        kl = kl_divergence(self.target[index], self.log_assign(x)).mean()
        self.cluster_optimizer.zero_grad()
        kl.backward()
        self.cluster_optimizer.step()
        return {"kl": kl}

    def log_assign(self, x: Tensor) -> Tensor:
        """log q(j | x), equation 1."""
        return log_student_t(self.embed(x), self.centres)

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """changed: share of points that changed their cluster before the last look; information: I(x; y) in
        nats.
        """
        q = self.map_batches(self.log_assign, x).exp()
        return {"changed": self.changed.item(), "information": information(q).item()}


def squared_distances(z: Tensor, centres: Tensor) -> Tensor:
    """(B, K) |z_i - mu_j|^2 of z (B, J) and centres (K, J), from differences: nothing cancels."""
    return (z[:, None] - centres).square().sum(dim=2)


def log_student_t(z: Tensor, centres: Tensor) -> Tensor:
    """(B, K) log q_ij: similarity of z (B, J) to centres (K, J) by Student's t, equation 1 with alpha = 1."""
    return (-squared_distances(z, centres).log1p()).log_softmax(dim=1)


def target_distribution(q: Tensor) -> Tensor:
    """(N, K) p_ij of all points' q (N, K): squared, over the clusters' sizes, normalised, equation 3."""
    weight = q.square() / q.sum(dim=0)
    return weight / weight.sum(dim=1, keepdim=True)


def kl_divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """(B,) KL(p_i || q_i) of p and log q, both (B, K), equation 2."""
    return (torch.xlogy(p, p) - p * log_q).sum(dim=1)
