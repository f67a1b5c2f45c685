"""Nearest centres, and k-means as a rule that is fixed once and then assigns points one by one."""

import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from torch import Tensor

from benchmark.api import hard_assignment

RESTARTS = 10
EXACT = "donot_use_mm_for_euclid_dist"  # what torch calls distances from differences


def kmeans_centres(points: Tensor, reference: Tensor, seed: int) -> Tensor:
    """(K, J) centres of k-means, numbered such that they are as near as possible to `reference` (K, J)."""
    fitted = (
        KMeans(len(reference), n_init=RESTARTS, random_state=seed).fit(points.cpu().numpy()).cluster_centers_
    )
    centres = torch.from_numpy(fitted).to(reference)
    _, order = linear_sum_assignment(torch.cdist(reference, centres, compute_mode=EXACT).cpu().numpy())
    return centres[torch.from_numpy(order).to(centres.device)]


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """(B, K) one-hot at the nearest of the centres (K, J) for points (B, J), as log-probabilities.

    From differences, not from |a|^2 - 2 a b + |b|^2: far from the origin these cancel in single precision.
    """
    distances = torch.cdist(points, centres, compute_mode=EXACT)
    return hard_assignment(distances.argmin(dim=1), len(centres))
