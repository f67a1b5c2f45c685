"""The synthetic mixtures: positions, widths, skew and density as they are described."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from benchmark.registry import Registry


@pytest.mark.parametrize(("name", "published"), [("modes3", -4.59), ("modes5", -2.74), ("modes9", -2.51)])
def test_the_true_density(name, published):
    dataset = Registry().dataset(name, Path())
    x, y = dataset.x("all").astype(np.float64), dataset.y("all")
    assert x.shape == (64_000, 2)
    # undo the skew; its Jacobian is 1
    straight = np.stack([x[:, 0], x[:, 1] - 0.04 * x[:, 0] ** 2 + 4], axis=1)
    centres = dataset.centres()
    for k, centre in enumerate(centres):
        mode = straight[y == k]
        np.testing.assert_allclose(mode.mean(axis=0), centre, atol=6 * dataset.width / np.sqrt(len(mode)))
        np.testing.assert_allclose(np.cov(mode.T), dataset.width**2 * np.eye(2), atol=0.06 * dataset.width**2)
    squares = ((straight[:, None] - centres) ** 2).sum(axis=2) / dataset.width**2
    log_density = logsumexp(-0.5 * squares, axis=1) - np.log(2 * np.pi * dataset.width**2 * len(centres))
    assert published < log_density.mean() < published + 0.3
