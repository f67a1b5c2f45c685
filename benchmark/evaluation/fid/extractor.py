"""Extractors turn images into features: one of the two networks, with the digest that its numbers are told
apart by.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.evaluation.fid.inception import Inception

INCEPTION_BATCH = 50  # fixed, since the order of summation in a network depends on it


@dataclass(frozen=True)
class Extractor:
    """A network in evaluation mode: uint8 images (B, C, H, W) on its device -> (B, D) features.

    Attributes:
        name: "inception" (FID) or "clf" (FID-clf).
        digest: SHA-256 of the network's parameters.
        batch_size: number of images it is given at a time.
    """

    name: str
    digest: str
    network: nn.Module
    batch_size: int
    device: torch.device

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"images are {images.dtype} {tuple(images.shape)}, expected uint8 (B, 1 or 3, H, W)"
            )
        with _full_precision():
            return torch.cat([self.network(part) for part in images.to(self.device).split(self.batch_size)])


def inception(parameters: Mapping[str, np.ndarray], digest: str, device: torch.device) -> Extractor:
    """The network of the standard FID with verified weights, and their digest."""
    network = Inception().load(parameters).to(device)
    return Extractor("inception", digest, network, INCEPTION_BATCH, device)


def to_uint8(images: Tensor) -> Tensor:
    """Images as all extractors take them: floats in [0, 1] are rounded to the nearest of 256 levels, once.

    Raises:
        ValueError: NaN or infinite values, or values that are not within [0, 1].
    """
    if images.dtype == torch.uint8:
        return images
    if not images.isfinite().all():
        raise ValueError(f"images hold {int((~images.isfinite()).sum())} values that are NaN or infinite")
    low, high = images.min().item(), images.max().item()
    if low < -1e-6 or high > 1 + 1e-6:
        raise ValueError(f"image values go from {low:g} to {high:g}, expected [0, 1] or uint8")
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """float32 products without TF32, which moves a FID in its third digit."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
