"""K networks of the same shape as one: stacked weights, one batched computation instead of a loop over K.

Between the layers a stack of batches is (K, B, features), for convolutions (B, K * C, H, W): a grouped
convolution is K convolutions side by side, and batch normalisation treats every channel by itself anyway.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """K linear layers: (K, B, inputs) -> (K, B, outputs), each initialised like `nn.Linear`."""

    def __init__(self, k: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(k, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(k, 1, outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class ToChannels(nn.Module):
    """(K, B, C * H * W) -> (B, K * C, H, W)."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        c, h, w = self.shape
        return x.transpose(0, 1).reshape(x.shape[1], x.shape[0] * c, h, w)


class FromChannels(nn.Module):
    """(B, K * C, H, W) -> (K, B, C * H * W)."""

    def __init__(self, k: int):
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.k, -1).transpose(0, 1)


def stacked_mlp(k: int, sizes: Sequence[int]) -> nn.Sequential:
    """K times linear layers of the given widths, a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.ReLU()] if i else []
        layers.append(StackedLinear(k, before, after))
    return nn.Sequential(*layers)


def stacked_conv(
    k: int, shape: tuple[int, ...], filters: Sequence[int], outputs: int, norm: bool
) -> nn.Sequential:
    """K times 4x4 convolutions of stride 2, each followed by batch normalisation (if `norm`) and a ReLU; then
    linear.

    Args:
        shape: (C, H, W) of an input, which is given flat: (K, B, C * H * W) -> (K, B, outputs).
    """
    *_, last = shapes = conv_shapes(shape, filters)
    layers: list[nn.Module] = [ToChannels(shapes[0])]
    for (before, *_), (after, *_) in itertools.pairwise(shapes):
        layers.append(nn.Conv2d(k * before, k * after, 4, 2, 1, groups=k))
        layers += [nn.BatchNorm2d(k * after), nn.ReLU()] if norm else [nn.ReLU()]
    return nn.Sequential(*layers, FromChannels(k), StackedLinear(k, math.prod(last), outputs))


def stacked_deconv(k: int, inputs: int, filters: Sequence[int], shape: tuple[int, ...]) -> nn.Sequential:
    """The mirror image of `stacked_conv`: (K, B, inputs) -> (K, B, C * H * W)."""
    shapes = conv_shapes(shape, filters)[::-1]
    layers: list[nn.Module] = [StackedLinear(k, inputs, math.prod(shapes[0])), ToChannels(shapes[0])]
    for (before, *size), (after, *larger) in itertools.pairwise(shapes):
        odd = (larger[0] - 2 * size[0], larger[1] - 2 * size[1])  # what halving the size has rounded off
        layers += [nn.BatchNorm2d(k * before), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(k * before, k * after, 4, 2, 1, output_padding=odd, groups=k))
    return nn.Sequential(*layers, FromChannels(k))


def conv_shapes(shape: tuple[int, ...], filters: Sequence[int]) -> list[tuple[int, int, int]]:
    """Shapes (C, H, W) before, between and after convolutions that halve height and width, rounding down.

    Of the filters only as many are used as leave a pixel.
    """
    c, h, w = shape
    layers = min(len(filters), min(h, w).bit_length() - 1)
    return [(channels, h >> i, w >> i) for i, channels in enumerate((c, *filters[:layers]))]
