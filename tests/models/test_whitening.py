"""Axes of a latent: those that the clusters share are found, and networks compute what they did before."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from benchmark.models._mixture import fit_mixture
from benchmark.models._networks import mlp
from benchmark.models._whitening import START_LOG_VAR, common_axes, lost, whiten


@pytest.fixture
def clusters():
    """Weights, and covariances of any shape."""
    rng = np.random.default_rng(0)
    roots = torch.from_numpy(rng.normal(size=(4, 3, 5)))
    return torch.tensor([0.1, 0.2, 0.3, 0.4]).double(), roots @ roots.mT


def test_whitening_changes_neither_the_autoencoder_nor_the_clusters_and_makes_these_round_on_average():
    torch.manual_seed(0)
    x = torch.rand(400, 6)
    mean, log_var, decoder = nn.Linear(6, 3), nn.Linear(6, 3), mlp((3, 5, 6))
    with torch.no_grad():
        codes, before = mean(x).double(), decoder(mean(x))
        mixture = fit_mixture(codes, 4, 2, "likelihood")
        posteriors = mixture.log_joint(codes).softmax(dim=1)
        whitened = whiten(mixture, mean, log_var, decoder)
        torch.testing.assert_close(decoder(mean(x)), before, rtol=1e-4, atol=1e-5)
        found = whitened.log_joint(mean(x).double()).softmax(dim=1)
    torch.testing.assert_close(found, posteriors, rtol=0, atol=1e-3)
    variances = whitened.covariances.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(whitened.weights @ variances, torch.ones(3).double())
    assert (log_var(x) == START_LOG_VAR).all()


def test_axes_that_all_clusters_share_are_found_however_oblique(clusters):
    weights, _ = clusters
    rng = np.random.default_rng(1)
    mixing = torch.from_numpy(rng.normal(size=(3, 3)))
    covariances = mixing @ torch.from_numpy(rng.uniform(0.1, 5, size=(4, 3))).diag_embed() @ mixing.T
    a = common_axes(weights, covariances)
    found = a @ covariances @ a.T
    off_diagonal = found - found.diagonal(dim1=1, dim2=2).diag_embed()
    torch.testing.assert_close(off_diagonal, torch.zeros(4, 3, 3).double(), rtol=0, atol=1e-3)
    largest = (a @ mixing).abs().sort(dim=1).values
    assert (largest[:, -2] < 1e-3 * largest[:, -1]).all()  # a permutation, but for scales


def test_no_axes_near_those_found_lose_less(clusters):
    weights, covariances = clusters
    a = common_axes(weights, covariances)
    least = lost(weights, a @ covariances @ a.T)
    assert least < 0.9 * lost(weights, covariances)
    for seed in range(20):
        torch.manual_seed(seed)
        other = a + 0.01 * torch.randn(3, 3).double()
        assert lost(weights, other @ covariances @ other.T) >= least - 1e-6


def test_what_is_lost_is_the_divergence_from_the_diagonals(clusters):
    weights, covariances = clusters
    zeros = torch.zeros(4, 3).double()
    diagonals = covariances.diagonal(dim1=1, dim2=2).diag_embed()
    kl = kl_divergence(MultivariateNormal(zeros, covariances), MultivariateNormal(zeros, diagonals))
    torch.testing.assert_close(lost(weights, covariances), weights @ kl)
