"""MFCVAE: Multi-Facet Clustering Variational Autoencoders (Falck, Zhang, Willetts, Nicholson, Yau and Holmes,
NeurIPS 2021).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage

from ._budget import training_steps
from ._mixture import Choice, fit_mixture, information
from ._networks import decoder_mean, reconstruction_nll
from ._whitening import whiten
from .vade import mixture_kl, mixture_log_joint

RECIPE = {  # of the smaller budgets
    "pretrain": 0.33,
    "em_restarts": 30,
    "em_choice": "information",
    "em_points": 10_000,
    "fade_in": 1.0,
    "batch_size": 128,
    "lr": 1e-3,
}
GATE = 0.1  # weight of a facet's rung where it joins the decoder, as released; the deepest has weight 1
UNTRAINED_VARIANCE = 0.01  # lambda at first where the mixture is fitted to codes of an untrained encoder


class MFCVAE(ClusteringModel):
    """A VAE with several latents, the facets, each with a Gaussian mixture as prior: several clusterings.

        p(c_j) = Cat(pi_j)   p(z_j | c_j) = N(u_cj, diag lambda_cj), j = 1 .. J, facets independent
        p(x | z_1 .. z_J) = Bernoulli (images) or Gaussian (vectors)
        q(z_j | x) = N(m_j, diag e^l_j)   q(c_j | x) = gamma_j = p(c_j | z_j), z_j ~ q(z_j | x)

    Training maximises the ELBO with one sample of every z_j, for which that q(c_j | x) is the best:

        log p(x | z) - sum_j beta_j KL( q(z_j | x) q(c_j | x) || p(z_j, c_j) )

    Encoder and decoder are a ladder. The encoder's layers h_1 .. h_J lead away from the data, and facets
    branch off them: facet 1 off the deepest, facet J off the first. In the decoder facet 1 is the start, and
    each further one is added, times alpha_j / 10, one layer later. Training switches them on in this order:
    for the steps of facet s, alpha_s and beta_s grow linearly from 0 to 1 and then stay; facets after s have
    0. Facet 1, of the most abstract features and first to explain the data, is what the neutral protocol
    reports, `embed` embeds, and `sample` draws clusters of; the others are further assignment rules. All have
    `n_clusters` clusters.

    Deviations from the released code, which calls the facets J - 1 .. 0:
    - The KL divergence is VaDE's, in closed form given gamma_j, not the logarithm at the sample; no clamp of
      gamma; lambda = exp(log lambda), not a softplus.
    - A facet's mixture is fitted when it is switched on, not all before training, when the encoder is still
      to change; the fit, to codes scaled to unit deviation, has full covariances and gives the means only, as
      released.
    - All facets have equal numbers of clusters and latent dimensions, one layer each, and a variance of 1 in
      Gaussian likelihoods. The convolutional ladder for SVHN and 3DShapes is not here.

    What the quick and hour budgets change besides sizes and lengths, all of it off in the paper's preset:
    - `pretrain`: before the KL divergence of a facet fades in, its z_j is the noiseless code of an
      autoencoder, while the facets before it go on. To these codes the mixture is fitted, now with pi and
      lambda, and the latent is turned and scaled to the axes that suit the clusters best; posteriors start
      narrow. beta_1 fades in too. This is VaDE's recipe, facet by facet.
    - `em_choice`: of many fitted mixtures the one with the highest I(x; c_j) goes on, not the likeliest.
    - `fade_in`: over all of the remaining steps. `min_steps`: small data sets are passed over more often.
    """

    name = "mfcvae"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 5  # dimension of every facet's z_j
        # widths of the encoder's layers; a facet branches off each, the first facet off the last layer
        hidden: tuple[int, ...] = (500, 2000)
        batch_size: int = 512  # points per step
        epochs: int = 201  # passes over the data for each facet
        min_steps: int = 0  # of each facet at least, however few points there are
        pretrain: float = 0.0  # share of a facet's steps in which it is an autoencoder's code
        em_restarts: int = 1  # of the mixture fitted to the codes
        # the fit that goes on: of the highest likelihood, or of the highest I(x; c)
        em_choice: Choice = "likelihood"
        em_points: int = 0  # random codes that a mixture is fitted to; 0: all
        fade_in: float = 0.638  # share of a facet's other steps in which it fades in: 15,000 steps on MNIST
        lr: float = 5e-4  # of Adam

        def __post_init__(self) -> None:
            if min(self.latent, self.batch_size, self.em_restarts, len(self.hidden), *self.hidden) < 1:
                raise ValueError("latent, batch_size, em_restarts and all of hidden must be at least 1")
            if self.em_points < 0 or not 0 <= self.pretrain < 1 or not 0 < self.fade_in <= 1:
                raise ValueError(
                    f"em_points is {self.em_points}, pretrain {self.pretrain} and fade_in {self.fade_in},"
                    " expected at least 0, a share from 0 to below 1, and a share above 0"
                )

    presets = {"mnist": {}}  # the paper has 25 clusters in every facet
    # on MNIST 2 * 31,000 steps of 56 ms
    hour = {"digits": {**RECIPE, "epochs": 400}, "*": {**RECIPE, "epochs": 66, "min_steps": 4500}}
    quick = {
        "digits": {"hidden": (500, 1000), "epochs": 120},
        "*": {"hidden": (256, 512), "epochs": 22, "min_steps": 2000},
    }
    smoke = {
        "*": {
            "latent": 3,
            "hidden": (32, 32),
            "batch_size": 50,
            "epochs": 4,
            "min_steps": 0,
            "em_restarts": 2,
        }
    }

    facets: "Sequence[Facet]"
    alpha: Tensor
    beta: Tensor
    rate: Tensor

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c = config
        self.bounded = data.value_range is not None
        self.encoder = nn.ModuleList(_layers((data.dim, *c.hidden)))
        facets = [Facet(width, c.latent, c.n_clusters) for width in c.hidden[::-1]]
        self.facets = nn.ModuleList(facets)  # type: ignore[assignment]
        self.decoder = nn.ModuleList(_layers((*c.hidden[::-1], c.hidden[0])))
        self.output = nn.Linear(c.hidden[0], data.dim)
        self.register_buffer("alpha", torch.zeros(len(facets)))  # weights of the facets in the decoder
        self.register_buffer("beta", torch.zeros(len(facets)))  # weights of their KL divergences
        self.register_buffer("rate", torch.zeros(len(facets)), persistent=False)  # their growth in a step
        self.optimizer = torch.optim.Adam(self.parameters(), lr=c.lr, fused=True)

    def stages(self, x: Tensor) -> Iterator[Stage | Action]:
        c = self.config
        steps = training_steps(len(x), c.batch_size, c.epochs, c.min_steps)
        pretrain = round(c.pretrain * steps)
        for j in range(len(self.facets)):
            if c.pretrain > 0:
                yield Action(f"switch_on_{j + 1}", partial(self.switch_on, j))
                yield Stage(f"pretrain_{j + 1}", self.step, pretrain, c.batch_size)
            yield Action(f"mixture_{j + 1}", partial(self.fit_mixture, j, x))
            yield Action(f"fade_in_{j + 1}", partial(self.fade_in, j, steps - pretrain))
            yield Stage(f"facet_{j + 1}", self.step, steps - pretrain, c.batch_size)

    def switch_on(self, j: int) -> None:
        """Make facet j the code of an autoencoder: wholly in the decoder, without a KL divergence."""
        self.rate.zero_()
        self.alpha[j] = 1

    @torch.no_grad()
    def fit_mixture(self, j: int, x: Tensor) -> None:
        """Set the mixture of facet j to one fitted by EM to its codes m_j."""
        c, facet = self.config, self.facets[j]
        codes = self.map_batches(lambda part: self.posteriors(part)[j][0], x)
        fit = partial(
            fit_mixture, k=c.n_clusters, restarts=c.em_restarts, choice=c.em_choice, points=c.em_points
        )
        if c.pretrain > 0:
            mixture = whiten(fit(codes), facet.mean, facet.log_var, facet.rung)
            facet.u.copy_(mixture.means)
            facet.pi_logits.copy_(mixture.weights.log())
            facet.log_lambda.copy_(mixture.covariances.diagonal(dim1=1, dim2=2).log())
        else:
            # The fit adds a constant to all variances. Those of an untrained encoder's codes are smaller, and
            # all means would coincide.
            scale = codes.std(dim=0).clamp_min(1e-12)  # no division by 0
            facet.u.copy_(scale.cpu() * fit(codes / scale).means)
            facet.log_lambda.fill_(UNTRAINED_VARIANCE).log_()

    def fade_in(self, j: int, steps: int) -> None:
        """Let the weights of facet j grow from now on; without pre-training the first has them at once."""
        self.rate.zero_()
        self.rate[j] = 1 / (self.config.fade_in * steps)
        if j == 0 and self.config.pretrain == 0:
            self.alpha[j] = self.beta[j] = 1

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """One step on the negative ELBO with the weights alpha and beta, which then grow."""
        reconstruction, kl = self.losses(x)
        loss = reconstruction + (self.beta * kl).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.alpha.add_(self.rate).clamp_(max=1)
        self.beta.add_(self.rate).clamp_(max=1)
        return {"loss": loss, "reconstruction": reconstruction} | {
            f"kl_{j}": value for j, value in enumerate(kl, start=1)
        }

    def losses(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means over the batch of -log p(x | z), and of the KL divergence of every facet, (J,)."""
        z, kl = [], []
        for beta, facet, (m, l) in zip(self.beta, self.facets, self.posteriors(x), strict=True):
            noise = (beta > 0) * torch.randn_like(m)  # none in the code of an autoencoder
            z.append(m + noise * (0.5 * l).exp())
            kl.append(facet.kl(m, l, z[-1]).mean())
        return reconstruction_nll(self.decode(z), x.flatten(1), self.bounded).mean(), torch.stack(kl)

    def posteriors(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Mean and log-variance of q(z_j | x), (B, latent) each, facet by facet."""
        h, features = x.flatten(1), []
        for layer in self.encoder:
            h = layer(h)
            features.append(h)
        return [(f.mean(h), f.log_var(h)) for f, h in zip(self.facets, reversed(features), strict=True)]

    def decode(self, z: Sequence[Tensor]) -> Tensor:
        """(B, D) output of the decoder at one z_j (B, latent) per facet."""
        h = self.alpha[0] * self.facets[0].rung(z[0])
        for j, layer in enumerate(self.decoder):
            if j > 0:
                h = h + GATE * self.alpha[j] * self.facets[j].rung(z[j])
            h = layer(h)
        return self.output(h)

    def assignments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """`log_assign` of every facet, the deepest first: `facet_1`, `facet_2`, ..."""
        rules = [partial(self.log_assign, j=j) for j in range(len(self.facets))]
        return {f"facet_{j}": partial(self.map_batches, rule) for j, rule in enumerate(rules, start=1)}

    def log_assign(self, x: Tensor, j: int = 0) -> Tensor:
        """log p(c_j | z_j) at the mean of q(z_j | x), not a sample; of the first facet unless told."""
        return self.facets[j].log_responsibilities(self.posteriors(x)[j][0])

    def embed(self, x: Tensor) -> Tensor:
        """(B, latent) mean of q(z_1 | x)."""
        return self.posteriors(x)[0][0]

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Decoder means at draws of all priors; `cluster` is one of facet 1."""
        z = [facet.draw(n, cluster if j == 0 else None) for j, facet in enumerate(self.facets)]
        return decoder_mean(self.decode(z), self.bounded).view(n, *self.data.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        output = self.decode([m for m, _ in self.posteriors(x)])
        return decoder_mean(output, self.bounded).view(-1, *self.data.shape)

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """information: I(x; c_j) in nats of every facet, log K at most, 0 if its clusters are merged.
        facets_ari: adjusted Rand index of facets 1 and 2, 1 and 3, ..., 2 and 3, ...; 1 if both say the same.
        """
        q = [rule(x) for rule in self.assignments().values()]
        labels = [log_q.argmax(dim=1).cpu().numpy() for log_q in q]
        return {
            "information": [information(log_q.exp()).item() for log_q in q],
            "facets_ari": [float(adjusted_rand_score(a, b)) for a, b in itertools.combinations(labels, 2)],
        }


class Facet(nn.Module):
    """One latent z_j: heads of q(z_j | x), rung of the decoder, and the mixture p(c_j) p(z_j | c_j)."""

    def __init__(self, width: int, latent: int, k: int):
        super().__init__()
        self.mean, self.log_var = nn.Linear(width, latent), nn.Linear(width, latent)
        (self.rung,) = _layers((latent, width))
        self.pi_logits = nn.Parameter(torch.zeros(k))
        self.u = nn.Parameter(torch.randn(k, latent))
        self.log_lambda = nn.Parameter(torch.zeros(k, latent))

    def log_responsibilities(self, z: Tensor) -> Tensor:
        """(B, K) log gamma_j = log p(c_j | z_j)."""
        return mixture_log_joint(z, self.pi_logits.log_softmax(0), self.u, self.log_lambda).log_softmax(dim=1)

    def kl(self, m: Tensor, l: Tensor, z: Tensor) -> Tensor:
        """(B,) KL( q(z_j | x) q(c_j | x) || p(z_j, c_j) ) with q(c_j | x) at the sample z (B, latent)."""
        log_pi = self.pi_logits.log_softmax(0)
        return mixture_kl(m, l, self.log_responsibilities(z), log_pi, self.u, self.log_lambda)

    def draw(self, n: int, cluster: int | None) -> Tensor:
        """(n, latent) draws of p(z_j | c_j), of one cluster or of all."""
        if cluster is None:
            c = torch.multinomial(self.pi_logits.softmax(0), n, replacement=True)
        else:
            c = torch.full((n,), cluster, device=self.u.device)
        return self.u[c] + (0.5 * self.log_lambda[c]).exp() * torch.randn_like(self.u[c])


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    """A linear layer and a ReLU from each width to the next."""
    return [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(sizes)]
