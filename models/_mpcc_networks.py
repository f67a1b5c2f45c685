"""The networks of MPCC: a generator, a discriminator and an encoder of spectrally normalised residual blocks.

BigGAN's networks (Brock et al., ICLR 2019) for small images. They work at S x S pixels, S = 8, 16, 32, with 4C channels in
every block: the generator doubles a 4 x 4 map up to S; the discriminator halves the image down to M x M (8 x 8 in the paper).
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Delivery = Literal["split", "shared", "embedding"]
Upsampling = Literal["nearest", "bilinear"]


class _Normalise(torch.autograd.Function):
    """matrix / sigma with sigma = u.T matrix v, u and v held constant: W / sigma, its gradient in few operations."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, u: Tensor, update: bool) -> Tensor:
        v = _unit(u @ matrix)
        image = matrix @ v
        sigma = image.norm()
        left = image / sigma
        if update:
            u.copy_(left)
        normalised = matrix / sigma
        ctx.save_for_backward(normalised, left, v, sigma)
        return normalised

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        normalised, u, v, sigma = ctx.saved_tensors
        along = torch.dot(gradient.flatten(), normalised.flatten())
        return torch.addr(gradient, along * u, v, alpha=-1) / sigma, None, None


class _SpectralNorm:
    """Divides `weight`, seen as a matrix with one row per output, by an estimate of its largest singular value.

    Every forward pass in training mode takes one step of power iteration (Miyato et al., ICLR 2018). `u`, the estimate of
    the left singular vector, is a buffer; gradients flow through the weight alone, not through the iteration.
    """

    weight: Tensor
    u: Tensor
    training: bool
    register_buffer: Callable[[str, Tensor], None]

    def start_power_iteration(self) -> None:
        nn.init.normal_(self.weight, std=0.02)
        self.register_buffer("u", torch.randn(len(self.weight)))

    def normalised_weight(self) -> Tensor:
        return _Normalise.apply(self.weight.flatten(1), self.u, self.training).view_as(self.weight)


class SNConv2d(nn.Conv2d, _SpectralNorm):
    """Convolution that keeps the size of its input."""

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int = 3):
        super().__init__(channels_in, channels_out, kernel_size, padding=kernel_size // 2)
        self.start_power_iteration()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)


class SNLinear(nn.Linear, _SpectralNorm):
    def __init__(self, features_in: int, features_out: int, bias: bool = True):
        super().__init__(features_in, features_out, bias)
        self.start_power_iteration()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)


class BatchNorm(nn.Module):
    """Batch normalisation without gain and bias. Attributes: momentum, of the running statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.momentum = 0.1
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, h: Tensor) -> Tensor:
        return F.batch_norm(h, self.running_mean, self.running_var, training=self.training, momentum=self.momentum)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are functions of the condition: out * (1 + gain(u)) + bias(u).

    Args:
        to_channels: makes the two functions, each from the condition to (B, channels).
    """

    def __init__(self, channels: int, to_channels: Callable[[], nn.Module]):
        super().__init__()
        self.norm, self.gain, self.bias = BatchNorm(channels), to_channels(), to_channels()

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        gain, bias = 1 + self.gain(condition), self.bias(condition)  # (B, channels)
        return torch.addcmul(bias[:, :, None, None], self.norm(h), gain[:, :, None, None])


class GeneratorBlock(nn.Module):
    """Doubles the size of h (B, channels, H, W)."""

    def __init__(self, channels: int, to_channels: Callable[[], nn.Module], upsampling: Upsampling):
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode=upsampling)
        self.norm1, self.conv1 = ConditionalBatchNorm(channels, to_channels), SNConv2d(channels, channels)
        self.norm2, self.conv2 = ConditionalBatchNorm(channels, to_channels), SNConv2d(channels, channels)
        self.shortcut = SNConv2d(channels, channels, kernel_size=1)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        residual = self.conv1(self.upsample(self.norm1(h, condition).relu()))
        residual = self.conv2(self.norm2(residual, condition).relu())
        return residual + self.upsample(self.shortcut(h))  # a 1x1 convolution and interpolation commute; this way is cheaper


class DiscriminatorBlock(nn.Module):
    """Residual block (B, channels_in, H, W) -> (B, channels_out, H, W), or H/2 and W/2 if `halve`.

    Args:
        first: x is an image, so that no ReLU goes before the first convolution.
        normalise: spectral norm.
    """

    def __init__(self, channels_in: int, channels_out: int, halve: bool, first: bool = False, normalise: bool = True):
        super().__init__()
        conv = SNConv2d if normalise else _conv2d
        self.halve, self.first = halve, first
        self.conv1, self.conv2 = conv(channels_in, channels_out), conv(channels_out, channels_out)
        self.shortcut = conv(channels_in, channels_out, kernel_size=1) if halve or first else None

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x if self.first else x.relu()).relu())
        if self.halve:  # pooling and a 1x1 convolution commute; this order is cheaper
            residual, x = F.avg_pool2d(residual, 2), F.avg_pool2d(x, 2)
        return residual + (x if self.shortcut is None else self.shortcut(x))


