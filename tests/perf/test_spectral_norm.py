"""Time of a forward and backward pass through three layers: plain, and with torch's spectral norm, which
MPCC's and ClusterGAN's critics use. A hand-written autograd function in its place was not faster (5.7 and 5.8
ms in the fully connected case on one busy core, 2.8 ms without; 430 and 419 ms in the convolutional one), and
is gone.
"""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

pytestmark = pytest.mark.perf

CASES = {
    "linear": ((128, 64), lambda: [nn.Linear(64, 256), nn.Linear(256, 256), nn.Linear(256, 1)]),
    "convolution": ((100, 48, 16, 16), lambda: [nn.Conv2d(48, 48, 3, padding=1) for _ in range(3)]),
}


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_forward_and_backward(benchmark, case, normalised):
    torch.manual_seed(0)
    shape, layers = CASES[case]
    network = nn.Sequential(*[spectral_norm(layer) if normalised else layer for layer in layers()])
    x = torch.rand(shape)
    benchmark.pedantic(lambda: network(x).mean().backward(), rounds=10, iterations=3, warmup_rounds=2)
