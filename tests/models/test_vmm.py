"""VMM: every term of its two objectives against scipy in float64; its components become clusters."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import dirichlet, gamma, multivariate_normal, norm, wishart

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import vmm
from benchmark.running.train import Trainer
from benchmark.seeding import start

B, K, J = 6, 4, 3
RNG = np.random.default_rng(0)
Z, MEAN = RNG.normal(size=(B, J)), RNG.normal(size=(K, J))
SPEC = DataSpec("some", (6,), None, 300)


def triangles(n):
    lower = np.tril(RNG.normal(size=(n, J, J)))
    lower[:, range(J), range(J)] = np.abs(lower[:, range(J), range(J)]) + 0.3
    return lower


T, FACTOR = triangles(K), triangles(K)
t = torch.from_numpy


def make(**overrides):
    start(0, "init")
    return vmm.VMM(SPEC, config.resolve(vmm.VMM, SPEC, 3, "smoke", {"latent": J, **overrides}))


def test_densities_and_entropies_equal_scipy():
    found = vmm.log_normal(t(Z), t(MEAN), t(T)).numpy()
    for k in range(K):
        density = multivariate_normal(MEAN[k], T[k] @ T[k].T)
        np.testing.assert_allclose(found[:, k], density.logpdf(Z), rtol=1e-10)
        assert vmm.entropy(t(T))[k].item() == pytest.approx(density.entropy())
    nll = vmm.gaussian_nll(t(Z), t(Z[::-1].copy()), torch.tensor(0.7, dtype=torch.float64))
    np.testing.assert_allclose(nll.numpy(), -norm(Z[::-1], 0.7).logpdf(Z).sum(axis=1), rtol=1e-12)


def test_expectations_over_the_means_equal_averages_of_densities():
    """Exactly: a Gaussian's second moments are those of 2 J points at sqrt(J) along the axes of T."""
    points = math.sqrt(J) * np.concatenate([np.eye(J), -np.eye(J)])
    found = vmm.expected_log_normal(t(Z), t(MEAN), t(T), t(FACTOR)).numpy()
    prior = vmm.log_standard_normal(t(MEAN), t(T)).numpy()
    for k in range(K):
        means = MEAN[k] + points @ T[k].T
        covariance = np.linalg.inv(FACTOR[k] @ FACTOR[k].T)
        expected = np.mean([multivariate_normal(mu, covariance).logpdf(Z) for mu in means], axis=0)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-8)
        assert prior[k] == pytest.approx(np.mean(multivariate_normal(np.zeros(J)).logpdf(means)))


def test_priors_equal_scipy():
    pi, alpha = RNG.dirichlet(np.full(K, 5.0)), 0.6
    found = vmm.log_dirichlet(t(np.log(pi)), torch.tensor(alpha, dtype=torch.float64))
    assert found.item() == pytest.approx(dirichlet(np.full(K, 1 / (K * alpha))).logpdf(pi))
    found = vmm.log_wishart(t(FACTOR)).numpy()
    for k in range(K):
        expected = wishart(J + 2, np.eye(J) * K ** (2 / J) / (J + 2)).logpdf(FACTOR[k] @ FACTOR[k].T)
        assert found[k] == pytest.approx(expected, rel=1e-5)


def with_a_prior():
    """A model in float64 whose prior's parameters all differ, and a batch."""
    model = make().double()
    with torch.no_grad():
        for parameter in model.prior:
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model, torch.randn(B, 6, dtype=torch.float64)


def as_numpy(model):
    """pi (K,); means, covariances of q(z | u_k), precisions P_k: what both objectives have of the prior."""
    with torch.no_grad():
        means, factors = model.posterior(model.u)
        precisions = model.triangle(model.raw_precision)
    spread, precisions = (l @ l.transpose(1, 2) for l in (factors, precisions))
    pi = softmax(model.pi_logits.detach().numpy())
    return pi, means.numpy(), spread.numpy(), precisions.numpy()


