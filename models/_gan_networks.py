"""Generators and critic trunks of the image and vector GANs: DCGAN's convolutions, or fully connected
layers.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmark.api import as_float

CriticNorm = Literal["none", "batch", "spectral"]


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are functions of the condition: out * (1 + gain(u)) + bias(u).

    Args:
        to_channels: makes the two functions, each from the condition to (B, channels).
        norm: the class of the normalisation, for h (B, channels, H, W) or (B, channels).
    """

    def __init__(
        self, channels: int, to_channels: Callable[[], nn.Module], norm: type[nn.Module] = nn.BatchNorm2d
    ):
        super().__init__()
        self.norm, self.gain, self.bias = norm(channels, affine=False), to_channels(), to_channels()

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        h = self.norm(h)
        gain, bias = (
            u.view(*u.shape, *[1] * (h.ndim - 2)) for u in (1 + self.gain(condition), self.bias(condition))
        )
        return torch.addcmul(bias, h, gain)


class ConditionalSequential(nn.Module):
    """Layers in a row, whose `ConditionalBatchNorm`s also see the condition: x = G(z, y)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        for layer in self.layers:
            h = layer(h, condition) if isinstance(layer, ConditionalBatchNorm) else layer(h)
        return h


def generator(
    latent: int,
    shape: Sequence[int],
    hidden: Sequence[int],
    channels: Sequence[int],
    norm: Callable[[int, type[nn.Module]], nn.Module] | None,
) -> list[nn.Module]:
    """The layers of (B, latent) -> (B, *shape): linear ones, then for images one transposed convolution per
    channel width.

    A norm and ReLU after every layer but the last; leaky ReLU in purely fully connected ones.

    Args:
        norm: makes a normalisation of so many features, from the class for their rank; None: no
        normalisation.
    """
    images = bool(channels)
    layers: list[nn.Module] = []

    def after(features: int, kind: type[nn.Module]) -> list[nn.Module]:
        return [*([norm(features, kind)] if norm else []), nn.ReLU() if images else nn.LeakyReLU(0.2)]

    for before, width in itertools.pairwise((latent, *hidden)):
        layers += [nn.Linear(before, width), *after(width, nn.BatchNorm1d)]
    last = (latent, *hidden)[-1]
    if not images:
        layers += [nn.Linear(last, math.prod(shape)), nn.Unflatten(1, tuple(shape))]
    else:
        sizes = _sizes(shape, len(channels))[::-1]  # from the smallest to the image itself
        layers += [
            nn.Linear(last, channels[-1] * math.prod(sizes[0])),
            nn.Unflatten(1, (channels[-1], *sizes[0])),
        ]
        layers += after(channels[-1], nn.BatchNorm2d)
        widths = (shape[0], *channels)[::-1]
        for i, (before, width) in enumerate(itertools.pairwise(widths)):
            odd = tuple(s % 2 for s in sizes[i + 1])
            layers.append(nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, output_padding=odd))  # type: ignore[arg-type]
            if i < len(channels) - 1:
                layers += after(width, nn.BatchNorm2d)
    return _initialised(layers)


def trunk(
    shape: Sequence[int], hidden: Sequence[int], channels: Sequence[int], norm: CriticNorm = "none"
) -> nn.Sequential:
    """(B, *shape) -> (B, hidden[-1]): the generator's mirror image with leaky ReLU.

    Args:
        norm: "batch": after every layer but the first, as in DCGAN; "spectral": of every weight; "none": as
        in ClusterGAN.
    """
    layers: list[nn.Module] = []
    for before, width in itertools.pairwise((shape[0], *channels) if channels else ()):
        conv = nn.Conv2d(before, width, 4, stride=2, padding=1)
        layers += [conv, *_batch_norm(nn.BatchNorm2d(width), norm, first=not layers), nn.LeakyReLU(0.2)]
    flat = channels[-1] * math.prod(_sizes(shape, len(channels))[-1]) if channels else math.prod(shape)
    layers.append(nn.Flatten())
    for i, (before, width) in enumerate(itertools.pairwise((flat, *hidden))):
        first = not channels and i == 0
        layers += [
            nn.Linear(before, width),
            *_batch_norm(nn.BatchNorm1d(width), norm, first),
            nn.LeakyReLU(0.2),
        ]
    _initialised(layers)
    if norm == "spectral":
        layers = [
            spectral_norm(layer) if isinstance(layer, (nn.Linear, nn.Conv2d)) else layer for layer in layers
        ]
    return nn.Sequential(*layers)


def _batch_norm(module: nn.Module, norm: CriticNorm, first: bool) -> list[nn.Module]:
    return [module] if norm == "batch" and not first else []


def _initialised(layers: list[nn.Module]) -> list[nn.Module]:
    """The layers with weights from N(0, 0.02^2) and biases 0, as in DCGAN."""
    for layer in layers:
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return layers


@torch.no_grad()
def set_standing_statistics(network: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Make the batch normalisations' statistics the means over passes on the given batches, all weights
    fixed.
    """
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    if not norms:
        return
    was_training, before = network.training, [norm.momentum for norm in norms]
    network.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all passes
    for batch in batches:
        network(*batch)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def some_batches(x: Tensor, batch_size: int, most: int) -> Iterator[Tensor]:
    """Float batches of random stored points x (N, *shape), each point at most once."""
    chosen = x[torch.randperm(len(x), device=x.device)[: most * batch_size]]
    return (as_float(part) for part in chosen.split(min(batch_size, len(x))) if len(part) > 1)


def _sizes(shape: Sequence[int], halvings: int) -> list[tuple[int, ...]]:
    """Height and width of the image and after each halving."""
    return [tuple(s // 2**i for s in shape[1:]) for i in range(halvings + 1)]
