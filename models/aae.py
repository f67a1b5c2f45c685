"""AAE: the adversarial autoencoder's unsupervised clustering (Makhzani, Shlens, Jaitly, Goodfellow and Frey,
2015).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.api import ClusteringModel, DataSpec, ModelConfig, Stage

from ._adversarial import critic_loss, generator_loss, update
from ._budget import training_steps
from ._mixture import information
from ._networks import decoder_mean, mlp, reconstruction_nll


class AAE(ClusteringModel):
    """An autoencoder whose code is a cluster and a style, each pushed to its prior by an adversary.

        p(y) = Cat(1/K), a one-hot   p(z) = N(0, I)   p(x | y, z) = Bernoulli (images) or Gaussian (vectors)
        encoder: q(y | x) = softmax(a(x)), given to the decoder as it is, not drawn; z = s(x)

    Each step has the paper's two phases:
        reconstruction   encoder and decoder: -log p(x | softmax(a(x)), s(x))
        regularisation   D_y tells one-hots from softmax(a(x)), D_z draws of N(0, I) from s(x); then the
                         encoder is updated to be taken for the priors: -log sigmoid D_y - log sigmoid D_z

    D_y leaves the encoder no soft codes and, on average, every cluster equally often; D_z leaves the style no
    room for the cluster. This is section 6 of the paper, without labels.

    The code was never released, and the paper was not at hand. From memory: two hidden layers of 1000 ReLUs
    in every network, a style of 5 dimensions, normal noise on the encoder's input, SGD with momentum at 0.01
    (reconstruction) and 0.1 (adversaries), K = 16 and 30. Deviations that we know of:
    - Adam instead of SGD, one for each phase and network, as for all of the suite's GANs.
    - The reconstruction is a likelihood, cross-entropy for images, where the paper has a squared error; it is
      divided by the number of a point's values.
    - K is the number of classes unless set.

    The budgets below the paper's blur what D_y sees, one-hots and codes alike, with normal noise ("instance
    noise": Sønderby et al., ICLR 2017; Arjovsky and Bottou, ICLR 2017). Without it D_y tells one-hots from
    codes at once, and nothing draws the encoder towards a cluster that it has left: half of them died.
    """

    name = "aae"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int = 5  # J, dimension of the style z
        hidden: tuple[int, ...] = (1000, 1000)  # widths of encoder, decoder and adversaries
        batch_norm: bool = True  # after the encoder's hidden layers
        noise: float = 0.3  # standard deviation of what is added to the encoder's input in training
        instance_noise: float = 0.0  # the same, of the inputs of D_y
        batch_size: int = 100  # points per step
        epochs: int = 1500  # passes over the data
        min_steps: int = 0  # at least, however few points there are
        lr: float = 1e-3  # of the reconstruction's Adam
        critic_lr: float = 1e-3  # of the adversaries'
        encoder_lr: float = 1e-3  # of the encoder's, against the adversaries
        beta1: float = 0.5  # of the adversarial Adams

        def __post_init__(self) -> None:
            noise = min(self.noise, self.instance_noise)
            if min(self.latent, *self.hidden) < 1 or self.batch_size < 2 or noise < 0:
                raise ValueError(
                    "latent and hidden must be at least 1, batch_size at least 2, noise and instance_noise"
                    " at least 0"
                )

    presets = {"mnist": {}, "fashion_mnist": {}, "digits": {}}
    _blurred = {"instance_noise": 0.3}
    hour = {
        "digits": _blurred,
        "image": {**_blurred, "epochs": 40, "min_steps": 6000},
        "vector": {**_blurred, "epochs": 150},
    }
    quick = {
        "digits": {**_blurred, "hidden": (256, 256), "epochs": 250},
        "image": {**_blurred, "hidden": (400, 400), "epochs": 16, "min_steps": 4000},
        "vector": {**_blurred, "hidden": (256, 256), "epochs": 60, "min_steps": 4000},
    }
    smoke = {"*": {"hidden": (32,), "epochs": 2, "min_steps": 0, "batch_size": 50}}

    def __init__(self, data: DataSpec, config: Config):
        super().__init__(data, config)
        c, k = config, config.n_clusters
        self.bounded = data.value_range is not None
        self.encoder = _encoder((data.dim, *c.hidden, k + c.latent), c.batch_norm)
        self.decoder = mlp((k + c.latent, *c.hidden[::-1], data.dim))
        self.cluster_critic, self.style_critic = mlp((k, *c.hidden, 1)), mlp((c.latent, *c.hidden, 1))
        autoencoder = [*self.encoder.parameters(), *self.decoder.parameters()]
        critics = [*self.cluster_critic.parameters(), *self.style_critic.parameters()]
        betas = (c.beta1, 0.999)
        self.optimizer = torch.optim.Adam(autoencoder, lr=c.lr, fused=True)
        self.critic_optimizer = torch.optim.Adam(critics, lr=c.critic_lr, betas=betas, fused=True)
        self.encoder_optimizer = torch.optim.Adam(
            self.encoder.parameters(), lr=c.encoder_lr, betas=betas, fused=True
        )

    def stages(self, x: Tensor) -> Iterator[Stage]:
        c = self.config
        steps = training_steps(len(x), c.batch_size, c.epochs, c.min_steps)
        yield Stage("train", self.step, steps, c.batch_size)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """The reconstruction phase, then the adversaries and the encoder of the regularisation phase."""
        noisy = x + self.config.noise * torch.randn_like(x)
        y, z = self.encode(noisy)
        reconstruction = self.reconstruction_loss(x, y.softmax(dim=1), z)
        update(reconstruction, self.optimizer)

        y, z = self.encode(noisy)
        critic = self.critics_loss(y.softmax(dim=1).detach(), z.detach())
        update(critic, self.critic_optimizer)
        encoder = self.encoder_loss(y.softmax(dim=1), z)
        update(encoder, self.encoder_optimizer)
        return {"reconstruction": reconstruction, "critic": critic, "encoder": encoder}

    def reconstruction_loss(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Mean of -log p(x | y, z) per value of a point, y (B, K) and z (B, J)."""
        output = self.decoder(torch.cat([y, z], dim=1))
        return reconstruction_nll(output, x.flatten(1), self.bounded).mean() / self.data.dim

    def critics_loss(self, y: Tensor, z: Tensor) -> Tensor:
        """Cross-entropies of D_y and D_z, which tell draws of the priors from codes y (B, K) and z (B, J)."""
        clusters, styles = self.draw_prior(len(y))
        return critic_loss(
            self.judge_clusters(clusters), self.judge_clusters(y), "nonsaturating"
        ) + critic_loss(self.style_critic(styles), self.style_critic(z), "nonsaturating")

    def encoder_loss(self, y: Tensor, z: Tensor) -> Tensor:
        """-log sigmoid D_y(y) - log sigmoid D_z(z), means over the batch."""
        return generator_loss(self.judge_clusters(y), "nonsaturating") + generator_loss(
            self.style_critic(z), "nonsaturating"
        )

    def judge_clusters(self, y: Tensor) -> Tensor:
        """(B, 1) D_y of one-hots or codes y (B, K), blurred by the instance noise."""
        return self.cluster_critic(y + self.config.instance_noise * torch.randn_like(y))

    def draw_prior(self, n: int, cluster: int | None = None) -> tuple[Tensor, Tensor]:
        """One-hots (n, K), of one cluster or of all, and styles (n, J)."""
        k, device = self.config.n_clusters, self.device
        if cluster is None:
            y = torch.randint(k, (n,), device=device)
        else:
            y = torch.full((n,), cluster, device=device)
        return F.one_hot(y, k).float(), torch.randn(n, self.config.latent, device=device)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of q(y | x) (B, K) and the style (B, J)."""
        y, z = self.encoder(x.flatten(1)).split([self.config.n_clusters, self.config.latent], dim=1)
        return y, z

    def log_assign(self, x: Tensor) -> Tensor:
        """log q(y | x)."""
        return self.encode(x)[0].log_softmax(dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """(B, K + J) q(y | x) and the style, what the decoder sees."""
        y, z = self.encode(x)
        return torch.cat([y.softmax(dim=1), z], dim=1)

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Decoder means at draws of the priors."""
        output = self.decoder(torch.cat(self.draw_prior(n, cluster), dim=1))
        return decoder_mean(output, self.bounded).view(n, *self.data.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return decoder_mean(self.decoder(self.embed(x)), self.bounded).view(-1, *self.data.shape)

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """information: I(x; y) in nats, log K at most. style_variance: mean over the dimensions, 1 in the
        prior.
        """
        z = self.map_batches(lambda part: self.encode(part)[1], x)
        return {
            "information": information(self.map_batches(self.log_assign, x).exp()).item(),
            "style_variance": z.var(dim=0).mean().item(),
        }


def _encoder(sizes: tuple[int, ...], batch_norm: bool) -> nn.Sequential:
    """`mlp`, with batch normalisation before each ReLU if asked for."""
    layers: list[nn.Module] = []
    for layer in mlp(sizes):
        if isinstance(layer, nn.ReLU) and batch_norm:
            layers.append(nn.BatchNorm1d(layers[-1].out_features))  # type: ignore[arg-type]
        layers.append(layer)
    return nn.Sequential(*layers)
