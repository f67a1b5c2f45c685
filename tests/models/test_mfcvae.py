"""MFCVAE: its ELBO against loops in float64; facets are switched on one by one; two planted clusterings."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import adjusted_rand_score

from benchmark import config
from benchmark.api import DataSpec, Stage
from benchmark.errors import UserError
from benchmark.models import mfcvae
from benchmark.models._whitening import START_LOG_VAR
from benchmark.running.train import Trainer
from benchmark.seeding import start

K = 3
IMAGES = DataSpec("some", (1, 3, 2), (0.0, 1.0), 200)
VECTORS = DataSpec("some", (6,), None, 600)


def make(spec=IMAGES, **overrides):
    start(0, "init")
    values = {"hidden": "8,7,6", "latent": 2, **overrides}
    return mfcvae.MFCVAE(spec, config.resolve(mfcvae.MFCVAE, spec, K, "smoke", values))


def switched_on(model):
    """The model with all facets wholly on, and mixtures whose numbers all differ."""
    model.alpha.fill_(1)
    model.beta.fill_(1)
    with torch.no_grad():
        for facet in model.facets:
            facet.pi_logits.normal_()
            facet.log_lambda.normal_(std=0.5)
    return model


def linear(layer, h):
    weight, bias = (p.detach().double().numpy() for p in layer.parameters())
    return np.maximum(weight @ h + bias, 0) if isinstance(layer, torch.nn.Sequential) else weight @ h + bias


def divergence(facet, m, l, z):
    """KL( q(z) q(c) || p(z, c) ) of one point, cluster by cluster, and gamma = p(c | z)."""
    pi = np.exp(facet.pi_logits.detach().double().numpy())
    pi /= pi.sum()
    u, variances = facet.u.detach().double().numpy(), np.exp(facet.log_lambda.detach().double().numpy())
    joint = [pi[c] * np.prod(norm(u[c], np.sqrt(variances[c])).pdf(z)) for c in range(K)]
    gamma = np.array(joint) / sum(joint)
    total = 0.0
    for c in range(K):
        total += gamma[c] * math.log(gamma[c] / pi[c])
        for i in range(len(m)):
            ratio = math.exp(l[i]) / variances[c, i]
            shift = (m[i] - u[c, i]) ** 2 / variances[c, i]
            total += gamma[c] * 0.5 * (ratio + shift - 1 - math.log(ratio))
    return total, gamma


@pytest.mark.parametrize("spec", [IMAGES, VECTORS])
def test_the_losses_equal_a_computation_with_loops_in_float64(spec):
    """Three facets; the networks layer by layer, points and clusters one by one."""
    model, x = switched_on(make(spec)), torch.rand(5, *spec.shape)
    torch.manual_seed(7)
    reconstruction, kl = model.losses(x)
    torch.manual_seed(7)
    noise = [torch.randn(5, 2).double().numpy() for _ in model.facets]
    expected_nll, expected_kl = 0.0, np.zeros(3)
    for n, point in enumerate(x.flatten(1).double().numpy()):
        features = list(itertools.accumulate(model.encoder, lambda h, layer: linear(layer, h), initial=point))
        z = []
        for j, facet in enumerate(model.facets):
            h = features[-1 - j]  # facet 1 branches off the deepest layer
            m, l = linear(facet.mean, h), linear(facet.log_var, h)
            z.append(m + np.exp(0.5 * l) * noise[j][n])
            expected_kl[j] += divergence(facet, m, l, z[j])[0] / 5
        h = linear(model.decoder[0], linear(model.facets[0].rung, z[0]))
        h = linear(model.decoder[1], h + 0.1 * linear(model.facets[1].rung, z[1]))
        h = linear(model.decoder[2], h + 0.1 * linear(model.facets[2].rung, z[2]))
        output = linear(model.output, h)
        for value, o in zip(point, output, strict=True):
            mean = 1 / (1 + math.exp(-o))
            bernoulli = -value * math.log(mean) - (1 - value) * math.log(1 - mean)
            expected_nll += (bernoulli if spec is IMAGES else 0.5 * (value - o) ** 2) / 5
    assert reconstruction.item() == pytest.approx(expected_nll, rel=1e-5)
    np.testing.assert_allclose(kl.detach().numpy(), expected_kl, rtol=1e-4)


def test_the_divergence_is_the_sum_over_all_combinations_of_clusters():
    """q(c_1, c_2, c_3 | x) is a product: the facets' divergences add up to that of the joint, K^3 terms."""
    model, x = switched_on(make()), torch.rand(1, 1, 3, 2)
    posteriors = [
        (m[0].detach().double().numpy(), l[0].detach().double().numpy()) for m, l in model.posteriors(x)
    ]
    z = [m + np.exp(0.5 * l) * 0.3 for m, l in posteriors]
    parts = [divergence(f, m, l, one) for f, (m, l), one in zip(model.facets, posteriors, z, strict=True)]
    total = 0.0
    for combination in itertools.product(range(K), repeat=3):
        weight = np.prod([gamma[c] for (_, gamma), c in zip(parts, combination, strict=True)])
        for facet, (m, l), (_, gamma), c in zip(model.facets, posteriors, parts, combination, strict=True):
            log_pi = facet.pi_logits.detach().double().log_softmax(0)[c].item()
            p = torch.distributions.Normal(facet.u[c].double(), (0.5 * facet.log_lambda[c].double()).exp())
            q = torch.distributions.Normal(torch.from_numpy(m), torch.from_numpy(np.exp(0.5 * l)))
            one = torch.distributions.kl_divergence(q, p).sum().item()
            total += weight * (math.log(gamma[c]) - log_pi + one)
    tensors = [[torch.from_numpy(a).float()[None] for a in (m, l)] for m, l in posteriors]
    found = sum(
        f.kl(m, l, torch.from_numpy(one).float()[None]).item()
        for f, (m, l), one in zip(model.facets, tensors, z, strict=True)
    )
    assert found == pytest.approx(total, rel=1e-4)