def test_the_networks_divergence_equals_scipy_and_their_step_leaves_the_prior():
    model, x = with_a_prior()
    before = [p.clone() for p in model.parameters()]
    model.prior_step = lambda x: torch.zeros(())
    pi, means, spread, precisions = as_numpy(model)
    torch.manual_seed(3)
    with torch.no_grad():
        m, factor, z = (p.numpy() for p in model.sampled_posterior(x))
    torch.manual_seed(3)
    found = model.step(x)
    components = [
        multivariate_normal(mean, np.linalg.inv(p) + s).logpdf(z)
        for mean, s, p in zip(means, spread, precisions, strict=True)
    ]
    log_prior = logsumexp(np.log(pi)[:, None] + components, axis=0)
    entropies = [multivariate_normal(a, b @ b.T).entropy() for a, b in zip(m, factor, strict=True)]
    assert found["kl"].item() == pytest.approx(-np.mean(entropies + log_prior), rel=1e-8)
    torch.testing.assert_close(found["nelbo"], found["reconstruction"] + found["kl"])
    changed = {id(p) for p, old in zip(model.parameters(), before, strict=True) if not torch.equal(p, old)}
    assert changed == {id(p) for p in model.networks}


def joint_by_scipy(z, pi, means, spread, precisions):
    """(K, B) log pi_k + E log N(z; mu_k, P_k^-1)."""
    return [
        np.log(share) + multivariate_normal(mean, np.linalg.inv(p)).logpdf(z) - 0.5 * np.trace(p @ s)
        for share, mean, s, p in zip(pi, means, spread, precisions, strict=True)
    ]


def test_the_objective_of_the_prior_equals_scipy_term_by_term():
    model, x = with_a_prior()
    pi, means, spread, precisions = as_numpy(model)
    alpha = np.log1p(np.exp(model.raw_alpha.item()))
    k = len(pi)
    torch.manual_seed(3)
    with torch.no_grad():
        z = model.sampled_posterior(x)[2].numpy()
    torch.manual_seed(3)
    found = model.prior_step(x)
    standard, scale = multivariate_normal(np.zeros(J)), np.eye(J) * k ** (2 / J) / (J + 2)
    joint = joint_by_scipy(z, pi, means, spread, precisions)
    expected = dirichlet(np.full(k, 1 / (k * alpha))).logpdf(pi) + gamma(1).logpdf(alpha)
    for mean, s, p in zip(means, spread, precisions, strict=True):
        expected += standard.logpdf(mean) - 0.5 * np.trace(s) + wishart(J + 2, scale).logpdf(p)
    expected += np.sum(softmax(joint, axis=0) * joint)
    assert found.item() == pytest.approx(-expected / B, rel=1e-8)


def test_points_are_assigned_by_the_responsibilities_of_training_at_the_mean_of_their_posterior():
    model, x = with_a_prior()
    with torch.no_grad():
        z, found = model.embed(x).numpy(), model.log_assign(x).numpy()
    expected = log_softmax(joint_by_scipy(z, *as_numpy(model)), axis=0).T
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_draws_of_a_component_have_its_mean_and_covariance(monkeypatch):
    model, _ = with_a_prior()
    monkeypatch.setattr(model, "decoded", lambda z: z)
    _, means, spread, precisions = as_numpy(model)
    for k in range(len(means)):
        with torch.no_grad():
            z = model.sample(200_000, cluster=k).numpy()
        covariance = np.linalg.inv(precisions[k]) + spread[k]
        np.testing.assert_allclose(z.mean(axis=0), means[k], atol=0.03)
        np.testing.assert_allclose(np.cov(z.T), covariance, rtol=0.03, atol=0.03)


def test_the_prior_starts_at_points_with_unit_precisions_and_equal_weights():
    model, x = make(), torch.randn(300, 6)
    model.start_at_points(x)
    assert all((x == u).all(dim=1).any() for u in model.u)
    torch.testing.assert_close(model.triangle(model.raw_precision), torch.eye(J).expand(5, J, J))
    m, s = model.posterior(model.u)
    pairs = zip(m.detach().numpy(), s.detach().numpy(), strict=True)
    densities = np.mean([multivariate_normal(a, np.eye(J) + b @ b.T).pdf(Z) for a, b in pairs], axis=0)
    found = model.log_prior(torch.from_numpy(Z).float())
    np.testing.assert_allclose(found.detach().numpy(), np.log(densities), rtol=1e-4)


