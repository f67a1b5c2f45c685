"""K VAEs and K discriminators, each kind as one stack of networks, and a training step of either: what kVAEs
compete with.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import ClusteringModel, DataSpec

from ._networks import decoder_mean, gaussian_kl, reconstruction_nll
from ._stacked import StackedLinear, stacked_conv, stacked_deconv, stacked_mlp


class StackedVAEs(ClusteringModel):
    """VAEs g_j and discriminators D_j, j = 1 ... K, that share no parameter and are computed as one.

    Attributes:
        active: (K,) weights of the VAEs' losses: 1, or 0 for a VAE that is not trained.
    """

    active: Tensor

    def __init__(self, data: DataSpec, config: Any):
        super().__init__(data, config)
        k = config.n_clusters
        self.bounded = data.value_range is not None
        if config.filters:
            self.encoder = stacked_conv(k, data.shape, config.filters, 2 * config.latent, norm=True)
            self.decoder = stacked_deconv(k, config.latent, config.filters, data.shape)
        else:
            self.encoder = stacked_mlp(k, (data.dim, *config.hidden, 2 * config.latent))
            self.decoder = stacked_mlp(k, (config.latent, *config.hidden[::-1], data.dim))
        if config.discriminator_filters:
            self.discriminator = stacked_conv(k, data.shape, config.discriminator_filters, 1, norm=False)
        else:
            self.discriminator = stacked_mlp(k, (data.dim, *config.hidden, 1))
        self.register_buffer("active", torch.ones(k))
        adam = partial(torch.optim.Adam, lr=config.lr, betas=(config.beta1, 0.999), fused=True)
        self.vae_optimizer = adam([*self.encoder.parameters(), *self.decoder.parameters()])
        self.discriminator_optimizer = adam(self.discriminator.parameters())

    def stack(self, x: Tensor) -> Tensor:
        """(K, B, D), the points x (B, *shape) once for each network."""
        return x.flatten(1).expand(self.config.n_clusters, -1, -1)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(K, B, J) mean m and log-variance l of q_j(z | x), of x (K, B, D)."""
        m, l = self.encoder(x).chunk(2, dim=2)
        return m, l

    def decode(self, z: Tensor) -> Tensor:
        """(K, B, D) means of p_j(x | z), of z (K, B, J)."""
        return decoder_mean(self.decoder(z), self.bounded)

    def reconstruction_nll(self, z: Tensor, x: Tensor) -> Tensor:
        """(K, B) -log p_j(x | z), for Gaussians without their constant."""
        return reconstruction_nll(self.decoder(z), x, self.bounded, self.config.decoder_variance)

    def log_ratio(self, x: Tensor) -> Tensor:
        """(B, K) log (1 - D_j(x)) / D_j(x) = minus the logit: log P_gj(x) up to a constant per point."""
        return -self.discriminator(self.stack(x))[..., 0].T

    def elbo(self, x: Tensor) -> Tensor:
        """(B, K) ELBO of each VAE, with z at the mean of q_j(z | x) so that it is not random."""
        x = self.stack(x)
        m, l = self.encode(x)
        return -(self.reconstruction_nll(m, x) + gaussian_kl(m, l)).T

    def vae_step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of the K negative ELBOs, each on its own batch of x (K, B, D)."""
        m, l = self.encode(x)
        z = m + torch.randn_like(m) * (0.5 * l).exp()
        reconstruction, kl = self.reconstruction_nll(z, x), gaussian_kl(m, l)  # (K, B)
        nelbo = (reconstruction + kl).mean(dim=1)  # (K,)
        self.vae_optimizer.zero_grad()
        # the K VAEs share no parameter, so a sum trains each on its own loss
        (self.active * nelbo).sum().backward()
        self.vae_optimizer.step()
        return {"nelbo": nelbo.mean(), "reconstruction": reconstruction.mean(), "kl": kl.mean()}

    def discriminator_step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of the K discriminators: the points x (B, *shape) against B samples of each VAE."""
        self.decoder.eval()  # batch normalisation as in sampling
        b = len(x)
        with torch.no_grad():
            fake = self.decode(torch.randn(self.config.n_clusters, b, self.config.latent, device=x.device))
        logits = self.discriminator(torch.cat([self.stack(x), fake], dim=1))[..., 0]  # (K, 2 B)
        loss = discriminator_loss(logits[:, :b], logits[:, b:])
        self.discriminator_optimizer.zero_grad()
        loss.sum().backward()
        self.discriminator_optimizer.step()
        return {"discriminator": loss.mean()}

    @torch.no_grad()
    def reset_discriminators(self) -> None:
        """New weights and a new Adam."""
        for layer in self.discriminator:
            if isinstance(layer, (StackedLinear, nn.Conv2d)):
                layer.reset_parameters()
        for state in self.discriminator_optimizer.state.values():
            for value in state.values():
                value.zero_()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """(K,) mean of -log D over real points plus mean of -log (1 - D) over samples, from logits (K, B)."""
    return (F.softplus(-real) + F.softplus(fake)).mean(dim=1)


def of_owner(values: Tensor, owner: Tensor) -> Tensor:
    """(B, ...) those of values (K, B, ...) that come from the network `owner` (B,) of each point."""
    return values[owner, torch.arange(len(owner), device=owner.device)]
