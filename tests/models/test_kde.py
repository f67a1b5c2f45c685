"""Likelihood of data under a kernel density estimate of samples."""

import math

import numpy as np
import pytest

from benchmark.models import _kde


def test_likelihood_under_a_kernel_density_estimate():
    """Against the definition; and the bandwidth recovers most of the true entropy of a known density."""
    rng = np.random.default_rng(0)
    few, kernels = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
    squares = ((few[:, None] - kernels) ** 2).sum(axis=2)
    expected = np.log(np.exp(-squares / (2 * 0.3**2)).mean(axis=1) / (2 * np.pi * 0.3**2)).mean()
    assert _kde.log_likelihood(few, kernels, 0.3) == pytest.approx(expected, rel=2e-3)

    x, good, bad = (
        rng.normal(size=(10_000, 2)),
        rng.normal(size=(5_000, 2)),
        0.3 * rng.normal(size=(5_000, 2)),
    )
    found, worse = _kde.kde_measurements(x, good), _kde.kde_measurements(x, bad)
    truth = -1 - math.log(2 * math.pi)
    assert found["kde_log_likelihood"] == pytest.approx(truth, abs=0.04)
    assert found["kde_of_data"] == worse["kde_of_data"] == pytest.approx(truth, abs=0.04)
    assert worse["kde_bandwidth"] == found["kde_bandwidth"]
    assert worse["kde_log_likelihood"] < truth - 1
    assert (found["kde_samples"], found["kde_points"]) == (5_000, 5_000)
