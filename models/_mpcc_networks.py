"""The networks of MPCC: a generator, a discriminator and an encoder of spectrally normalised residual blocks.

BigGAN's networks (Brock et al., ICLR 2019) for small images. They work at S x S pixels, S = 8, 16, 32, with
4C channels in
every block: the generator doubles a 4 x 4 map up to S; the discriminator halves the image down to M x M (8 x
    8 in the paper).
"""

import itertools
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ._gan_networks import ConditionalBatchNorm

Delivery = Literal["split", "shared", "embedding"]
Upsampling = Literal["nearest", "bilinear"]


class SNConv2d(nn.Conv2d):
    """Convolution that keeps the size of its input, with spectral norm (Miyato et al., ICLR 2018): one power
    iteration a pass.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int = 3):
        super().__init__(channels_in, channels_out, kernel_size, padding=kernel_size // 2)
        nn.init.normal_(self.weight, std=0.02)
        spectral_norm(self)


class SNLinear(nn.Linear):
    """Linear layer with spectral norm."""

    def __init__(self, features_in: int, features_out: int, bias: bool = True):
        super().__init__(features_in, features_out, bias)
        nn.init.normal_(self.weight, std=0.02)
        spectral_norm(self)


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
        # a 1x1 convolution and interpolation commute; this way is cheaper
        return residual + self.upsample(self.shortcut(h))


class DiscriminatorBlock(nn.Module):
    """Residual block (B, channels_in, H, W) -> (B, channels_out, H, W), or H/2 and W/2 if `halve`.

    Args:
        first: x is an image, so that no ReLU goes before the first convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, halve: bool, first: bool = False):
        super().__init__()
        self.halve, self.first = halve, first
        self.conv1, self.conv2 = SNConv2d(channels_in, channels_out), SNConv2d(channels_out, channels_out)
        self.shortcut = SNConv2d(channels_in, channels_out, kernel_size=1) if halve or first else None

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x if self.first else x.relu()).relu())
        if self.halve:  # pooling and a 1x1 convolution commute; this order is cheaper
            residual, x = F.avg_pool2d(residual, 2), F.avg_pool2d(x, 2)
        return residual + (x if self.shortcut is None else self.shortcut(x))


class Generator(nn.Module):
    """x = G(z, y), (B, image_channels, S, S) in [-1, 1].

    Args:
        delivery: how z (B, J) and y (B,) get there. "split": z is cut into one chunk for the input and one
            per block; the chunk of a block and an embedding of y, common to all blocks, give gain and bias of
            the block's batch normalisations. "shared": the same, with the whole of z in place of every chunk.
            "embedding": z at the input only; y gives gain and bias, by an embedding of its own for each of
            them.
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
                return embedding(n_clusters, channels)
            return SNLinear(latent + chunk, channels, bias=False)

        self.embed = None if delivery == "embedding" else embedding(n_clusters, latent)
        self.linear = SNLinear(chunk, channels * 4 * 4)
        self.blocks = nn.ModuleList(
            GeneratorBlock(channels, to_channels, upsampling) for _ in range(n_blocks)
        )
        self.norm = nn.BatchNorm2d(channels)
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
        return self.to_image(self.norm(h).relu()).tanh()


class Discriminator(nn.Module):
    """D(x), (B,).

    Args:
        trunk: x to features, which the encoder may share.
        head: features to (B, 1).
    """

    def __init__(self, trunk: nn.Module, head: nn.Module):
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x)).squeeze(1)


class Encoder(nn.Module):
    """m, l = E(x): mean and log-variance of q(z | x), (B, J) each.

    Args:
        trunk: x to features; the discriminator's own or like it.
        head: features to (B, 2J).
    """

    def __init__(self, trunk: nn.Module, head: nn.Module):
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        m, l = self.head(self.trunk(x)).chunk(2, dim=1)
        return m, l


class DiscriminatorHead(nn.Module):
    """The last block of the discriminator, summed over the image, and a linear layer: (B, 4C, M, M) -> (B,
    1).
    """

    def __init__(self, width: int):
        super().__init__()
        self.block = DiscriminatorBlock(4 * width, 4 * width, halve=False)
        self.linear = SNLinear(4 * width, 1)

    def forward(self, h: Tensor) -> Tensor:
        return self.linear(self.block(h).relu().sum(dim=(2, 3)))


class EncoderHead(nn.Module):
    """Three blocks, and for mean and log-variance two linear layers each: (B, 4C, M, M) -> (B, 2J)."""

    def __init__(self, map_size: int, width: int, latent: int):
        super().__init__()
        channels = 4 * width
        self.blocks = nn.Sequential(
            *[DiscriminatorBlock(channels, channels, halve) for halve in (False, True, True)]
        )
        flat = channels * (map_size // 4) ** 2
        self.mean, self.log_var = (
            nn.Sequential(SNLinear(flat, flat // 2), nn.ReLU(), SNLinear(flat // 2, latent)) for _ in range(2)
        )

    def forward(self, h: Tensor) -> Tensor:
        h = self.blocks(h).flatten(1)
        return torch.cat([self.mean(h), self.log_var(h)], dim=1)


def discriminator_trunk(size: int, map_size: int, image_channels: int, width: int) -> nn.Sequential:
    """Blocks that halve (B, image_channels, S, S) down to M x M, and one that does not: (B, 4C, M, M)."""
    n_halvings = (size // map_size).bit_length() - 1
    channels = [image_channels, *[4 * width] * (n_halvings + 1)]
    return nn.Sequential(
        *[
            DiscriminatorBlock(before, after, halve=i < n_halvings, first=i == 0)
            for i, (before, after) in enumerate(itertools.pairwise(channels))
        ]
    )


def embedding(n: int, dim: int) -> nn.Embedding:
    """With weights from N(0, 0.02^2), like all of these networks."""
    table = nn.Embedding(n, dim)
    nn.init.normal_(table.weight, std=0.02)
    return table


def class_norm(n_clusters: int, channels: int, norm: type[nn.Module]) -> ConditionalBatchNorm:
    """Batch normalisation with gain and bias of y (B,), by an embedding of its own for each of them."""
    return ConditionalBatchNorm(channels, lambda: embedding(n_clusters, channels), norm)
