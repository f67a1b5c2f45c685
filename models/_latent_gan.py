"""ClusterGAN's networks and training, and those of its variants: a GAN with a partly discrete latent, and its
inverse.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import ClusteringModel, DataSpec

from ._adversarial import critic_loss, generator_loss, gradient_penalty, update
from ._gan_networks import generator, trunk

SIGMA = {"clustergan": 0.1, "infogan": 1.0, "wgan_onehot": 0.1, "wgan_normal": 0.15}  # of z_n, as released


class LatentGAN(ClusteringModel):
    """G, D and, depending on the variant, an encoder: a network of its own or a head on D's trunk.

    Attributes:
        n_free: dimension of the normal part of z: d_n, and K more for the prior without clusters.
    """

    def __init__(self, data: DataSpec, config: Any):
        super().__init__(data, config)
        c, k = config, config.n_clusters
        self.sigma = SIGMA[c.variant] if c.sigma is None else c.sigma
        self.n_free = c.latent + (k if c.variant == "wgan_normal" else 0)
        channels = c.channels if data.kind == "image" else ()
        norm = (lambda features, of_rank: of_rank(features)) if c.batch_norm else None
        end = [] if data.value_range is None else [nn.Sigmoid()]
        self.generator = nn.Sequential(*generator(c.latent + k, data.shape, c.hidden, channels, norm), *end)
        self.critic_trunk = trunk(data.shape, c.hidden, channels, c.critic_norm)
        self.critic_head = nn.Linear(c.hidden[-1], 1)
        critic: list[nn.Module] = [self.critic_trunk, self.critic_head]
        inverse: list[nn.Module] = [self.generator]
        if c.variant == "clustergan":
            self.encoder = nn.Sequential(
                trunk(data.shape, c.hidden, channels, c.critic_norm), nn.Linear(c.hidden[-1], c.latent + k)
            )
            inverse.append(self.encoder)
        elif c.variant == "infogan":
            self.code_head = nn.Linear(c.hidden[-1], k)
            critic.append(self.code_head)
        self.optimizer = _adam(inverse, c.lr, c.beta2)  # of G and E
        self.critic_optimizer = _adam(critic, c.critic_lr, c.beta2)

    @property
    def has_encoder(self) -> bool:
        """Whether there is an E_c, which `categorical` needs."""
        return self.config.variant in ("clustergan", "infogan")

    def code(self, x: Tensor) -> Tensor:
        """(B, d_n + K) E_n(x) and the logits E_c(x); (B, K) the logits alone of InfoGAN's head on the
        trunk.
        """
        if self.config.variant == "clustergan":
            return self.encoder(x)
        return self.code_head(self.critic_trunk(x))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """E_n(x) (B, d_n) and the logits E_c(x) (B, K)."""
        z_n, logits = self.code(x).split([self.config.latent, self.config.n_clusters], dim=1)
        return z_n, logits

    def sample_prior(self, n: int, cluster: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (n, d_n + K) and its clusters (n,), uniform unless given; a normal prior has none, and ignores
        them.
        """
        c, device = self.config, next(self.parameters()).device
        if cluster is None:
            cluster = torch.randint(c.n_clusters, (n,), device=device)
        z_n = self.sigma * torch.randn(n, self.n_free, device=device)
        z_c = F.one_hot(cluster, c.n_clusters).to(z_n.dtype)
        return (z_n if c.variant == "wgan_normal" else torch.cat([z_n, z_c], dim=1)), cluster

    def critic(self, x: Tensor) -> Tensor:
        """(B,) D(x): high on data."""
        return self.critic_head(self.critic_trunk(x)).squeeze(1)

    def judge(self, generated: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """D of generated points and of data (B,); with batch norm each has the statistics of its own kind."""
        if self.config.critic_norm == "batch":
            return self.critic(generated), self.critic(x)
        on_generated, on_data = self.critic(torch.cat([generated, x])).chunk(2)
        return on_generated, on_data

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """Critic updates on the parts of the batch, one for each, then an update of generator and encoder."""
        for part in x.tensor_split(min(self.config.critic_steps, len(x))):
            losses = self.critic_step(part)
        return losses | self.generator_step(len(part))

    def critic_step(self, x: Tensor) -> dict[str, Tensor]:
        c = self.config
        z, cluster = self.sample_prior(len(x))
        with torch.no_grad():
            generated = self.generator(z)
        on_generated, on_data = self.judge(generated, x)
        losses = {"critic": critic_loss(on_data, on_generated, c.loss)}
        if c.loss == "wgan-gp":
            eps = torch.rand(1 if c.penalty_per_batch else len(x), device=x.device)
            losses["penalty"] = c.penalty * gradient_penalty(self.critic, x, generated, eps)
        codes = self.code_losses(generated, z, cluster) if self.config.variant == "infogan" else {}
        update(sum_of(losses | codes), self.critic_optimizer)
        return losses

    def generator_step(self, n: int) -> dict[str, Tensor]:
        z, cluster = self.sample_prior(n)
        x = self.generator(z)
        losses = {
            "generator": generator_loss(self.critic(x), self.config.loss),
            **self.code_losses(x, z, cluster),
        }
        update(sum_of(losses), self.optimizer)
        return losses

    def code_losses(self, x: Tensor, z: Tensor, cluster: Tensor) -> dict[str, Tensor]:
        """Weighted losses of the code of x = G(z); none without an encoder."""
        c = self.config
        if not self.has_encoder:
            return {}
        code = self.code(x)
        losses = {"z_c": c.beta_c * F.cross_entropy(code[:, -c.n_clusters :], cluster)}
        if c.variant == "clustergan":
            losses["z_n"] = c.beta_n * F.mse_loss(code[:, : c.latent], z[:, : c.latent])
        return losses


def sum_of(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def _adam(modules: Sequence[nn.Module], lr: float, beta2: float) -> torch.optim.Adam:
    parameters = [p for module in modules for p in module.parameters()]
    return torch.optim.Adam(parameters, lr=lr, betas=(0.5, beta2), fused=True)