@pytest.mark.parametrize("s", [0.1, 1.0, 3.0])
def test_the_decoders_scale_starts_as_told(s):
    assert torch.nn.functional.softplus(make(start_s=str(s)).raw_s).item() == pytest.approx(s, rel=1e-5)


@pytest.mark.parametrize(("budget", "s"), [("paper", 0.5), ("hour", 0.1), ("quick", 0.1)])
def test_the_source_s_scale_is_in_units_of_images_from_0_to_1(budget, s):
    """There they are in [-1, 1], and s is 1; the smaller budgets have a start of their own."""
    images = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)
    assert config.resolve(vmm.VMM, images, 10, budget, {}).start_s == s


def test_pre_training_is_a_vaes_and_leaves_the_prior():
    model, x = make(), torch.randn(B, 6)
    before = [p.clone() for p in model.prior]
    m, factor = (p.detach().double().numpy() for p in model.posterior(x))
    found = model.pretrain_step(x)
    q = [
        torch.distributions.MultivariateNormal(t(a), scale_tril=t(b)) for a, b in zip(m, factor, strict=True)
    ]
    standard = torch.distributions.MultivariateNormal(torch.zeros(J).double(), torch.eye(J).double())
    expected = np.mean([torch.distributions.kl_divergence(one, standard).item() for one in q])
    assert found["kl"].item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(found["nelbo"], found["reconstruction"] + found["kl"])
    assert all(torch.equal(a, b) for a, b in zip(before, model.prior, strict=True))
    assert all(p.grad is not None and p.grad.any() for p in model.networks)


def test_the_mixture_starts_after_the_pre_training():
    def names(**overrides):
        plan = make(**overrides).stages(torch.randn(300, 6))
        return [(item.name, getattr(item, "steps", 0)) for item in plan]

    more = {"epochs": "4", "batch_size": "50"}
    alone = [("pseudo_inputs", 0), ("train", 24), ("clusters", 0)]
    assert names(pretrain="0", **more) == alone
    assert names(pretrain="0.25", **more) == [("pretrain", 6), alone[0], ("train", 18), alone[2]]


def test_a_step_of_the_prior_descends_the_negative_log_posterior_and_leaves_the_networks():
    model, x = make(), torch.randn(50, 6)
    model.start_at_points(x)
    before = [p.clone() for p in model.networks]
    torch.manual_seed(3)
    found = model.prior_step(x)
    assert all(torch.equal(a, b) for a, b in zip(before, model.networks, strict=True))
    for _ in range(50):
        torch.manual_seed(3)
        last = model.prior_step(x)
    assert last < found


def test_components_with_points_become_the_clusters_and_keep_their_assignments():
    model = make(components=20, epochs=30, lr=1e-3, prior_lr=1e-2)
    x = torch.randn(300, 6) + 4 * (torch.arange(300) % 2)[:, None]
    trainer = Trainer(model, x, 0)
    trainer.plan = trainer.plan[:-1]
    trainer.run()
    before = model.assign(x).argmax(dim=1)
    model.keep_used(x)
    after = model.assign(x)
    assert after.shape == (300, model.n_clusters)
    assert model.n_clusters == len(before.unique()) < 20
    sizes = after.argmax(dim=1).bincount(minlength=model.n_clusters)
    assert (sizes > 0).all()
    assert sizes.tolist() == sorted(before.bincount()[before.unique()].tolist(), reverse=True)
    assert (
        len({(a.item(), b.item()) for a, b in zip(before, after.argmax(dim=1), strict=True)})
        == model.n_clusters
    )


@pytest.mark.parametrize(
    "override", [{"components": 0}, {"components": 301}, {"start_s": 0}, {"pretrain": 1}]
)
def test_settings_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)