class Generator(nn.Module):
    """x = G(z, y), (B, image_channels, S, S) in [-1, 1].

    Args:
        delivery: how z (B, J) and y (B,) get there.
            "split": z is cut into one chunk for the input and one per block; the chunk of a block and an embedding of y,
                common to all blocks, give gain and bias of the block's batch normalisations.
            "shared": the same, with the whole of z in place of every chunk.
            "embedding": z at the input only; y gives gain and bias, by an embedding of its own for each of them.
    """

    def __init__(
        self,
        size: int,
        image_channels: int,
        width: int,
        latent: int,
        n_clusters: int,
        delivery: Delivery,
        upsampling: Upsampling,
    ):
        super().__init__()
        channels, n_blocks = 4 * width, (size // 4).bit_length() - 1
        self.delivery, self.n_chunks = delivery, n_blocks + 1
        chunk = latent // self.n_chunks if delivery == "split" else latent

        def to_channels() -> nn.Module:
            if delivery == "embedding":
                return _embedding(n_clusters, channels)
            return SNLinear(latent + chunk, channels, bias=False)

        self.embed = None if delivery == "embedding" else _embedding(n_clusters, latent)
        self.linear = SNLinear(chunk, channels * 4 * 4)
        self.blocks = nn.ModuleList(GeneratorBlock(channels, to_channels, upsampling) for _ in range(n_blocks))
        self.norm = BatchNorm(channels)
        self.norm_gain, self.norm_bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.to_image = SNConv2d(channels, image_channels)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        if self.embed is None:
            conditions = [y] * (self.n_chunks - 1)
        else:
            z, *rest = z.chunk(self.n_chunks, dim=1) if self.delivery == "split" else [z] * self.n_chunks
            label = self.embed(y)  # (B, J)
            conditions = [torch.cat([label, part], dim=1) for part in rest]
        h = self.linear(z).view(len(z), -1, 4, 4)
        for block, condition in zip(self.blocks, conditions, strict=True):
            h = block(h, condition)
        h = torch.addcmul(self.norm_bias[:, None, None], self.norm(h), self.norm_gain[:, None, None])
        return self.to_image(h.relu()).tanh()

    @torch.no_grad()
    def set_standing_statistics(self, latents: Iterator[tuple[Tensor, Tensor]]) -> None:
        """Make the batch normalisations' statistics the means over passes on the given batches (z, y), all weights fixed."""
        was_training = self.training
        self.train()
        norms = [module for module in self.modules() if isinstance(module, BatchNorm)]
        before = [norm.momentum for norm in norms]
        for i, (z, y) in enumerate(latents):
            for norm in norms:
                norm.momentum = 1 / (i + 1)  # running mean of all passes; the first one replaces what was there
            self(z, y)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        self.train(was_training)


class Discriminator(nn.Module):
    """D(x), (B,). Attributes: trunk, all blocks but the last; the encoder may share it."""

    def __init__(self, size: int, map_size: int, image_channels: int, width: int):
        super().__init__()
        channels = 4 * width
        self.trunk = discriminator_trunk(size, map_size, image_channels, width)
        self.block = DiscriminatorBlock(channels, channels, halve=False)
        self.linear = SNLinear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.block(self.trunk(x)).relu().sum(dim=(2, 3))).squeeze(1)


class Encoder(nn.Module):
    """m, l = E(x): mean and log-variance of q(z | x), (B, J) each.

    Args:
        trunk: first blocks, (B, image_channels, S, S) -> (B, 4C, M, M); the discriminator's own or like them.
        normalise: spectral norm in all layers after the trunk.
    """

    def __init__(self, trunk: nn.Module, map_size: int, width: int, latent: int, normalise: bool):
        super().__init__()
        channels = 4 * width
        self.trunk = trunk
        blocks = [DiscriminatorBlock(channels, channels, halve, normalise=normalise) for halve in (False, True, True)]
        self.blocks = nn.Sequential(*blocks)
        flat = channels * (map_size // 4) ** 2
        linear = SNLinear if normalise else nn.Linear
        self.mean, self.log_var = (
            nn.Sequential(linear(flat, flat // 2), nn.ReLU(), linear(flat // 2, latent)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.blocks(self.trunk(x)).flatten(1)
        return self.mean(h), self.log_var(h)


def discriminator_trunk(size: int, map_size: int, image_channels: int, width: int, normalise: bool = True) -> nn.Sequential:
    """Blocks that halve (B, image_channels, S, S) down to M x M, and one that does not: (B, 4C, M, M)."""
    n_halvings = (size // map_size).bit_length() - 1
    channels = [image_channels, *[4 * width] * (n_halvings + 1)]
    return nn.Sequential(
        *[
            DiscriminatorBlock(before, after, halve=i < n_halvings, first=i == 0, normalise=normalise)
            for i, (before, after) in enumerate(itertools.pairwise(channels))
        ]
    )


def _conv2d(channels_in: int, channels_out: int, kernel_size: int = 3) -> nn.Conv2d:
    """Convolution that keeps the size of its input, without spectral norm."""
    return nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2)


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.norm().clamp_min(1e-8)


def _embedding(n: int, dim: int) -> nn.Embedding:
    embedding = nn.Embedding(n, dim)
    nn.init.normal_(embedding.weight, std=0.02)
    return embedding
