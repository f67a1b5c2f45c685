"""Floor and ceiling of a Frechet distance."""

import numpy as np
import pytest
import torch

from benchmark.evaluation.fid.bounds import gaussian_images


def test_gaussian_images_have_the_moments_of_their_class():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(
        np.concatenate([rng.normal(m, 10, size=(500, 1, 2, 2)) for m in (60, 190)]).round().astype(np.uint8)
    )
    found = gaussian_images(x, np.repeat(["a", "b"], 500), 4000).flatten(1).double()
    for group, target in (
        (found[found.mean(dim=1) < 125], x[:500]),
        (found[found.mean(dim=1) > 125], x[500:]),
    ):
        assert len(group) == pytest.approx(2000, abs=150)
        np.testing.assert_allclose(group.mean(dim=0), target.flatten(1).double().mean(dim=0), atol=1)
        np.testing.assert_allclose(torch.cov(group.T), torch.cov(target.flatten(1).double().T), atol=10)
