"""VaDE: every term of its ELBO against independent float64 computations, and its parts against
scikit-learn.
"""

import copy
import math
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, Normal, kl_divergence

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import vade
from benchmark.models._whitening import START_LOG_VAR
from benchmark.running.train import Trainer

SPEC = DataSpec("some", (1, 4, 4), (0.0, 1.0), 500)
B, K, J = 7, 4, 3


@pytest.fixture
def parts():
    """Random m, l, log_gamma, log_pi, u, log_lambda in float64."""
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    return {
        "m": normal(B, J),
        "l": normal(B, J),
        "log_gamma": normal(B, K).log_softmax(1),
        "log_pi": normal(K).log_softmax(0),
        "u": normal(K, J),
        "log_lambda": normal(K, J),
    }


def make(**overrides):
    torch.manual_seed(0)
    resolved = config.resolve(vade.VaDE, SPEC, K, "smoke", {k: str(v) for k, v in overrides.items()})
    return vade.VaDE(SPEC, resolved)


def test_kl_equals_the_sum_of_textbook_divergences(parts):
    """KL(q(z)q(c) || p(z|c)p(c)) = sum_c gamma_c KL(q(z) || p(z|c)) + KL(q(c) || p(c))."""
    q_z = Normal(parts["m"], (0.5 * parts["l"]).exp())
    p_z = Normal(parts["u"], (0.5 * parts["log_lambda"]).exp())
    q_c, p_c = Categorical(logits=parts["log_gamma"]), Categorical(logits=parts["log_pi"])
    expected = kl_divergence(q_c, p_c.expand((B,)))
    for c in range(K):
        one = kl_divergence(q_z, Normal(p_z.loc[c], p_z.scale[c])).sum(dim=1)
        expected = expected + parts["log_gamma"][:, c].exp() * one
    torch.testing.assert_close(vade.mixture_kl(**parts), expected)


def test_kl_against_numerical_integration():
    """One dimension, one point: the integral of q(z) q(c) log [q(z) q(c) / p(z, c)] on a fine grid."""
    m, l = 0.3, -0.4
    pi, u, lam, gamma = (
        np.array([0.3, 0.7]),
        np.array([-1.0, 0.8]),
        np.array([0.5, 1.7]),
        np.array([0.6, 0.4]),
    )
    z = np.linspace(-15, 15, 200_001)
    q = np.exp(-((z - m) ** 2) / (2 * np.exp(l))) / np.sqrt(2 * np.pi * np.exp(l))
    expected = 0.0
    for c in range(2):
        log_p = np.log(pi[c]) - 0.5 * np.log(2 * np.pi * lam[c]) - (z - u[c]) ** 2 / (2 * lam[c])
        expected += gamma[c] * np.trapezoid(q * (np.log(q + 1e-300) + np.log(gamma[c]) - log_p), z)
    t = lambda a: torch.tensor(a, dtype=torch.float64)  # noqa: E731
    found = vade.mixture_kl(
        t([[m]]), t([[l]]), t(gamma[None]).log(), t(pi).log(), t(u[:, None]), t(np.log(lam)[:, None])
    )
    assert found.item() == pytest.approx(expected, rel=1e-8)


def test_equal_components_leave_the_divergence_of_a_plain_vae(parts):
    """Anchor: gamma = pi exactly, and with u = 0, lambda = 1 the KL is 1/2 sum (e^l + m^2 - 1 - l)."""
    zeros, log_pi = (
        torch.zeros(K, J, dtype=torch.float64),
        torch.full((K,), -math.log(K), dtype=torch.float64),
    )
    log_gamma = vade.mixture_log_joint(parts["m"], log_pi, zeros, zeros).log_softmax(dim=1)
    torch.testing.assert_close(log_gamma, log_pi.expand(B, K))
    m, l = parts["m"], parts["l"]
    found = vade.mixture_kl(m, l, log_gamma, log_pi, zeros, zeros)
    torch.testing.assert_close(found, 0.5 * (l.exp() + m.square() - 1 - l).sum(dim=1))


