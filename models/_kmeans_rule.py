"""k-means as a rule that is fixed once and then assigns points one by one."""

import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from torch import Tensor

from benchmark.api import hard_assignment

RESTARTS = 10


def kmeans_centres(points: Tensor, reference: Tensor, seed: int) -> Tensor:
    """(K, J) centres of k-means, numbered such that they are as near as possible to `reference` (K, J)."""
    fitted = KMeans(len(reference), n_init=RESTARTS, random_state=seed).fit(points.cpu().numpy()).cluster_centers_
    centres = torch.from_numpy(fitted).to(reference)
    _, order = linear_sum_assignment(torch.cdist(reference, centres).cpu().numpy())
    return centres[torch.from_numpy(order).to(centres.device)]


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """(B, K) one-hot at the nearest centre, as log-probabilities."""
    return hard_assignment(torch.cdist(points, centres).argmin(dim=1), len(centres))
