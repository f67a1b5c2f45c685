"""The network of the standard FID: TensorFlow's Inception of 2015-12-05, up to its 2048 pooled features.

It is not torchvision's Inception v3. What differs: average pooling does not count the padding, the pool
branch of the last block takes the maximum, batch norm has no scale and eps 0.001, images are enlarged as
TensorFlow 1 did it, and scaled by (x - 128) / 128. Blocks and layers have the names of the port that all FID
tools share (pytorch-fid, Seitzer 2020).
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 2048
SIDE = 299  # pixels of the images that it was trained on
BATCH_NORM_EPS = 0.001
STATISTICS = ("bn.bias", "bn.running_mean", "bn.running_var")  # of every layer, besides "conv.weight"


class Conv(nn.Conv2d):
    """Convolution, batch norm and ReLU; the batch norm is folded into weight and bias when the weights are
    loaded.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, same: bool = True
    ):
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        # same: the image keeps its size
        padding = (height // 2, width // 2) if same and stride == 1 else (0, 0)
        super().__init__(inputs, outputs, (height, width), stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(super().forward(x))


def average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class BlockA(nn.Module):
    """5b, 5c, 5d: 35x35."""

    def __init__(self, inputs: int, pooled: int):
        super().__init__()
        self.branch1x1 = Conv(inputs, 64, 1)
        self.branch5x5_1 = Conv(inputs, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3)
        self.branch_pool = Conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat(
            [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(average(x))],
            1,
        )


class BlockB(nn.Module):
    """6a: from 35x35 to 17x17."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    """6b to 6e: 17x17."""

    def __init__(self, inner: int):
        super().__init__()
        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1 = Conv(768, inner, 1)
        self.branch7x7_2 = Conv(inner, inner, (1, 7))
        self.branch7x7_3 = Conv(inner, 192, (7, 1))
        self.branch7x7dbl_1 = Conv(768, inner, 1)
        self.branch7x7dbl_2 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_3 = Conv(inner, inner, (1, 7))
        self.branch7x7dbl_4 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_5 = Conv(inner, 192, (1, 7))
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(average(x))], 1)


class BlockD(nn.Module):
    """7a: from 17x17 to 8x8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(768, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(768, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """7b, with average pooling, and 7c, with maximum pooling: 8x8."""

    def __init__(self, inputs: int, maximum: bool):
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = Conv(inputs, 320, 1)
        self.branch3x3_1 = Conv(inputs, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3))
        self.branch3x3_2b = Conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1))
        self.branch_pool = Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else average(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(single), self.branch3x3_2b(single)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class Inception(nn.Module):
    """uint8 images (B, 1 or 3, H, W) -> (B, 2048) features."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, same=False)
        self.Mixed_5b = BlockA(192, pooled=32)
        self.Mixed_5c = BlockA(256, pooled=64)
        self.Mixed_5d = BlockA(288, pooled=64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(inner=128)
        self.Mixed_6c = BlockC(inner=160)
        self.Mixed_6d = BlockC(inner=160)
        self.Mixed_6e = BlockC(inner=192)
        self.Mixed_7a = BlockD()
        self.Mixed_7b = BlockE(1280, maximum=False)
        self.Mixed_7c = BlockE(2048, maximum=True)
        self.requires_grad_(False).eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        x = (resize(images.float()) - 128) / 128
        return self.features(x.expand(-1, 3, -1, -1))

    def features(self, x: Tensor) -> Tensor:
        """(B, 2048) of scaled images (B, 3, 299, 299)."""
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))

    def layers(self) -> list[tuple[str, Conv]]:
        """(name, layer) of the 94 convolutions in the order in which they are declared."""
        return [(name, layer) for name, layer in self.named_modules() if isinstance(layer, Conv)]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """{name: shape} of the 376 published parameters."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, layer in self.layers():
            shapes[f"{name}.conv.weight"] = tuple(layer.weight.shape)
            shapes |= {f"{name}.{statistic}": (layer.out_channels,) for statistic in STATISTICS}
        return shapes

    def load(self, parameters: Mapping[str, np.ndarray]) -> "Inception":
        """Take the published parameters, each batch norm folded into its convolution."""
        for name, layer in self.layers():
            weight = torch.from_numpy(parameters[f"{name}.conv.weight"]).double()
            beta, mean, var = (
                torch.from_numpy(parameters[f"{name}.{statistic}"]).double() for statistic in STATISTICS
            )
            scale = (var + BATCH_NORM_EPS).rsqrt()
            layer.weight.copy_(weight * scale[:, None, None, None])
            assert layer.bias is not None
            layer.bias.copy_(beta - mean * scale)
        return self


def resize(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 299, 299) by bilinear interpolation with the grid of TensorFlow 1.

    Output pixel i lies at i * H / 299 of the input: corners are not aligned, pixels have no centres, nothing
    is smoothed. It is linear in rows and in columns, hence two products with matrices.
    """
    rows, columns = (_interpolation(side, x.device) for side in x.shape[2:])
    return rows @ x @ columns.T


def _interpolation(side: int, device: torch.device) -> Tensor:
    """(299, side) matrix whose rows hold the two weights of an output pixel; positions in float32, as
    TensorFlow has them.
    """
    position = torch.arange(SIDE, dtype=torch.float32) * torch.tensor(side / SIDE, dtype=torch.float32)
    lower = position.floor().long()
    fraction = position - lower
    matrix = torch.zeros(SIDE, side)
    matrix[torch.arange(SIDE), lower] += 1 - fraction
    matrix[torch.arange(SIDE), (lower + 1).clamp(max=side - 1)] += fraction
    return matrix.to(device)
