"""The adversarial losses against float64 computations of their own, and updates of several networks by one
backward pass.
"""

import importlib
import math

import numpy as np
import pytest
import torch

from benchmark import models  # noqa: F401

adversarial = importlib.import_module("benchmark.models._adversarial")


def points(n=200, seed=0):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_adversarial_losses_equal_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    t = torch.from_numpy
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    assert adversarial.critic_loss(t(a), t(b), "wgan-gp").item() == pytest.approx(b.mean() - a.mean())
    assert adversarial.generator_loss(t(b), "wgan-gp").item() == pytest.approx(-b.mean())
    hinge = np.maximum(0, 1 - a).mean() + np.maximum(0, 1 + b).mean()
    assert adversarial.critic_loss(t(a), t(b), "hinge").item() == pytest.approx(hinge)
    assert adversarial.generator_loss(t(b), "hinge").item() == pytest.approx(-b.mean())
    cross_entropy = -np.log(sigmoid(a)).mean() - np.log(1 - sigmoid(b)).mean()
    assert adversarial.critic_loss(t(a), t(b), "nonsaturating").item() == pytest.approx(cross_entropy)
    assert adversarial.generator_loss(t(b), "nonsaturating").item() == pytest.approx(
        -np.log(sigmoid(b)).mean()
    )


def test_vanilla_losses_stay_finite_far_out():
    far = torch.tensor([-200.0, 200.0])
    assert adversarial.critic_loss(far, far, "nonsaturating").isfinite()
    assert adversarial.generator_loss(far, "nonsaturating").item() == pytest.approx(100.0)


def two_layers(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, 9)), rng.normal(size=9)


@pytest.mark.parametrize("per_batch", [False, True])
def test_gradient_penalty_equals_the_derivative_by_hand(per_batch):
    """D(x) = v . tanh(x W): its gradient is W (v * (1 - tanh^2)), in numpy, sample by sample."""
    w, v = two_layers()
    rng = np.random.default_rng(1)
    x, generated, eps = (
        rng.normal(size=(5, 6)),
        rng.normal(size=(5, 6)),
        rng.uniform(size=1 if per_batch else 5),
    )
    expected = 0.0
    for i in range(5):
        e = eps[0] if per_batch else eps[i]
        between = e * x[i] + (1 - e) * generated[i]
        gradient = w @ (v * (1 - np.tanh(between @ w) ** 2))
        expected += (math.sqrt((gradient**2).sum()) - 1) ** 2 / 5
    t = torch.from_numpy
    critic = lambda u: torch.tanh(u @ t(w)) @ t(v)  # noqa: E731
    found = adversarial.gradient_penalty(critic, t(x), t(generated), t(eps))
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_penalty_of_a_linear_critic_is_known_and_zero_at_norm_one():
    x, generated, eps = points(5).double(), points(5, 1).double(), torch.rand(5, dtype=torch.float64)
    w = torch.randn(64, dtype=torch.float64)
    for scale in (1.0, 3.0):
        linear = lambda u, a=scale: u.flatten(1) @ (a * w / w.norm())  # noqa: E731
        assert adversarial.gradient_penalty(linear, x, generated, eps).item() == pytest.approx(
            (scale - 1) ** 2, abs=1e-12
        )


def test_the_penalty_differentiates_twice():
    """Its derivative by the critic's weights against finite differences."""
    w, v = (torch.from_numpy(a) for a in two_layers())
    x, generated = torch.randn(5, 6, dtype=torch.float64), torch.randn(5, 6, dtype=torch.float64)
    eps = torch.rand(5, dtype=torch.float64)

    def value(weight):
        return adversarial.gradient_penalty(lambda u: torch.tanh(u @ weight) @ v, x, generated, eps)

    assert torch.autograd.gradcheck(value, w.requires_grad_())
