"""VAE-EM: a mixture of VAEs fitted by expectation maximisation ("VAE-EM", arXiv 2501.07358, 2025)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.api import DataSpec, as_float

from .kvaes import KVAEs


class VAEEM(KVAEs):
    """K VAEs that share the training points softly: kVAEs by EM instead of a competition.

        p(x) = 1/K sum_j p_j(x), every log p_j(x) bounded by ELBO_j(x)

    After the pre-training on all points, each of T rounds (`meta_iterations`) is
    1. the M step: every VAE j takes some steps up sum_x r_j(x) ELBO_j(x);
    2. the E step: responsibilities r_j(x) = softmax_j ELBO_j(x) of all training points, z at the mean of q_j.
    At these r the M step's gradient is that of sum_x logsumexp_j ELBO_j(x), which EM ascends.

    Points of the M step are drawn with probabilities proportional to r_j(x): the expected gradient is that of
    the weighted sum, for each VAE over its sum_x r_j(x), and no VAE computes what weighs nothing.

    Samples of no given cluster are drawn with the mean responsibilities as weights, as in `kvaes`; the
    mixture above has 1/K each.

    There is no released code, and of the paper only the summary was read: networks, likelihoods and all it
    leaves open are those of `kvaes`. So is the start from a Gaussian mixture on the codes, here at every
    budget, because VAEs that have learnt the same have equal responsibilities, with which EM stands still. Of
    kVAEs' settings `pretrain_on`, `min_share` and those of discriminators do nothing here.
    """

    name = "vae_em"

    @dataclass(frozen=True)
    class Config(KVAEs.Config):
        density: Literal["elbo"] = "elbo"  # what stands for log p_j(x)
        # first responsibilities: 1/K all, or the clusters of all VAEs' codes
        start: Literal["competition", "mixture"] = "mixture"

    smoke = {"*": {**KVAEs.smoke["*"], "density": "elbo"}}

    cumulative: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        del self.parts, self.sizes, self.discriminator, self.discriminator_optimizer
        # (K, N) running sums over the points of r_j, as shares of their sum; all points alike to begin with
        alike = torch.arange(1, data.n + 1, dtype=torch.float64) / data.n
        self.register_buffer("cumulative", alike.repeat(config.n_clusters, 1), persistent=False)

    def share_out(self, size: int) -> None:
        """Nothing to do: all points are alike for all VAEs."""

    def draw_batches(self, x: Tensor) -> Tensor:
        """(K, B, D) of all stored points x, drawn for VAE j in proportion to r_j(x)."""
        b = min(self.config.batch_size, len(x))
        u = torch.rand(len(self.cumulative), b, dtype=torch.float64, device=x.device)
        # not every u that can be drawn is below a rounded sum, but all are below the last, which is 1
        return as_float(x[torch.searchsorted(self.cumulative, u, right=True)]).flatten(2)

    def take_parts(self, owner: Tensor) -> int:
        """Responsibilities of 1 for the VAE (N,) that every point belongs to."""
        return self.weigh(F.one_hot(owner, self.config.n_clusters))

    @torch.no_grad()
    def reassign(self, x: Tensor, t: int) -> None:
        """The E step of round t."""
        r = self.map_batches(self.log_assign, x).exp()
        self.moved[t] = (r.argmax(dim=1) != self.assigned).float().mean()
        self.kept[t] = self.weigh(r)
        self.alphas[t] = self.alpha

    def weigh(self, r: Tensor) -> int:
        """New weights of the points from their responsibilities (N, K); how many VAEs have less than one
        point.

        Such a VAE gets no gradient until points come back. What its Adam remembers, and batch
        normalisation's running statistics, still move it a little.
        """
        sums = r.T.double().cumsum(dim=1)  # (K, N)
        mass = sums[:, -1]
        enough = mass >= 1
        self.cumulative.copy_(torch.where(enough[:, None], sums / mass[:, None], self.cumulative))
        self.active.copy_(enough)
        self.alpha.copy_(mass / len(r))
        self.assigned.copy_(r.argmax(dim=1))
        return int((~enough).sum())
