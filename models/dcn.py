"""DCN: Deep Clustering Network (Yang, Fu, Sidiropoulos and Hong, ICML 2017)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.api import Action, DataSpec, Stage, hard_assignment

from ._budget import training_steps
from ._kmeans_rule import nearest
from ._networks import reconstruction_nll
from .ae_kmeans import AeKMeans


class DCN(AeKMeans):
    """An autoencoder whose codes are pulled to their cluster's centre while k-means follows them.

        min over encoder f, decoder g, centres M, assignments s:
            sum_i [ l(g(f(x_i)), x_i) + lambda / 2 |f(x_i) - M s_i|^2 ]                             equation 4

    After `ae_kmeans`, each step does three things in turn, as algorithm 1: a gradient step of the autoencoder
    with M and s held; s_i = the nearest centre, for the points of the batch; and for each of these points a
    step of its centre towards its code, of length 1 / c_k, where c_k counts the points that the centre has
    seen (equation 8). Those steps together make a running mean, which is what is computed.

    Deviations:
    - The autoencoder is trained end to end, not layer by layer first. l is the cross-entropy of images, not
      the squared error.
    - The decoder's weights are its own; in both released codes they are the encoder's, transposed.
    - No batch normalisation, and codes that may be negative: as in the newer of these codes, not the older.
    - One Adam, that of the autoencoder, instead of SGD with Nesterov momentum.
    - `lam` is that of the older of two released codes, whose script for MNIST weighs squared distance to
      squared error as 20 to 1, with a network of 2000-1000-500-500-250-50. The newer code (DCN-New), whose
      script its README names for MNIST, weighs them as 1 to 1, has this network of 500-500-2000-10, and
      multiplies pixels by 5.1: in units of [0, 1] its reconstruction weighs 26 times the squared error, and
      its codes have another scale.
    - The newer code fits k-means anew, from the present centres, after every 10 epochs. Here the centres only
      follow the minibatches.
    """

    name = "dcn"

    @dataclass(frozen=True)
    class Config(AeKMeans.Config):
        lam: float = 20.0  # lambda, weight of half the squared distance of a code to its centre
        cluster_epochs: int = 50  # of the joint training
        min_cluster_steps: int = 0  # of the joint training at least, however few points there are
        first_count: int = 100  # points that a centre counts as having seen when the joint training begins

        def __post_init__(self) -> None:
            if self.lam < 0 or self.first_count < 1:
                raise ValueError(
                    f"lam is {self.lam} and first_count {self.first_count}, expected at least 0 and 1"
                )

    # The autoencoders are those of ae_kmeans, for the hour budget with time left for clustering.
    presets = AeKMeans.presets
    hour = {"digits": {}, "image": {"epochs": 120, "min_steps": 3000, "min_cluster_steps": 1500}}
    quick = {
        "digits": {**AeKMeans.quick["digits"], "cluster_epochs": 100},
        "image": {**AeKMeans.quick["image"], "cluster_epochs": 8, "min_cluster_steps": 1000},
        "vector": {**AeKMeans.quick["vector"], "cluster_epochs": 10, "min_cluster_steps": 1000},
    }
    smoke = {"*": {**AeKMeans.smoke["*"], "cluster_epochs": 2, "min_cluster_steps": 0}}

    clusters: Tensor
    counts: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        first = torch.full((config.n_clusters,), float(config.first_count))
        self.register_buffer("counts", first, persistent=False)  # c_k
        self.register_buffer("clusters", torch.zeros(data.n, dtype=torch.long), persistent=False)  # s

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        yield from super().stages(x)
        steps = training_steps(len(x), c.batch_size, c.cluster_epochs, c.min_cluster_steps)
        yield Stage("cluster", self.cluster_step, steps, c.batch_size)

    @torch.no_grad()
    def fit_kmeans(self, x: Tensor) -> None:
        super().fit_kmeans(x)
        self.clusters.copy_(self.assign(x).argmax(dim=1))

    def cluster_step(self, x: Tensor, index: Tensor) -> dict[str, Tensor]:
        """One step on the points in these rows: autoencoder, assignments, centres."""
        x = x.flatten(1)
        z = self.encoder(x)
        reconstruction = reconstruction_nll(self.decoder(z), x, self.bounded).mean()
        distance = (z - self.centres[self.clusters[index]]).square().sum(dim=1).mean()
        loss = reconstruction + self.config.lam / 2 * distance
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            z = self.encoder(x)
            clusters = nearest(z, self.centres).argmax(dim=1)
            self.clusters[index] = clusters
            centres, counts = running_means(self.centres, self.counts, z, clusters)
            self.centres.copy_(centres)
            self.counts.copy_(counts)
        return {"loss": loss, "reconstruction": reconstruction, "distance": distance}

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """scatter: mean squared distance of codes to their centres, relative to that to their mean; 1: no
        clusters.
        """
        z = self.map_batches(self.embed, x)
        centres = self.centres[self.assign(x).argmax(dim=1)]
        return {"scatter": ((z - centres).square().sum() / (z - z.mean(dim=0)).square().sum()).item()}


def running_means(centres: Tensor, counts: Tensor, z: Tensor, clusters: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (K, J) and counts (K,) after the points z (B, J) of these clusters (B,), one after the other.

    Each adds 1 to c_k of its cluster and moves m_k by (z - m_k) / c_k, equation 8; n of them make
    (c_k m_k + sum of z) / (c_k + n).
    """
    member = hard_assignment(clusters, len(centres)).exp().to(z)  # (B, K)
    after = counts + member.sum(dim=0)
    return (counts[:, None] * centres + member.T @ z) / after[:, None], after
