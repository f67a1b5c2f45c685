"""MPCC's mixture, losses and presets: numbers known beforehand, and independent computations."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.mixture import GaussianMixture
from torch.distributions import Independent, Normal

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import mpcc

B, K, J = 7, 4, 6
# (K, J, values of an image) of the paper's data sets
MNIST, FASHION, OMNIGLOT, CIFAR10, CIFAR20 = (
    (10, 24, 1024),
    (10, 16, 1024),
    (100, 24, 1024),
    (10, 128, 3072),
    (20, 128, 3072),
)


@pytest.fixture
def normal():
    """Standard normal float64 tensors of a given shape."""
    g = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)


# --- the numbers of the released configuration at initialisation
# ------------------------------------------------------


@pytest.mark.parametrize(("k", "j", "_"), [MNIST, FASHION, OMNIGLOT, CIFAR10, CIFAR20])
def test_entropy_loss_at_initialisation(k, j, _):
    assert 0.01 * mpcc.negative_entropy(mpcc.Mixture(k, j, 0.5).v).item() == pytest.approx(
        -0.0191894, abs=1e-7
    )


@pytest.mark.parametrize(
    ("case", "perfect", "prior", "best"),
    [
        (CIFAR10, 0.0238485, 0.12004, 0.07655),
        (MNIST, 0.0134148, 0.06752, 0.04306),
        (FASHION, 0.0089432, 0.04501, 0.02871),
    ],
)
def test_latent_loss_of_three_encoders(case, perfect, prior, best):
    """One that is always right with unit variance; one that says N(0, 1); one that says N(0, s^2)."""
    torch.manual_seed(0)
    k, j, values = case
    mixture = mpcc.Mixture(k, j, 0.5)
    with torch.no_grad():
        mixture.mu.zero_()
    z, _ = mixture.sample(200_000 // j * 10)
    loss = lambda m, l: mpcc.latent_nll(z, m, torch.full_like(z, l), math.log(math.pi)).item() / values  # noqa: E731
    assert loss(z, 0.0) == pytest.approx(perfect, abs=1e-7)
    assert loss(torch.zeros_like(z), 0.0) == pytest.approx(prior, rel=0.01)
    log_variance = 2 * math.log(math.exp(0.5) + 0.5)
    assert loss(torch.zeros_like(z), log_variance) == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize(
    ("case", "loss", "accuracy"),
    [
        (MNIST, 2.233, 0.19),
        (FASHION, 2.234, 0.19),
        (CIFAR10, 2.238, 0.19),
        (CIFAR20, 2.920, 0.111),
        (OMNIGLOT, 4.593, 0.017),
    ],
)
def test_classification_loss_at_initialisation(case, loss, accuracy):
    torch.manual_seed(0)
    k, j, _ = case
    mixture = mpcc.Mixture(k, j, 0.5)
    with torch.no_grad():
        z, y = mixture.sample(20_000)
        log_q = torch.cat(
            [mpcc.mixture_log_posterior(part, mixture.mu, mixture.v.exp() + 0.25) for part in z.split(2000)]
        )
    assert F.nll_loss(log_q, y).item() == pytest.approx(loss, abs=0.02)
    assert (log_q.argmax(dim=1) == y).float().mean().item() == pytest.approx(accuracy, abs=0.012)


def test_mixture_at_initialisation():
    mixture = mpcc.Mixture(10, 24, 0.5)
    torch.testing.assert_close(mixture.mu @ mixture.mu.T, torch.eye(10), atol=1e-5, rtol=0)
    assert mixture.std()[0, 0].item() == pytest.approx(2.14872, abs=1e-5)
    assert (mixture.v.exp() + 0.25)[0, 0].item() == pytest.approx(2.96828, abs=1e-5)
    many = mpcc.Mixture(100, 24, 0.5).mu  # orthonormal columns
    torch.testing.assert_close(many.T @ many, torch.eye(24), atol=1e-5, rtol=0)


def test_parameter_counts_printed_for_cifar10():
    """They leave out gain and bias of the last batch normalisation and include a class embedding that D never
    uses.
    """
    settings = config.resolve(
        mpcc.MPCC, DataSpec("cifar10", (3, 32, 32), (0.0, 1.0), 50_000), 10, "paper", {}
    )
    model = mpcc.MPCC(DataSpec("cifar10", (3, 32, 32), (0.0, 1.0), 50_000), settings)
    count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
    assert count(model.generator) == 9_360_131 + 2 * 384
    assert count(model.discriminator) == 9_456_769 - 10 * 384
    assert count(model.encoder) == 17_615_872
    assert len(model.discriminator.trunk) == 3
    assert [b.halve for b in [*model.discriminator.trunk, model.discriminator.head.block]] == [
        True,
        True,
        False,
        False,
    ]
    assert [b.halve for b in model.encoder.head.blocks] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mnist", (1, 28, 28), (12, 24, "embedding", 1.6e-3, 210_000)),
        ("fashion_mnist", (1, 28, 28), (24, 16, "shared", 1.6e-3, 210_000)),
        ("mnist32", (1, 32, 32), (12, 24, "embedding", 1.6e-3, 210_000)),
        ("fashion_mnist32", (1, 32, 32), (24, 16, "shared", 1.6e-3, 210_000)),
        ("omniglot_affine", (1, 32, 32), (16, 24, "embedding", 1.6e-3, 120_000)),
        ("omniglot", (1, 32, 32), (16, 24, "embedding", 1.6e-3, 120_000)),
        ("cifar10", (3, 32, 32), (96, 128, "split", 6e-4, 90_000)),
        ("cifar20", (3, 32, 32), (96, 128, "split", 6e-4, 78_000)),
    ],
)
def test_presets_of_the_paper(name, shape, expected):
    c = config.resolve(mpcc.MPCC, DataSpec(name, shape, (0.0, 1.0), 50_000), 10, "paper", {})
    assert (c.width, c.latent, c.delivery, c.prior_lr, c.iterations) == expected
    assert (c.networks, c.loss, c.epochs_at_most, c.latent_per) == ("resnet", "hinge", None, "value")
    assert (c.lr, c.d_lr, c.e_lr, c.beta1, c.share_trunk) == (2e-4, 2e-4, 2e-4, 0.0, True)
    assert (c.batch_size, c.d_steps, c.e_steps, c.image_size, c.map_size) == (50, 4, 4, 32, 8)


# --- losses
# -----------------------------------------------------------------------------------------------------------


def test_latent_loss_is_a_gaussian_log_likelihood(normal):
    z, m, l = normal(B, J), normal(B, J), normal(B, J)
    density = Independent(Normal(m, (0.5 * l).exp()), 1)
    torch.testing.assert_close(mpcc.latent_nll(z, m, l, math.log(2 * math.pi)), -density.log_prob(z).mean())
    difference = mpcc.latent_nll(z, m, l, math.log(2 * math.pi)) - mpcc.latent_nll(z, m, l, math.log(math.pi))
    assert difference.item() == pytest.approx(J / 2 * math.log(2))


def test_negative_entropy(normal):
    v = normal(K, J)
    torch.testing.assert_close(
        mpcc.negative_entropy(v), -Normal(torch.zeros_like(v), (0.5 * v).exp()).entropy().mean()
    )


def test_posterior_equals_that_of_scikit_learn(normal):
    """Also far from every component, where the densities underflow."""
    mu, variance = normal(K, J).numpy(), normal(K, J).exp().numpy()
    mixture = GaussianMixture(K, covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = np.full(K, 1 / K), mu, variance
    mixture.precisions_cholesky_ = 1 / np.sqrt(variance)
    z = np.concatenate([3 * normal(50, J).numpy(), np.full((1, J), 100.0)])
    t = torch.from_numpy
    found = mpcc.mixture_log_posterior(t(z), t(mu), t(variance)).exp().numpy()
    np.testing.assert_allclose(found, mixture.predict_proba(z), atol=1e-12)


def test_draws_from_the_mixture_have_its_moments():
    torch.manual_seed(0)
    mixture = mpcc.Mixture(K, J, 0.5)
    with torch.no_grad():
        mixture.v.copy_(torch.linspace(-2, 1, K * J).view(K, J))
        z, y = mixture.sample(20_000, cluster=2)
    assert (y == 2).all()
    torch.testing.assert_close(z.mean(0), mixture.mu[2].detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(z.std(0), mixture.v[2].exp().sqrt().detach() + 0.5, atol=0, rtol=0.03)
    counts = torch.bincount(mixture.sample(20_000)[1], minlength=K)
    assert (counts - 5000).abs().max() < 300