def test_a_step_descends_the_weighted_sum_and_gradients_reach_every_parameter():
    model, x = switched_on(make()), torch.rand(50, 1, 3, 2)
    model.beta.copy_(torch.tensor([1.0, 0.5, 0.25]))
    found = model.step(x)
    weighted = found["kl_1"] + 0.5 * found["kl_2"] + 0.25 * found["kl_3"]
    torch.testing.assert_close(found["loss"], found["reconstruction"] + weighted)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    for _ in range(100):
        last = model.step(x)
    assert last["loss"] < found["loss"]


def test_a_facet_that_is_off_has_no_part_in_the_loss():
    model, x = make(pretrain=0), torch.rand(20, 1, 3, 2)
    model.fade_in(0, 10)
    model.step(x)
    for facet, on in zip(model.facets, (True, False, False), strict=True):
        grads = [p.grad.abs().sum() > 0 for p in facet.parameters()]
        assert all(grads) if on else not any(grads)


def test_an_autoencoders_code_has_no_noise_and_leaves_the_mixture():
    model, x = make(), torch.rand(20, 1, 3, 2)
    model.switch_on(0)
    (first, _), (second, _) = model.losses(x), model.losses(x)
    assert first == second
    model.step(x)
    touched = {n for n, p in model.facets[0].named_parameters() if p.grad.abs().sum() > 0}
    assert touched == {"mean.weight", "mean.bias", "rung.0.weight", "rung.0.bias"}


@pytest.mark.parametrize("pretrain", [0, 0.5])
def test_facets_are_switched_on_one_after_another(pretrain):
    """200 points in batches of 50 for 6 passes are 24 steps a facet; the fade-in takes half of those left."""
    model = make(pretrain=pretrain, epochs=6, fade_in=0.5, hidden="8,7")
    x, seen = torch.rand(200, 1, 3, 2), {"alpha": [], "beta": []}
    step = model.step

    def spy(batch):
        for name, weights in seen.items():
            weights.append(getattr(model, name).tolist())
        return step(batch)

    model.step = spy
    trainer = Trainer(model, x, 0)
    assert [s.steps for s in trainer.plan if isinstance(s, Stage)] == ([12] * 4 if pretrain else [24, 24])
    trainer.run()
    alpha, beta = np.array(seen["alpha"]), np.array(seen["beta"])
    code = int(24 * pretrain)  # steps as an autoencoder's code
    grows = np.minimum(np.arange(24 - code) / (12 - code / 2), 1)
    rise = np.concatenate([np.zeros(code), grows])
    np.testing.assert_allclose(alpha[:24, 0], 1)
    np.testing.assert_allclose(beta[:24, 0], rise if pretrain else 1, atol=1e-6)
    assert not alpha[:24, 1].any()
    assert not beta[:24, 1].any()
    np.testing.assert_allclose(alpha[24:, 0], 1)
    np.testing.assert_allclose(beta[24:, 0], 1, atol=1e-6)
    np.testing.assert_allclose(alpha[24:, 1], 1 if pretrain else rise, atol=1e-6)
    np.testing.assert_allclose(beta[24:, 1], rise, atol=1e-6)
    np.testing.assert_allclose([model.alpha, model.beta], 1, rtol=1e-6)


