"""Clusterings of the training points alone: any other point goes the way of the nearest of them."""

import torch
from torch import Tensor


def nearest_point(x: Tensor, points: Tensor) -> Tensor:
    """(B,) indices of the nearest of points (N, D) for x (B, D).

    In double precision, so that a point that is among them is its own nearest.
    """
    return torch.cdist(x.double(), points.double()).argmin(dim=1)
