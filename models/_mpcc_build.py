"""The networks that a config of MPCC asks for, and the way of images into and out of them."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from . import _gan_networks as gan
from . import _mpcc_networks as resnet
from ._mpcc_networks import Discriminator, Encoder

Networks = Literal["resnet", "dcgan", "mlp"]


def build_resnets(config: Any, shape: Sequence[int]) -> tuple[nn.Module, Discriminator, Encoder]:
    """Generator, discriminator and encoder of the paper, for S x S images of shape[0] channels; all with
    spectral norm.
    """
    c, values = config, shape[0]

    def trunk() -> nn.Module:
        return resnet.discriminator_trunk(c.image_size, c.map_size, values, c.width)

    shared = trunk()
    return (
        resnet.Generator(c.image_size, values, c.width, c.latent, c.n_clusters, c.delivery, c.upsampling),
        Discriminator(shared, resnet.DiscriminatorHead(c.width)),
        Encoder(shared if c.share_trunk else trunk(), resnet.EncoderHead(c.map_size, c.width, c.latent)),
    )


def build_small(config: Any, shape: Sequence[int]) -> tuple[nn.Module, Discriminator, Encoder]:
    """The same for images of the data's own shape: DCGAN's, with batch norm in all, or fully connected ones,
    with spectral norm in the discriminator. z enters at the input, y by the generator's batch norm.
    """
    c = config
    channels = c.channels if c.networks == "dcgan" else ()
    trunk, head = (
        gan.trunk(shape, c.hidden, channels, "batch" if channels else "spectral"),
        nn.Linear(c.hidden[-1], 1),
    )
    own = trunk if c.share_trunk else gan.trunk(shape, c.hidden, channels, "batch" if channels else "none")
    layers = gan.generator(
        c.latent, shape, c.hidden, channels, lambda n, kind: resnet.class_norm(c.n_clusters, n, kind)
    )
    return (
        gan.ConditionalSequential(*layers, nn.Tanh()),
        Discriminator(trunk, head if channels else spectral_norm(head)),
        Encoder(own, nn.Linear(c.hidden[-1], 2 * c.latent)),
    )


class Resize(nn.Module):
    """Images (B, C, H, W) in [0, 1] -> (B, C, S_H, S_W) in [-1, 1], bilinearly.

    `back` returns by the pseudo-inverse where images are enlarged, so that it undoes that; else bilinearly as
    well.
    """

    rows: Tensor
    columns: Tensor
    rows_back: Tensor
    columns_back: Tensor

    def __init__(self, pixels: Sequence[int], sizes: Sequence[int]):
        super().__init__()
        for name, n, size in zip(("rows", "columns"), pixels, sizes, strict=True):
            matrix = resizing(n, size)
            self.register_buffer(name, matrix)
            self.register_buffer(
                f"{name}_back", torch.linalg.pinv(matrix) if size >= n else resizing(size, n)
            )

    def forward(self, x: Tensor) -> Tensor:
        return 2 * (self.rows @ x @ self.columns.T) - 1

    def back(self, x: Tensor) -> Tensor:
        """Both matrices leave a uniform image uniform."""
        return ((self.rows_back @ x @ self.columns_back.T + 1) / 2).clamp(0, 1)


def resizing(pixels: int, size: int) -> Tensor:
    """(size, pixels) matrix that resizes a row of values as Pillow's bilinear filter does."""
    square = torch.eye(pixels)[None, None]
    return F.interpolate(square, size=(size, pixels), mode="bilinear", antialias=True)[0, 0]