def test_fitting_a_mixture_whitens_the_facet_and_changes_nothing_of_the_reconstruction():
    model, x = switched_on(make(pretrain=0.5)), torch.rand(200, 1, 3, 2)
    with torch.no_grad():
        before = model.reconstruct(x)
        for j in range(len(model.facets)):
            model.fit_mixture(j, x)
            torch.testing.assert_close(model.reconstruct(x), before, rtol=1e-4, atol=1e-5)
            assert (model.posteriors(x)[j][1] == START_LOG_VAR).all()


def test_without_pre_training_only_the_means_are_of_the_fitted_mixture():
    model = make(pretrain=0)
    model.fit_mixture(1, torch.rand(200, 1, 3, 2))
    torch.testing.assert_close(model.facets[1].log_lambda.exp(), torch.full((K, 2), 0.01))
    assert not model.facets[1].pi_logits.any()


def test_without_pre_training_the_means_are_as_far_apart_as_the_codes():
    """However small these are, as those of an untrained encoder."""
    model, x = make(pretrain=0), torch.rand(200, 1, 3, 2)
    with torch.no_grad():
        for parameter in model.facets[1].mean.parameters():
            parameter.mul_(1e-3)
        codes = model.posteriors(x)[1][0]
    model.fit_mixture(1, x)
    nearest = model.facets[1].u[torch.cdist(codes, model.facets[1].u).argmin(dim=1)]
    assert (nearest.var(dim=0) > 0.3 * codes.var(dim=0)).all()
    assert (nearest.mean(dim=0) - codes.mean(dim=0)).abs().max() < codes.std()


def test_every_facet_is_a_rule_and_the_deepest_comes_first():
    model, x = switched_on(make()), torch.rand(30, 1, 3, 2)
    rules = model.assignments()
    assert list(rules) == ["facet_1", "facet_2", "facet_3"]
    torch.testing.assert_close(model.assign(x), model.log_assign(x))
    for j, rule in enumerate(rules.values()):
        torch.testing.assert_close(rule(x).exp().sum(dim=1), torch.ones(30))
        m = model.posteriors(x)[j][0][0].detach().double().numpy()
        np.testing.assert_allclose(
            rule(x)[0].exp(), divergence(model.facets[j], m, m, m)[1], rtol=1e-3, atol=1e-6
        )


def test_samples_of_a_cluster_are_of_the_first_facet_and_the_others_vary():
    model = switched_on(make())
    z = model.facets[0].draw(2000, 1)
    assert (z.mean(dim=0) - model.facets[0].u[1]).abs().max() < 0.15
    torch.testing.assert_close(z.var(dim=0), model.facets[0].log_lambda[1].exp(), rtol=0.15, atol=0)
    shares = model.facets[1].pi_logits.softmax(0)
    torch.testing.assert_close(
        model.facets[1].draw(20_000, None).mean(dim=0), shares @ model.facets[1].u, rtol=0, atol=0.05
    )


def test_two_planted_clusterings_are_found_by_one_facet_each():
    """Half of the coordinates cluster one way, half another; the way that explains more comes first."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(3, size=(2, 600))
    points = np.concatenate([8 * np.eye(3)[a], 4 * np.eye(3)[b]], axis=1) + rng.normal(0, 0.3, (600, 6))
    x = torch.from_numpy(points).float()
    recipe = {"epochs": 50, "batch_size": 128, "lr": 3e-3, "em_restarts": 3}
    model = make(VECTORS, hidden="32,32", **recipe)
    Trainer(model, x, 0).run()
    first, second = (rule(x).argmax(dim=1) for rule in model.assignments().values())
    assert adjusted_rand_score(a, first) > 0.95
    assert adjusted_rand_score(b, second) > 0.95
    found = model.diagnose(x)
    assert min(found["information"]) > 1  # log 3 = 1.0986 at most
    assert abs(found["facets_ari"][0]) < 0.05


@pytest.mark.parametrize("override", [{"pretrain": 1}, {"fade_in": 0}, {"em_points": -1}])
def test_shares_and_numbers_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)


@pytest.mark.parametrize(
    "override", [{"latent": 0}, {"hidden": "5,0"}, {"batch_size": 0}, {"em_restarts": 0}]
)
def test_sizes_out_of_range(override):
    with pytest.raises(UserError, match="must be at least 1"):
        make(**override)
