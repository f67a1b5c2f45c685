"""Generators, critics and encoders of the image and vector GANs (DCGAN-like convolutions, or fully connected)."""

import itertools
import math
from collections.abc import Sequence

from torch import nn


def generator(
    latent: int, shape: Sequence[int], hidden: Sequence[int], channels: Sequence[int], batch_norm: bool, bounded: bool
) -> nn.Sequential:
    """(B, latent) -> (B, *shape): linear layers, then for images one transposed convolution per channel width.

    Batch norm and ReLU after every layer but the last, leaky ReLU in purely fully connected ones; a sigmoid at the end
    if the data are bounded to [0, 1].
    """
    images = bool(channels)
    layers: list[nn.Module] = []

    def after(features: int, norm: type[nn.Module]) -> list[nn.Module]:
        return [*([norm(features)] if batch_norm else []), nn.ReLU() if images else nn.LeakyReLU(0.2)]

    for before, width in itertools.pairwise((latent, *hidden)):
        layers += [nn.Linear(before, width), *after(width, nn.BatchNorm1d)]
    last = (latent, *hidden)[-1]
    if not images:
        layers += [nn.Linear(last, math.prod(shape)), nn.Unflatten(1, tuple(shape))]
    else:
        sizes = _sizes(shape, len(channels))[::-1]  # from the smallest to the image itself
        layers += [nn.Linear(last, channels[-1] * math.prod(sizes[0])), nn.Unflatten(1, (channels[-1], *sizes[0]))]
        layers += after(channels[-1], nn.BatchNorm2d)
        widths = (shape[0], *channels)[::-1]
        for i, (before, width) in enumerate(itertools.pairwise(widths)):
            odd = tuple(s % 2 for s in sizes[i + 1])
            layers.append(nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, output_padding=odd))  # type: ignore[arg-type]
            if i < len(channels) - 1:
                layers += after(width, nn.BatchNorm2d)
    return initialised(nn.Sequential(*layers, *([nn.Sigmoid()] if bounded else [])))


def trunk(shape: Sequence[int], hidden: Sequence[int], channels: Sequence[int]) -> nn.Sequential:
    """(B, *shape) -> (B, hidden[-1]): the generator's mirror image with leaky ReLU and without batch norm."""
    layers: list[nn.Module] = []
    for before, width in itertools.pairwise((shape[0], *channels) if channels else ()):
        layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    flat = channels[-1] * math.prod(_sizes(shape, len(channels))[-1]) if channels else math.prod(shape)
    layers.append(nn.Flatten())
    for before, width in itertools.pairwise((flat, *hidden)):
        layers += [nn.Linear(before, width), nn.LeakyReLU(0.2)]
    return initialised(nn.Sequential(*layers))


def initialised(network: nn.Sequential) -> nn.Sequential:
    """The network with weights from N(0, 0.02^2) and biases 0, as in DCGAN."""
    for layer in network:
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def _sizes(shape: Sequence[int], halvings: int) -> list[tuple[int, ...]]:
    """Height and width of the image and after each halving."""
    return [tuple(s // 2**i for s in shape[1:]) for i in range(halvings + 1)]
