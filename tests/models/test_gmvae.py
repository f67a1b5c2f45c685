"""GMVAE: every term of its ELBO against independent float64 computations, the limiting cases, the constraint,
the modes.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, entropy, multivariate_normal, norm
from torch.distributions import Normal, kl_divergence

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.evaluation.metrics import accuracy, contingency
from benchmark.models import gmvae
from benchmark.registry import Registry
from benchmark.running.train import Trainer
from benchmark.seeding import start

IMAGES = DataSpec("some", (1, 4, 4), (0.0, 1.0), 500)
VECTORS = DataSpec("some", (3,), None, 500)
M, B, K, J, L = 3, 5, 4, 3, 2


@pytest.fixture
def parts():
    """Random x, m, l, mu, log_sigma2 in float64, mu and log_sigma2 one per sample, point and component."""
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    return normal(M, B, J), normal(B, J), normal(B, J), normal(M, B, K, J), normal(M, B, K, J)


def make(spec=IMAGES, k=K, **overrides):
    torch.manual_seed(0)
    return gmvae.GMVAE(
        spec, config.resolve(gmvae.GMVAE, spec, k, "smoke", {n: str(v) for n, v in overrides.items()})
    )


def divergences(m, l, mu, log_sigma2):
    """(M, B, K) KL(q(x | y) || p(x | w, z = k)) by torch.distributions, one at a time."""
    found = torch.empty(M, B, K, dtype=torch.float64)
    for i, b, k in itertools.product(range(M), range(B), range(K)):
        q, p = Normal(m[b], (l[b] / 2).exp()), Normal(mu[i, b, k], (log_sigma2[i, b, k] / 2).exp())
        found[i, b, k] = kl_divergence(q, p).sum()
    return found


def test_responsibilities_are_bayes_rule_over_the_components(parts):
    """Also far from every component, where all densities underflow."""
    x, _, _, mu, log_sigma2 = parts
    x[0, 0] = 1000.0
    found = gmvae.log_responsibilities(x, mu, log_sigma2)
    assert found.isfinite().all()
    for i, b in itertools.product(range(M), range(B)):
        log_joint = [
            multivariate_normal(mu[i, b, k].numpy(), np.diag(log_sigma2[i, b, k].exp().numpy())).logpdf(
                x[i, b].numpy()
            )
            for k in range(K)
        ]
        expected = np.array(log_joint) - np.logaddexp.reduce(log_joint)
        np.testing.assert_allclose(found[i, b].numpy(), expected, rtol=1e-9, atol=1e-9)


def test_conditional_prior_is_the_weighted_sum_of_textbook_divergences(parts):
    x, m, l, mu, log_sigma2 = parts
    log_r = gmvae.log_responsibilities(x, mu, log_sigma2)
    expected = (log_r.exp() * divergences(m, l, mu, log_sigma2)).sum(dim=2)
    torch.testing.assert_close(gmvae.conditional_prior(m, l, log_r, mu, log_sigma2), expected)


def test_the_responsibilities_get_the_gradient_of_the_conditional_prior(parts):
    """d/dr_k sum_k r_k KL_k = KL_k: the very gradient whose sign and order are wrong in the released code."""
    x, m, l, mu, log_sigma2 = parts
    log_r = gmvae.log_responsibilities(x, mu, log_sigma2).requires_grad_()
    gmvae.conditional_prior(m, l, log_r, mu, log_sigma2).sum().backward()
    torch.testing.assert_close(log_r.grad / log_r.exp(), divergences(m, l, mu, log_sigma2))


def test_w_prior_is_the_divergence_from_a_standard_normal(parts):
    _, m, l, _, _ = parts
    expected = kl_divergence(Normal(m, (l / 2).exp()), Normal(torch.zeros(J).double(), 1.0)).sum(dim=1)
    torch.testing.assert_close(gmvae.gaussian_kl(m, l), expected)


def test_z_prior_is_the_divergence_from_uniform():
    rng = np.random.default_rng(0)
    r = rng.dirichlet(np.full(K, 0.5), size=(M, B))
    expected = entropy(r, np.full(K, 1 / K), axis=-1)
    np.testing.assert_allclose(gmvae.z_prior(torch.from_numpy(r).log()).numpy(), expected, rtol=1e-10)
    hard = torch.eye(K, dtype=torch.float64).clamp_min(1e-300).log()
    np.testing.assert_allclose(gmvae.z_prior(hard).numpy(), math.log(K))


def test_likelihoods():
    rng = np.random.default_rng(0)
    logits, counts = rng.normal(size=(B, 6)), rng.integers(0, 17, size=(B, 6))
    p, y = 1 / (1 + np.exp(-logits)), counts / 16
    t = torch.from_numpy
    bernoulli = gmvae.reconstruction_nll(t(logits), t(y), bounded=True).numpy()
    np.testing.assert_allclose(bernoulli, -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1), rtol=1e-12)
    # a pixel with 16 trials is binomial, up to the logarithm of the number of arrangements, which no
    # parameter changes
    arrangements = [[math.log(math.comb(16, c)) for c in row] for row in counts]
    np.testing.assert_allclose(
        -16 * bernoulli, (binom(16, p).logpmf(counts) - arrangements).sum(axis=1), rtol=1e-10
    )

    mean, log_var, x = rng.normal(size=(3, B, 6))
    found = gmvae.gaussian_nll(t(np.concatenate([mean, log_var], axis=1)), t(x)).numpy()
    np.testing.assert_allclose(found, -norm(mean, np.exp(log_var / 2)).logpdf(x).sum(axis=1), rtol=1e-12)


def test_equal_components_give_uniform_responsibilities_and_no_z_prior(parts):
    x, m, l, mu, log_sigma2 = parts
    mu, log_sigma2 = mu[:, :, :1].expand(M, B, K, J), log_sigma2[:, :, :1].expand(M, B, K, J)
    log_r = gmvae.log_responsibilities(x, mu, log_sigma2)
    torch.testing.assert_close(log_r, torch.full((M, B, K), -math.log(K)).double())
    torch.testing.assert_close(gmvae.z_prior(log_r), torch.zeros(M, B).double(), atol=1e-12, rtol=0)
    found = gmvae.conditional_prior(m, l, log_r, mu, log_sigma2)
    torch.testing.assert_close(found, divergences(m, l, mu, log_sigma2)[:, :, 0])


@pytest.mark.parametrize("k", [1, K])
@pytest.mark.parametrize("spec", [IMAGES, VECTORS], ids=["image", "vector"])
def test_the_elbo_is_the_sum_over_samples_points_and_components(spec, k):
    """All terms, from the networks' outputs on, in plain loops; with K = 1 they are those of a VAE of two
    levels.
    """
    torch.manual_seed(0)
    settings = gmvae.GMVAE.Config(
        n_clusters=k,
        x_dim=J,
        w_dim=L,
        hidden=(6,),
        prior_hidden=5,
        mc_samples=M,
        min_information=0,
        reconstruction_weight=2.0,
    )
    model = gmvae.GMVAE(spec, settings).double().eval()
    y = torch.rand(B, *spec.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(1)
        found = model.elbo_terms(y, M)
        torch.manual_seed(1)
        noise_x, noise_w = (torch.randn(M, B, d, dtype=torch.float64) for d in (J, L))
        x_mean, x_log_var, w_mean, w_log_var = model.encode(y)
        expected = dict.fromkeys(found, 0.0)
        for i, b in itertools.product(range(M), range(B)):
            q_x, q_w = (
                Normal(x_mean[b], (x_log_var[b] / 2).exp()),
                Normal(w_mean[b], (w_log_var[b] / 2).exp()),
            )
            x, w = q_x.loc + q_x.scale * noise_x[i, b], q_w.loc + q_w.scale * noise_w[i, b]
            out, target = model.decoder(x[None])[0], y[b].flatten()
            if spec is IMAGES:
                log_p = 2 * (target * out.sigmoid().log() + (1 - target) * (1 - out.sigmoid()).log()).sum()
            else:
                log_p = 2 * Normal(out[:3], (out[3:] / 2).exp()).log_prob(target).sum()
            raw = model.prior(w[None])[0].view(2, k, J)
            p_x = [Normal(raw[0, j], (raw[1, j] / 2).exp()) for j in range(k)]
            r = torch.stack([p.log_prob(x).sum() for p in p_x]).softmax(0)
            standard = Normal(torch.zeros(L).double(), 1.0)
            expected["reconstruction"] -= log_p.item() / (M * B)
            expected["conditional_prior"] += sum(
                r[j] * kl_divergence(q_x, p_x[j]).sum() for j in range(k)
            ).item() / (M * B)
            expected["w_prior"] += kl_divergence(q_w, standard).sum().item() / (M * B)
            expected["z_prior"] += entropy(r.numpy(), np.full(k, 1 / k)) / (M * B)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )
    if k == 1:
        assert found["z_prior"] == 0


def test_the_elbo_bounds_the_evidence():
    """x and w with one dimension: the evidence and the ELBO with exact q(z | x, w) by integration over a
    grid.

    The paper takes the responsibilities and the divergence that they weigh at independent x, which loosens
    the bound.
    """
    torch.manual_seed(3)
    settings = gmvae.GMVAE.Config(n_clusters=2, x_dim=1, w_dim=1, hidden=(6,), prior_hidden=5)
    model = gmvae.GMVAE(VECTORS, settings).double().eval()
    with torch.no_grad():
        model.prior[2].weight.mul_(6)  # components that differ
        y = torch.rand(1, 3, dtype=torch.float64)
        nelbo = sum(model.elbo_terms(y, 20_000).values()).item()

        grid = torch.linspace(-12, 12, 801, dtype=torch.float64)
        run = (grid[1] - grid[0]).item() ** 2
        mu, log_sigma2 = model.components(grid[:, None])  # (G, K, 1), one row per w
        log_px = Normal(mu, (log_sigma2 / 2).exp()).log_prob(grid)  # (w, K, x)
        log_px = log_px.logsumexp(dim=1) - math.log(2)
        log_py = -gmvae.gaussian_nll(model.decoder(grid[:, None]), y.expand(801, 3))  # (x,)
        standard = Normal(torch.zeros(()).double(), 1.0)
        log_joint = standard.log_prob(grid)[:, None] + log_px + log_py  # (w, x)
        evidence = log_joint.flatten().logsumexp(0).item() + math.log(run)
        x_mean, x_log_var, w_mean, w_log_var = (v.squeeze() for v in model.encode(y))
        log_q = Normal(w_mean, (w_log_var / 2).exp()).log_prob(grid)[:, None]
        log_q = log_q + Normal(x_mean, (x_log_var / 2).exp()).log_prob(grid)
        # the grid is wide and fine enough
        assert log_q.exp().sum().item() * run == pytest.approx(1, abs=1e-6)
        exact = (log_q.exp() * (log_joint - log_q)).sum().item() * run
    assert exact < evidence
    assert -nelbo < exact + 0.05  # 0.05: Monte-Carlo error


def test_the_constraint_lets_no_gradient_through_up_to_its_floor_and_all_of_it_above():
    for value, expected in ((0.2, 0.0), (0.5, 0.0), (0.500001, 1.0), (2.0, 1.0)):
        kl = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        bounded = gmvae.minimum_information(kl, 0.5)
        bounded.backward()
        assert bounded.item() == pytest.approx(max(0.5, value))
        assert kl.grad.item() == expected


@pytest.mark.parametrize(("floor", "with_z_prior"), [(math.log(K), False), (0.0, True)])
def test_the_gradient_of_a_step(floor, with_z_prior):
    """A step differentiates all four terms above the floor, and the first three below it."""
    model = make(min_information=floor, mc_samples=2, annealing=0)
    y = torch.rand(20, 1, 4, 4)
    torch.manual_seed(5)
    terms = model.elbo_terms(y, 2)
    assert 0 < terms["z_prior"] < math.log(K)
    sum(v for name, v in terms.items() if with_z_prior or name != "z_prior").backward()
    expected = [p.grad.clone() for p in model.parameters()]
    torch.manual_seed(5)
    reported = model.step(y)
    for p, grad in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(reported["nelbo"], sum(terms.values()))  # the ELBO itself, whatever the floor


def test_annealing_raises_the_weight_of_the_reconstruction_from_one():
    model = make(annealing=0.5, epochs=8, reconstruction_weight=16)
    weights = []
    for _ in range(6):
        weights.append(16 * gmvae.annealed_share(model.epoch, model.annealing_epochs, 16.0).item())
        model.end_epoch()
    assert weights == pytest.approx([16 ** (i / 5) for i in range(1, 6)] + [16.0], rel=1e-6)
    assert gmvae.annealed_share(torch.zeros(()), 0, 16.0) == 1


def test_images_with_few_pixels_weigh_as_if_they_had_more():
    """16 pixels for 48 expected ones: three times the likelihood; with 8 expected ones, as it is."""
    y = torch.rand(20, 1, 4, 4)
    terms = {}
    for values in (0, 8, 48):
        model = make(min_values=values, reconstruction_weight=2)
        torch.manual_seed(1)
        terms[values] = model.elbo_terms(y, 1)
    torch.testing.assert_close(terms[8], terms[0])
    torch.testing.assert_close(terms[48]["reconstruction"], 3 * terms[0]["reconstruction"])
    torch.testing.assert_close(terms[48]["conditional_prior"], terms[0]["conditional_prior"])


def test_few_points_are_trained_on_for_the_least_number_of_steps():
    """500 points make 5 steps an epoch; the annealing takes its share of all of them."""
    model = make(batch_size=100, epochs=2, min_steps=60, annealing=0.5)
    assert [stage.steps for stage in model.stages(torch.rand(500, 1, 4, 4))] == [60]
    assert model.annealing_epochs == 6


def test_gradients_reach_every_parameter_and_training_lowers_the_loss():
    model = make(lr=0.003)
    y = torch.rand(100, 1, 1, 1).expand(100, 1, 4, 4).contiguous()
    first = model.step(y)
    assert all(
        p.grad.abs().sum() > 0 for name, p in model.named_parameters() if not name.startswith("trunk.1.bias")
    )
    for _ in range(200):
        last = model.step(y)
    assert last["nelbo"] < first["nelbo"] - 0.5


def test_the_expected_rule_averages_the_responsibilities_over_the_posterior():
    """Over 32 draws of x and w, the same for every point: exactly those, since w's noise moves the average
    less than other draws would.
    """
    model = make().double().eval()
    y = torch.rand(6, 1, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        model.prior[2].weight.mul_(5)
        noise = torch.randn(32, 3 + L, generator=torch.Generator().manual_seed(0)).double()
        x_mean, x_log_var, w_mean, w_log_var = model.encode(y)
        expected = torch.zeros(6, K, dtype=torch.float64)
        for draw in noise:
            x, w = x_mean + (x_log_var / 2).exp() * draw[:3], w_mean + (w_log_var / 2).exp() * draw[3:]
            mu, log_sigma2 = model.components(w)
            log_p = Normal(mu, (log_sigma2 / 2).exp()).log_prob(x[:, None]).sum(dim=2)
            expected += log_p.softmax(dim=1) / 32
        torch.testing.assert_close(model.log_assign_expected(y).exp(), expected)
        state = torch.get_rng_state()
        again = model.log_assign_expected(y)
        assert torch.equal(state, torch.get_rng_state())  # it draws from a stream of its own
        torch.testing.assert_close(again, model.log_assign_expected(y), rtol=0, atol=0)
        # without noise both rules agree
        model.heads.weight.zero_()
        model.heads.bias.fill_(-60.0)
        torch.testing.assert_close(model.log_assign_expected(y), model.log_assign(y))


def test_samples_come_from_their_component():
    model = make(VECTORS).eval()
    with torch.no_grad():
        model.prior[2].weight.zero_()
        mu = torch.arange(K)[:, None].expand(K, 3) * 10.0
        model.prior[2].bias.copy_(torch.cat([mu.flatten(), torch.full((3 * K,), math.log(0.25))]))
        model.decoder = torch.nn.Linear(3, 6)  # y = x
        model.decoder.weight.copy_(torch.eye(6, 3))
        model.decoder.bias.zero_()
        for k in range(K):
            y = model.sample(2000, cluster=k)
            torch.testing.assert_close(y.mean(dim=0), mu[k], atol=0.1, rtol=0)
            torch.testing.assert_close(y.std(dim=0), torch.full((3,), 0.5), atol=0.05, rtol=0)
        counts = (model.sample(4000)[:, 0] / 10).round().long().bincount(minlength=K)
    assert (counts / 4000 - 1 / K).abs().max() < 0.04


def test_merged_clusters_carry_no_information():
    model, y = make().eval(), torch.rand(50, 1, 4, 4)
    with torch.no_grad():
        model.prior[2].weight.zero_()
        model.prior[2].bias.zero_()
    found = model.diagnose(y)
    assert found["z_information"] == pytest.approx(0, abs=1e-6)
    assert found["z_prior"] == pytest.approx(0, abs=1e-6)


def test_the_traversal_has_a_row_per_cluster():
    figure = make().eval().draw(torch.rand(50, 1, 4, 4))["traversal"]
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [str(i) for i in range(K)]
    assert axes.images[0].get_array().shape[:2] == (K * 5 - 1, 11 * 5 - 1)  # images of 4x4, a pixel apart
    assert make(VECTORS).eval().draw(torch.rand(50, 3)) == {}


def test_the_five_modes_are_recovered(tmp_path):
    """Trained without labels; with them, nearly every point is in the cluster of its mode."""
    data = Registry().dataset("modes5", tmp_path)
    x, y = data.x("all")[:3200], data.y("all")[:3200]
    spec = DataSpec("modes5", (2,), None, len(x))
    start(0, "init")
    model = gmvae.GMVAE(
        spec, config.resolve(gmvae.GMVAE, spec, 5, "quick", {"epochs": "30", "min_steps": "0"})
    )
    Trainer(model, torch.from_numpy(x), 0).run()
    c = model.eval().assignments()["mean"](torch.from_numpy(x)).argmax(dim=1).numpy()
    assert accuracy(contingency(y, c, 5)) > 0.98


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"x_dim": 0}, "x_dim is 0, expected at least 1"),
        ({"hidden": "5,0"}, "hidden is 0, expected at least 1"),
        ({"hidden": ""}, "hidden is empty"),
        ({"mc_samples": 0}, "mc_samples is 0"),
        ({"reconstruction_weight": 0}, "reconstruction_weight is 0.0, expected a positive number"),
        ({"annealing": 1.5}, "annealing is 1.5, expected a share of the epochs, from 0 to 1"),
        ({"min_values": -1}, "min_values is -1, expected 0 or more"),
        ({"batch_size": 1}, "batch_size is 1, expected at least 2"),
        ({"min_information": -0.1}, "min_information is -0.1, expected 0 to log K = 1.386"),
        ({"min_information": 1.4}, "min_information is 1.4, expected 0 to log K = 1.386"),
        ({"n_clusters": 1}, "number of clusters is 1, expected at least 2"),
        ({"network": "resnet"}, "expected fc | conv"),
        (
            {"network": "conv"},
            "network=conv needs images of 28x28 or 32x32, some has shape (1, 4, 4); use network=fc",
        ),
    ],
)
def test_bad_input(overrides, message):
    with pytest.raises(UserError) as error:
        make(**overrides)
    assert message in str(error.value)