def test_responsibilities_minimise_the_cluster_terms(parts):
    """Anchor: -sum gamma log(pi N) + sum gamma log gamma is least at the posterior, where it is -log sum_c
    pi_c N.
    """
    joint = vade.mixture_log_joint(parts["m"], parts["log_pi"], parts["u"], parts["log_lambda"])
    value = lambda log_gamma: (log_gamma.exp() * (log_gamma - joint)).sum(dim=1)  # noqa: E731
    best = value(joint.log_softmax(dim=1))
    torch.testing.assert_close(best, -joint.logsumexp(dim=1))
    for _ in range(20):
        other = (joint + 0.3 * torch.randn(B, K, dtype=torch.float64)).log_softmax(dim=1)
        assert (value(other) >= best - 1e-12).all()


def test_log_joint_equals_scipy(parts):
    found = vade.mixture_log_joint(parts["m"], parts["log_pi"], parts["u"], parts["log_lambda"])
    for c in range(K):
        density = multivariate_normal(parts["u"][c].numpy(), np.diag(parts["log_lambda"][c].exp().numpy()))
        expected = parts["log_pi"][c].item() + density.logpdf(parts["m"].numpy())
        np.testing.assert_allclose(found[:, c].numpy(), expected, rtol=1e-10)


def test_responsibilities_equal_those_of_scikit_learn():
    """Also far from every component, where the densities underflow."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(c, 0.5 + c / 4, size=(60, 2)) for c in range(3)])
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(points)
    far = np.concatenate([points, [[40.0, -35.0], [300.0, 10.0]]])
    t = lambda a: torch.from_numpy(np.asarray(a))  # noqa: E731
    joint = vade.mixture_log_joint(
        t(far), t(mixture.weights_).log(), t(mixture.means_), t(mixture.covariances_).log()
    )
    np.testing.assert_allclose(joint.softmax(dim=1).numpy(), mixture.predict_proba(far), atol=1e-9)


def test_reconstruction_terms():
    rng = np.random.default_rng(0)
    output, x = rng.normal(size=(5, 6)), rng.uniform(size=(5, 6))
    mean = 1 / (1 + np.exp(-output))
    bernoulli = -(x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(axis=1)
    t = torch.from_numpy
    np.testing.assert_allclose(
        vade.reconstruction_nll(t(output), t(x), bounded=True).numpy(), bernoulli, rtol=1e-12
    )
    gaussian = [
        -multivariate_normal(o, np.eye(6)).logpdf(p) - 3 * np.log(2 * np.pi)
        for o, p in zip(output, x, strict=True)
    ]
    np.testing.assert_allclose(
        vade.reconstruction_nll(t(output), t(x), bounded=False).numpy(), gaussian, rtol=1e-12
    )


def test_the_mixture_is_fitted_to_the_codes(monkeypatch):
    """Codes in groups far apart, each with correlated axes: the mixture must find the moments of the
    groups.
    """
    model = make(whiten=False)
    rng = np.random.default_rng(0)
    sizes = 100 * (1 + np.arange(K))
    shear = np.eye(model.config.latent) + np.eye(model.config.latent, k=1)
    groups = [30 * i + rng.normal(size=(n, model.config.latent)) @ shear for i, n in enumerate(sizes)]
    codes = torch.from_numpy(np.concatenate(groups)).float()
    monkeypatch.setattr(model, "embed", lambda x: x)
    model.fit_mixture(codes)
    model.take_best()
    order = model.u.mean(dim=1).argsort()
    np.testing.assert_allclose(model.pi_logits.softmax(0)[order].detach(), sizes / sizes.sum(), rtol=1e-4)
    np.testing.assert_allclose(model.u[order].detach(), [g.mean(0) for g in groups], atol=1e-3)
    np.testing.assert_allclose(
        model.log_lambda[order].exp().detach(), [g.var(0) + 1e-3 for g in groups], rtol=1e-3
    )


def test_the_posteriors_start_narrow_after_whitening():
    model = make(whiten=True)
    model.fit_mixture(torch.rand(300, 1, 4, 4))
    model.take_best()
    assert (model.log_var(model.trunk(torch.rand(5, 16))) == START_LOG_VAR).all()


@pytest.mark.parametrize("whiten", [False, True])
def test_training_goes_on_from_the_mixture_that_says_most_and_its_autoencoder(monkeypatch, whiten):
    """Codes in four groups say more than codes in two, whichever come first; the autoencoder of the better
    ones is there again, and until then pre-training goes on as if nothing had been fitted.
    """
    rng = np.random.default_rng(0)
    for order in ([2, 4], [4, 2]):
        model, informations = make(whiten=whiten, latent=3), {}
        with torch.no_grad():
            for groups in order:
                codes = torch.from_numpy(10 * (np.arange(400) % groups)[:, None] + rng.normal(size=(400, 3)))
                monkeypatch.setattr(model, "embed", lambda x, codes=codes: codes.float())
                torch.nn.init.constant_(model.decoder[-1].bias, groups)
                before = copy.deepcopy(model.state_dict())
                model.fit_mixture(torch.zeros(400, 1, 4, 4))
                torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
                informations[groups] = model.best_information.item()
        assert informations[4] == pytest.approx(math.log(4), abs=1e-3)
        model.take_best()
        assert (model.decoder[-1].bias == 4).all()
        assert torch.pdist(model.u).min() > 5


def test_mixtures_are_fitted_over_the_second_half_of_pre_training():
    model = make(mixtures=5, pretrain_epochs=20, batch_size=100)
    plan = [(item.name, getattr(item, "steps", 0)) for item in model.stages(torch.rand(500, 1, 4, 4))]
    fits = [("mixture", 0), *[("pretrain", 10), ("mixture", 0)] * 4]
    assert plan == [("pretrain", 60), *fits, ("best", 0), ("train", 10)]


def test_the_variance_of_vectors_weighs_their_reconstruction():
    """Half the squared error over the variance, in pre-training and after it."""
    spec = DataSpec("some", (6,), None, 50)
    c = config.resolve(vade.VaDE, spec, K, "smoke", {"variance": "0.1"})
    model, x, z = vade.VaDE(spec, c), torch.randn(20, 6), torch.randn(20, c.latent)
    expected = (model.decoder(z) - x).square().sum(dim=1).mean() / 0.2
    torch.testing.assert_close(model.reconstruction(z, x), expected)
    expected = (model.decoder(model.embed(x)) - x).square().sum(dim=1).mean() / 0.2
    torch.testing.assert_close(model.pretrain_step(x)["reconstruction"], expected)


def test_few_points_are_trained_on_for_the_least_number_of_steps():
    """500 points make 5 steps an epoch."""
    model = make(min_pretrain_steps=70, min_steps=8, epochs=3, batch_size=100)
    steps = Counter()
    for item in model.stages(torch.rand(500, 1, 4, 4)):
        steps[item.name] += getattr(item, "steps", 0)
    assert (steps["pretrain"], steps["train"]) == (70, 15)


def test_gradients_reach_every_parameter_in_training_and_the_autoencoder_alone_in_pretraining():
    model = make()
    x = torch.rand(20, 1, 4, 4)
    model.pretrain_step(x)
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    parts = {name.split(".")[0] for name in touched}
    assert parts == {"trunk", "mean", "decoder"}
    model.step(x)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_loss_is_its_terms_and_training_lowers_it():
    model = make(latent=10)
    x = torch.rand(100, 1, 4, 4)
    first = model.step(x)
    torch.testing.assert_close(first["nelbo"], first["reconstruction"] + first["kl"])
    for _ in range(100):
        last = model.step(x)
    assert last["nelbo"] < first["nelbo"] - 1


def test_a_step_differentiates_the_weighted_elbo_through_the_sample_and_its_responsibilities():
    """Terms and gradients of every parameter with the noise given, from the networks' outputs on, by
    torch.distributions; the weight of the divergence is 0.3.
    """
    model, x = make().double(), torch.rand(B, 1, 4, 4, dtype=torch.float64)
    model.kl_weight.fill_(0.3)
    with torch.no_grad():
        for p in (model.pi_logits, model.u, model.log_lambda):
            p.copy_(torch.randn_like(p))
    reference = copy.deepcopy(model)
    torch.manual_seed(5)
    found = model.step(x)
    torch.manual_seed(5)
    noise = torch.randn(B, model.config.latent, dtype=torch.float64)
    h = reference.trunk(x.flatten(1))
    q_z = Normal(reference.mean(h)[:, None], (reference.log_var(h) / 2).exp()[:, None])  # (B, 1, J)
    z = q_z.loc + q_z.scale * noise[:, None]
    p_c, p_z = Categorical(logits=reference.pi_logits), Normal(reference.u, (reference.log_lambda / 2).exp())
    q_c = Categorical(logits=p_c.logits + p_z.log_prob(z).sum(dim=2))
    kl = (q_c.probs * kl_divergence(q_z, p_z).sum(dim=2)).sum(dim=1) + kl_divergence(q_c, p_c)
    means = reference.decoder(z[:, 0]).sigmoid()
    reconstruction = F.binary_cross_entropy(means, x.flatten(1), reduction="sum") / B
    expected = {"nelbo": reconstruction + kl.mean(), "reconstruction": reconstruction, "kl": kl.mean()}
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(reconstruction + 0.3 * kl.mean(), [*reference.parameters()])
    torch.testing.assert_close([p.grad for p in model.parameters()], list(gradients))


def test_samples_have_the_moments_of_their_component_and_its_weight():
    """The decoder is the identity, and 16 latents are a point."""
    model = make(latent=16)
    model.decoder, model.bounded = torch.nn.Identity(), False
    pi = torch.tensor([0.1, 0.2, 0.3, 0.4])
    with torch.no_grad():
        model.pi_logits.copy_(pi.log())
        model.u.copy_(20.0 * torch.arange(K)[:, None].expand(K, 16))
        model.log_lambda.copy_(torch.linspace(-3, 3, 16 * K).view(K, 16))
        for c in range(K):
            z = model.sample(4000, cluster=c).flatten(1)
            torch.testing.assert_close(z.std(dim=0), model.log_lambda[c].exp().sqrt(), rtol=0.06, atol=0)
            torch.testing.assert_close(z.mean(dim=0), model.u[c], rtol=0, atol=0.4)
        drawn = (model.sample(4000).flatten(1).mean(dim=1) / 20).round().long()
    torch.testing.assert_close(drawn.bincount() / 4000, pi, rtol=0, atol=0.04)


def test_learning_rate_schedule():
    model = make(lr_factor=0.9)
    rates = []
    for _ in range(300):
        rates.append(model.optimizer.param_groups[0]["lr"])
        model.optimizer.step()
        model.schedule.step()
    c = model.config
    assert rates[0] == c.lr
    assert rates[c.lr_epochs] == pytest.approx(c.lr * c.lr_factor)
    assert rates[-1] == pytest.approx(c.lr_floor)


def test_the_weight_of_the_kl_divergence_warms_up_to_one():
    model = make(kl_warmup=2 / 3, epochs=6, pretrain_epochs=0)
    weights = []
    end_epoch = model.end_epoch
    model.end_epoch = lambda: (weights.append(model.kl_weight.item()), end_epoch())
    Trainer(model, torch.rand(300, 1, 4, 4), seed=0).run()
    assert weights == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_the_weight_of_the_kl_divergence_is_one_without_warm_up():
    model = make(kl_warmup=0)
    assert model.kl_weight == 1
    model.optimizer.step()
    model.end_epoch()
    assert model.kl_weight == 1


def test_points_near_a_component_belong_to_it():
    model = make()
    with torch.no_grad():
        model.u.copy_(10 * torch.eye(K, model.config.latent))
        z = model.u[1] + torch.randn(50, model.config.latent)
    assert (model.log_responsibilities(z).argmax(dim=1) == 1).all()


@pytest.mark.parametrize("override", [{"em_points": -1}, {"kl_warmup": 1.5}, {"variance": 0}])
def test_shares_and_numbers_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)


@pytest.mark.parametrize(
    "override",
    [{"latent": 0}, {"hidden": "5,0"}, {"batch_size": 0}, {"mixtures": 0}, {"em_restarts": 0}],
)
def test_sizes_out_of_range(override):
    with pytest.raises(UserError, match="must be at least 1"):
        make(**override)
