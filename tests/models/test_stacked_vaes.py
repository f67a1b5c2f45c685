"""Stacks of VAEs and discriminators: losses against independent float64 computations, what a step trains."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from torch.distributions import Normal, kl_divergence

from benchmark.api import DataSpec
from benchmark.models._networks import gaussian_kl
from benchmark.models._stacked_vaes import StackedVAEs, discriminator_loss

K, B, J, N = 3, 8, 2, 60
PLANE = DataSpec("some", (2,), None, N)
IMAGES = DataSpec("some", (1, 9, 8), (0.0, 1.0), N)
SETTINGS = {"hidden": (16,), "filters": (), "discriminator_filters": (), "lr": 5e-3, "beta1": 0.5}


class Stack(StackedVAEs):
    stages = log_assign = None  # a model must have them; nothing here needs them


def make(spec=PLANE, decoder_variance=0.01):
    torch.manual_seed(0)
    return Stack(spec, SimpleNamespace(n_clusters=K, latent=J, decoder_variance=decoder_variance, **SETTINGS))


def points():
    return torch.rand(N, 2, generator=torch.Generator().manual_seed(1))


# the losses


def test_kl_equals_torch_distributions():
    m, l = torch.randn(K, B, J, dtype=torch.float64), torch.randn(K, B, J, dtype=torch.float64)
    expected = kl_divergence(Normal(m, (l / 2).exp()), Normal(torch.zeros_like(m), torch.ones_like(m))).sum(
        dim=2
    )
    torch.testing.assert_close(gaussian_kl(m, l), expected)


def test_reconstruction_of_vectors_is_a_gaussian_log_density():
    model = make(decoder_variance=0.3).double()
    z, x = torch.randn(K, B, J, dtype=torch.float64), torch.randn(K, B, 2, dtype=torch.float64)
    found, means = model.reconstruction_nll(z, x).detach(), model.decode(z).detach().numpy()
    for j in range(K):
        for i in range(B):
            density = multivariate_normal(means[j, i], 0.3 * np.eye(2)).logpdf(x[j, i].numpy())
            assert found[j, i].item() == pytest.approx(-density - math.log(2 * math.pi * 0.3), rel=1e-9)


def test_reconstruction_of_images_is_their_cross_entropy():
    model = make(IMAGES).double()
    z, x = torch.randn(K, B, J, dtype=torch.float64), torch.rand(K, B, 72, dtype=torch.float64)
    p = model.decode(z)
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).sum(dim=2)
    torch.testing.assert_close(model.reconstruction_nll(z, x), expected)


def test_the_discriminators_loss_and_its_optimum():
    real, fake = torch.randn(K, B, dtype=torch.float64), torch.randn(K, B, dtype=torch.float64)
    d = lambda logits: 1 / (1 + np.exp(-logits.numpy()))  # noqa: E731
    expected = -np.log(d(real)).mean(axis=1) - np.log(1 - d(fake)).mean(axis=1)
    np.testing.assert_allclose(discriminator_loss(real, fake).numpy(), expected, rtol=1e-12)
    # on a grid, for two known densities, the loss is least at the logit log p_data - log p_g
    grid = torch.linspace(-6, 6, 400, dtype=torch.float64)
    log_data, log_g = -0.5 * (grid - 1) ** 2, -0.5 * (grid + 1) ** 2
    logits = (log_data - log_g).clone().requires_grad_()
    loss = (log_data.exp() * F.softplus(-logits) + log_g.exp() * F.softplus(logits)).sum()
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-12


def test_the_ratio_is_that_of_probabilities():
    model, x = make(), points()
    d = torch.stack([model.discriminator(x.expand(K, -1, -1))[j, :, 0].sigmoid() for j in range(K)], dim=1)
    torch.testing.assert_close(model.log_ratio(x), ((1 - d) / d).log(), rtol=1e-4, atol=1e-5)


# gradients


def test_gradients_reach_what_they_should():
    model, x = make(), points()
    model.vae_step(x.expand(K, -1, -1))

    def parts():
        return {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}

    assert parts() == {"encoder", "decoder"}
    model.zero_grad()
    model.discriminator_step(x[:B])
    assert parts() == {"discriminator"}


def test_an_inactive_vae_is_not_trained_and_the_others_are_as_before():
    a, b = make(), make()
    b.active[1] = 0
    x = torch.rand(K, B, 2)
    for model in (a, b):
        torch.manual_seed(3)
        model.vae_step(x)
    weights = lambda model: model.encoder[0].weight  # noqa: E731
    torch.testing.assert_close(weights(a)[[0, 2]], weights(b)[[0, 2]])
    torch.testing.assert_close(weights(b)[1], weights(make())[1], rtol=0, atol=0)
    assert not torch.equal(weights(a)[1], weights(b)[1])


def test_new_discriminators_and_a_new_adam():
    model, x = make(), points()
    before = [p.clone() for p in model.discriminator.parameters()]
    model.discriminator_step(x[:B])
    model.reset_discriminators()
    assert all(not torch.equal(p, q) for p, q in zip(model.discriminator.parameters(), before, strict=True))
    assert all(not v.any() for state in model.discriminator_optimizer.state.values() for v in state.values())
    first = model.discriminator(x.expand(K, -1, -1))
    assert not torch.equal(first[0], first[1])
