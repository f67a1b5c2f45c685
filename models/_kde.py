"""How likely the data are under a Gaussian kernel density estimate of generated points."""

import numpy as np
from sklearn.neighbors import KernelDensity

KERNELS = 5_000  # generated points in the estimate
POINTS = 5_000  # data points whose likelihood is measured
CANDIDATES = np.geomspace(0.01, 0.3, 8)  # bandwidths, in units of the data's standard deviation
TOLERANCE = 1e-3  # relative, of a density


def kde_measurements(x: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """The mean log-likelihood of data points x (N, D) under an estimate from samples (KERNELS, D), and how it
    was made.

    The bandwidth depends on the data alone: of the CANDIDATES it is the one under which some data points are
    likeliest given an estimate from others. So it is the same for every model and seed, and favours none.

    Returns:
        kde_log_likelihood: in nats per point.
        kde_of_data: the same with other data points in place of the samples: what a perfect generator would
        get.
        kde_bandwidth, kde_samples, kde_points: standard deviation of a kernel, number of kernels, of points.
    """
    # always the same points, whatever the seed of the run
    order = np.random.default_rng(0).permutation(len(x))
    points, others = x[order[:POINTS]], x[order[-KERNELS:]]
    if len(x) < POINTS + KERNELS:
        points, others = np.array_split(x[order], 2)
    scale = float(np.sqrt(x.var(axis=0).mean()))
    bandwidth = max(scale * CANDIDATES, key=lambda h: log_likelihood(points[:500], others, h))
    return {
        "kde_log_likelihood": log_likelihood(points, samples, bandwidth),
        "kde_of_data": log_likelihood(points, others, bandwidth),
        "kde_bandwidth": float(bandwidth),
        "kde_samples": len(samples),
        "kde_points": len(points),
    }


def log_likelihood(points: np.ndarray, kernels: np.ndarray, bandwidth: float) -> float:
    """Mean log-density of points (N, D) under equally weighted Gaussians at `kernels` (M, D)."""
    return float(KernelDensity(bandwidth=bandwidth, rtol=TOLERANCE).fit(kernels).score(points) / len(points))
