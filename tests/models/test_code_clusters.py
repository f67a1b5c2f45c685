"""Clusters of codes against scikit-learn, and draws from them."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from benchmark.models._code_clusters import FLOOR, CodeKMeans, CodeMixture


def codes():
    """Three clusters of unequal covariance, and their labels."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(900) % 3
    shapes = torch.tensor([[[1.0, 0.0], [0.8, 0.3]], [[0.5, 0.0], [0.0, 0.5]], [[0.2, 0.0], [-0.5, 1.0]]])
    noise = torch.randn(900, 2, 1, generator=g)
    return 9 * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[y] + (shapes[y] @ noise)[:, :, 0], y


def test_codes_drawn_from_a_cluster_have_the_moments_of_its_members():
    torch.manual_seed(0)
    z, y = codes()
    kmeans = CodeKMeans(3, 2)
    kmeans.fit(z)
    for label in range(3):
        (cluster,) = kmeans.log_assign(z)[y == label].argmax(dim=1).unique()
        drawn = kmeans.sample(20_000, cluster)
        torch.testing.assert_close(drawn.mean(dim=0), z[y == label].mean(dim=0), atol=0.03, rtol=0)
        torch.testing.assert_close(drawn.T.cov(), z[y == label].T.cov(), atol=0.04, rtol=0)


def test_a_cluster_of_one_code_is_drawn_as_that_code():
    kmeans = CodeKMeans(2, 1)
    kmeans.fit(torch.tensor([[0.0], [0.1], [5.0]]))
    cluster = kmeans.log_assign(torch.tensor([[5.0]])).argmax().item()
    torch.testing.assert_close(kmeans.sample(9, cluster), torch.full((9, 1), 5.0), atol=0.01, rtol=0)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_a_cluster_without_codes_is_drawn_as_its_centre():
    z = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).repeat(4, 1)
    kmeans = CodeKMeans(3, 2)
    kmeans.fit(z)
    assert len(kmeans.log_assign(z).argmax(dim=1).unique()) == 2
    torch.testing.assert_close(kmeans.spread, (FLOOR**0.5 * torch.eye(2)).expand(3, 2, 2))


def test_the_posterior_of_the_mixture_is_that_of_scikit_learn():
    torch.manual_seed(0)
    z, _ = codes()
    mixture = CodeMixture(3, 2)
    mixture.fit(z, restarts=1)
    reference = GaussianMixture(3)
    reference.weights_, reference.means_ = mixture.weights.numpy(), mixture.means.numpy()
    inverse = np.linalg.inv(mixture.covariances.numpy())
    reference.precisions_cholesky_ = np.linalg.cholesky(inverse)
    between = 4 * torch.rand(50, 2)
    expected = reference.predict_proba(between.double().numpy())
    np.testing.assert_allclose(mixture.log_assign(between).exp().numpy(), expected, atol=1e-6)
