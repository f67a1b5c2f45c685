"""VMM: VampPrior Mixture Model (Stirn and Knowles, 2024): a VAE that finds the number of its clusters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from scipy.special import multigammaln
from torch import Tensor, nn

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, as_float

from ._budget import training_steps
from ._mixture import information
from ._networks import mlp

RECIPE = {"pretrain": 0.33, "lr": 1e-3, "prior_lr": 1e-3, "start_s": 0.1}  # of the smaller budgets
DIAGONAL = 1e-5  # added to the diagonals of triangular factors, as released
LOG_2PI = math.log(2 * math.pi)


class VMM(ClusteringModel):
    """A VAE whose prior is a mixture of Gaussians at the codes of pseudo-inputs u_k, of more than are needed.

        p(x | z) = N(g(z), s^2 I)   q(z | x) = N(m(x), S(x)), S full
        p(z) = sum_k pi_k N(z; m(u_k), P_k^-1 + S(u_k))

    Each step does two things in turn. The networks take a step on the ELBO, the prior held. Then, the
    networks held, pseudo-inputs, precisions P, weights pi and concentration alpha take a step towards the
    maximum of their posterior, with one sample z per point and its responsibilities q(k | z):

        1/B [ sum_i sum_k q(k | z_i) (E log N(z_i; mu_k, P_k^-1) + log pi_k) + log p(alpha, pi) + sum_k
              E log p(mu_k) + log p(P_k) ],  expectations over mu_k ~ q(z | u_k)

        alpha ~ Gamma(1, 1)   pi | alpha ~ Dirichlet(1 / (components alpha), ...)   mu_k ~ N(0, I)
        P_k ~ Wishart(J + 2, components^(2 / J) / (J + 2) I)

    The Dirichlet has most of its mass where few weights are large, and so empties components that are not
    needed. When training ends, the clusters are the components that are the most probable one of some point;
    `n_clusters` of the config is not used.

    Deviations from the released code:
    - Images are in [0, 1], there in [-1, 1]: `start_s` of images is half the source's 1, which is the same s.
    - No end by the validation labels' NMI and no batch size chosen by it: a fixed number of steps.
    - Points are assigned at the mean of q(z | x), not at a sample.

    What the quick and hour budgets change besides sizes and lengths:
    - Learning rates are ten times the source's, and `start_s` is 0.1. At s = 1 images weigh little beside
      the KL divergence, which these rates bring to 0 before s has been learnt; it stays there.
    - `pretrain`: the networks learn as a VAE's first. The codes of untrained ones all lie in one place, where
      components merge that the data would keep apart.
    """

    name = "vmm"
    on_host = ("log_assign", "sample")  # they read from the device how many clusters there are

    @dataclass(frozen=True)
    class Config(ModelConfig):
        components: int = 100  # of the mixture when training begins: the most clusters that can be found
        latent: int = 10  # J, dimension of z
        hidden: tuple[int, ...] = (500, 500, 2000)  # widths of the encoder; the decoder mirrors them
        batch_size: int = 256  # points per step
        epochs: int = 1000  # passes over the data
        min_steps: int = 0  # at least, however few points there are
        pretrain: float = 0.0  # share of the steps in which the prior is N(0, I), before the mixture
        lr: float = 1e-4  # of the networks' Adam
        prior_lr: float = 1e-4  # of the prior's Adam
        start_s: float = 1.0  # s of p(x | z) at first; it is learnt

        def __post_init__(self) -> None:
            if min(self.components, self.latent, self.batch_size, *self.hidden) < 1:
                raise ValueError("components, latent, batch_size and hidden must be at least 1")
            if self.start_s <= 0 or not 0 <= self.pretrain < 1:
                raise ValueError(
                    f"start_s is {self.start_s} and pretrain {self.pretrain}, expected a positive number, and"
                    " a share from 0 to below 1"
                )

        def check(self, data: DataSpec) -> None:
            if self.components > data.n:
                raise ValueError(f"components is {self.components}, expected at most the {data.n} points")

    presets = {"image": {"start_s": 0.5}}  # the source's s in units of [0, 1]
    hour = {"*": {**RECIPE, "epochs": 120, "min_steps": 10_000}}
    quick = {
        "digits": {"hidden": (256, 256, 512), "epochs": 170, "min_steps": 0, "batch_size": 128},
        "*": {"hidden": (256, 256, 512), "epochs": 24, "min_steps": 3000},
    }
    smoke = {"*": {"hidden": (32,), "components": 5, "epochs": 2, "min_steps": 0, "batch_size": 50}}

    used: Tensor
    rows: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        j, k = config.latent, config.components
        sizes = (data.dim, *config.hidden)
        self.encoder = mlp((*sizes, j + j * (j + 1) // 2))
        self.decoder = mlp((j, *sizes[::-1]))
        self.raw_s = nn.Parameter(torch.tensor(math.log(math.expm1(config.start_s))))  # s = softplus
        self.u = nn.Parameter(torch.zeros(k, data.dim))
        self.raw_precision = nn.Parameter(torch.zeros(k, j * (j + 1) // 2))
        self.pi_logits = nn.Parameter(torch.zeros(k))
        self.raw_alpha = nn.Parameter(torch.tensor(math.log(math.e - 1)))  # alpha = softplus, 1 at first
        self.register_buffer("used", torch.tensor(k))  # clusters found, the first so many components
        self.register_buffer("rows", torch.tril_indices(j, j), persistent=False)
        on_diagonal = self.rows[0] == self.rows[1]
        self.raw_precision.data[:, on_diagonal] = math.log(math.exp(1 - DIAGONAL) - 1)  # P = I at first
        self.networks = [*self.encoder.parameters(), *self.decoder.parameters(), self.raw_s]
        self.prior = [self.u, self.raw_precision, self.pi_logits, self.raw_alpha]
        self.optimizer = torch.optim.Adam(self.networks, lr=config.lr, fused=True)
        self.prior_optimizer = torch.optim.Adam(self.prior, lr=config.prior_lr, fused=True)

    @property
    def n_clusters(self) -> int:
        return int(self.used)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        steps = training_steps(len(x), c.batch_size, c.epochs, c.min_steps)
        pretrain = round(c.pretrain * steps)
        if pretrain:
            yield Stage("pretrain", self.pretrain_step, pretrain, c.batch_size)
        yield Action("pseudo_inputs", lambda: self.start_at_points(x))
        yield Stage("train", self.step, steps - pretrain, c.batch_size)
        yield Action("clusters", lambda: self.keep_used(x))

    @torch.no_grad()
    def start_at_points(self, x: Tensor) -> None:
        """Set the pseudo-inputs to random points."""
        chosen = torch.randperm(len(x))[: self.config.components].to(x.device)
        self.u.copy_(as_float(x[chosen]).flatten(1))

    @torch.no_grad()
    def keep_used(self, x: Tensor) -> None:
        """Number the components that have points first; the others are clusters no more."""
        sizes = torch.bincount(self.assign(x).argmax(dim=1), minlength=self.config.components)
        order = sizes.argsort(descending=True, stable=True)
        for parameter in (self.u, self.raw_precision, self.pi_logits):
            parameter.copy_(parameter[order])
        self.used.copy_((sizes > 0).sum())

    def pretrain_step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of the networks on the ELBO of a VAE, whose prior is N(0, I)."""
        m, t, z = self.sampled_posterior(x)
        return self.network_step(x, z, -(entropy(t) + log_standard_normal(m, t)).mean())

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of the networks on the ELBO, then one of the prior."""
        _, t, z = self.sampled_posterior(x)
        losses = self.network_step(x, z, -(entropy(t) + self.log_prior(z)).mean())
        return {**losses, "prior": self.prior_step(x)}

    def network_step(self, x: Tensor, z: Tensor, kl: Tensor) -> dict[str, Tensor]:
        """One step on -log p(x | z), mean over the batch, and the KL divergence."""
        reconstruction = gaussian_nll(x.flatten(1), self.decoder(z), F.softplus(self.raw_s)).mean()
        self.optimizer.zero_grad()
        (reconstruction + kl).backward()
        self.optimizer.step()
        return {"nelbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def prior_step(self, x: Tensor) -> Tensor:
        """One step of the prior; the negative log-posterior per point that it descends."""
        with torch.no_grad():
            _, _, z = self.sampled_posterior(x)
        m_u, t_u = self.posterior(self.u)
        factor, log_pi = self.triangle(self.raw_precision), self.pi_logits.log_softmax(0)
        joint = expected_log_normal(z, m_u, t_u, factor) + log_pi
        likelihood = (joint.softmax(dim=1) * joint).sum()
        alpha = F.softplus(self.raw_alpha)
        prior = log_dirichlet(log_pi, alpha) - alpha + log_standard_normal(m_u, t_u).sum()
        negative = -(likelihood + prior + log_wishart(factor).sum()) / len(x)
        self.prior_optimizer.zero_grad()
        negative.backward()
        self.prior_optimizer.step()
        return negative

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, J) mean and (B, J, J) lower triangular factor of the covariance of q(z | x)."""
        m, raw = self.encoder(x.flatten(1)).split([self.config.latent, len(self.rows[0])], dim=1)
        return m, self.triangle(raw)

    def sampled_posterior(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and factor of q(z | x) as `posterior`, and a sample (B, J)."""
        m, t = self.posterior(x)
        return m, t, m + (t @ torch.randn_like(m)[:, :, None])[:, :, 0]

    def triangle(self, raw: Tensor) -> Tensor:
        """(B, J, J) lower triangular matrices with positive diagonals of raw (B, J (J + 1) / 2)."""
        j = self.config.latent
        full = raw.new_zeros(len(raw), j, j)
        full[:, self.rows[0], self.rows[1]] = raw
        positive = F.softplus(full.diagonal(dim1=1, dim2=2)) + DIAGONAL
        return full.tril(-1) + torch.diag_embed(positive)

    def log_prior(self, z: Tensor) -> Tensor:
        """(B,) log p(z)."""
        m, lower = self.components()
        return (log_normal(z, m, lower) + self.pi_logits.log_softmax(0)).logsumexp(dim=1)

    def components(self) -> tuple[Tensor, Tensor]:
        """(K, J) means m(u_k), and (K, J, J) lower triangular factors of P_k^-1 + S(u_k)."""
        m, t = self.posterior(self.u)
        factor = self.triangle(self.raw_precision)
        inverse = torch.linalg.solve_triangular(factor, torch.eye(len(m[0]), device=m.device), upper=False)
        covariances = inverse.transpose(1, 2) @ inverse + t @ t.transpose(1, 2)
        return m, torch.linalg.cholesky_ex(covariances).L  # unlike `cholesky`, does not wait for the device

    def log_assign(self, x: Tensor) -> Tensor:
        """log q(k | z) at the mean z of q(z | x), over the clusters that were found."""
        m_u, t_u = self.posterior(self.u)
        joint = expected_log_normal(self.embed(x), m_u, t_u, self.triangle(self.raw_precision))
        return (joint + self.pi_logits)[:, : self.n_clusters].log_softmax(dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """(B, J) mean of q(z | x)."""
        return self.posterior(x)[0]

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Decoder means at z of one component, or of those that are clusters."""
        m, lower = self.components()
        if cluster is None:
            k = torch.multinomial(self.pi_logits[: self.n_clusters].softmax(0), n, replacement=True)
        else:
            k = torch.full((n,), cluster, device=m.device)
        z = m[k] + (lower[k] @ torch.randn_like(m[k])[:, :, None])[:, :, 0]
        return self.decoded(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decoded(self.embed(x))

    def decoded(self, z: Tensor) -> Tensor:
        """(B, *shape) means of p(x | z), within the data's range."""
        means = self.decoder(z).view(-1, *self.data.shape)
        return means if self.data.value_range is None else means.clamp(*self.data.value_range)

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """clusters: found; effective: exp of the entropy of their sizes; alpha: concentration; information:
        I(x; y) in nats.
        """
        q = self.map_batches(self.log_assign, x).exp()
        return {
            "clusters": self.n_clusters,
            "effective": torch.special.entr(q.mean(dim=0)).sum().exp().item(),
            "alpha": F.softplus(self.raw_alpha).item(),
            "information": information(q).item(),
        }


def log_det(lower: Tensor) -> Tensor:
    """(B,) logarithms of the determinants of triangular matrices (B, J, J)."""
    return lower.diagonal(dim1=1, dim2=2).log().sum(dim=1)


def gaussian_nll(x: Tensor, mean: Tensor, s: Tensor) -> Tensor:
    """(B,) -log N(x; mean, s^2 I) of x and mean (B, D)."""
    return (0.5 * ((x - mean) / s).square() + s.log() + 0.5 * LOG_2PI).sum(dim=1)


def entropy(lower: Tensor) -> Tensor:
    """(B,) entropies of Gaussians with covariances T T' of T (B, J, J)."""
    return log_det(lower) + 0.5 * lower.shape[1] * (1 + LOG_2PI)


def log_normal(z: Tensor, mean: Tensor, lower: Tensor) -> Tensor:
    """(B, K) log N(z; mean_k, T_k T_k') of z (B, J), mean (K, J) and T (K, J, J)."""
    whitened = torch.linalg.solve_triangular(lower, (z - mean[:, None]).transpose(1, 2), upper=False)
    squares = whitened.square().sum(dim=1)  # (K, B)
    return (-0.5 * squares - log_det(lower)[:, None] - 0.5 * z.shape[1] * LOG_2PI).T


def expected_log_normal(z: Tensor, mean: Tensor, t: Tensor, factor: Tensor) -> Tensor:
    """(B, K) E log N(z; mu_k, P_k^-1) over mu_k ~ N(mean_k, T_k T_k'), P_k = L_k L_k'.

    Args:
        z: (B, J).
        mean, t, factor: (K, J), T (K, J, J), L (K, J, J).
    """
    squares = ((z - mean[:, None]) @ factor).square().sum(dim=2)  # (K, B) d' P d
    spread = (t.transpose(1, 2) @ factor).square().sum(dim=(1, 2))  # trace of P T T'
    return (log_det(factor) - 0.5 * spread - 0.5 * z.shape[1] * LOG_2PI)[None] - 0.5 * squares.T


def log_standard_normal(mean: Tensor, t: Tensor) -> Tensor:
    """(K,) E log N(mu; 0, I) over mu ~ N(mean_k, T_k T_k') of mean (K, J), T (K, J, J)."""
    return -0.5 * (mean.square().sum(dim=1) + t.square().sum(dim=(1, 2)) + mean.shape[1] * LOG_2PI)


def log_dirichlet(log_pi: Tensor, alpha: Tensor) -> Tensor:
    """Scalar log Dirichlet(pi; 1 / (K alpha), ...) of log pi (K,)."""
    k = len(log_pi)
    a = 1 / (k * alpha)
    return (a - 1) * log_pi.sum() - k * a.lgamma() + (k * a).lgamma()


def log_wishart(factor: Tensor) -> Tensor:
    """(K,) log Wishart(P_k; J + 2, K^(2 / J) / (J + 2) I) of P = L L', L (K, J, J)."""
    k, j = factor.shape[:2]
    df, scale = j + 2, k ** (2 / j) / (j + 2)
    traces = factor.square().sum(dim=(1, 2))
    constant = 0.5 * df * j * math.log(2 * scale) + float(multigammaln(df / 2, j))
    return log_det(factor) * (df - j - 1) - 0.5 * traces / scale - constant
