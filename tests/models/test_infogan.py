"""InfoGAN: its losses against float64 computations of their own, where gradients go, and what Q decides."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models.infogan import InfoGAN

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
K = 4
SMALL = {"channels": "", "hidden": "16", "head": "8", "batch_size": "40", "latent": "6"}


def make(spec=SPEC, **overrides):
    torch.manual_seed(0)
    texts = SMALL | {k: str(v) for k, v in overrides.items()}
    return InfoGAN(spec, config.resolve(InfoGAN, spec, K, "paper", texts))


@pytest.fixture
def x():
    return torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("training", "hidden"), [(False, "16"), (True, "16,16")])
def test_losses_equal_numpy(double, x, training, hidden):
    """The critic's and the generator's cross-entropies, and -E log Q(c | x) + mean of half the squares of
    u - m(x). In training real and generated points have batch statistics of their own.
    """
    model = make(information=3, lr=1e-12, d_lr=1e-12, hidden=hidden).train(training)
    before, x = copy.deepcopy(model), x.double()
    torch.manual_seed(5)
    losses = model.step(x)
    torch.manual_seed(5)
    with torch.no_grad():
        first, _, _ = before.sample_prior(40)
        latent, cluster, u = before.sample_prior(40)
        scores = [
            before.critic_head(before.trunk(points)).squeeze(1).numpy()
            for points in (x, before.generator(first), before.generator(latent))
        ]
        codes = before.codes(before.hidden(before.trunk(before.generator(latent)))).numpy()
    on_data, on_first, on_second = scores
    critic = np.log1p(np.exp(-on_data)).mean() + np.log1p(np.exp(on_first)).mean()
    assert losses["critic"].item() == pytest.approx(critic)
    assert losses["generator"].item() == pytest.approx(np.log1p(np.exp(-on_second)).mean())
    log_q = codes[:, :K] - np.log(np.exp(codes[:, :K]).sum(axis=1, keepdims=True))
    expected = (
        -log_q[np.arange(40), cluster.numpy()].mean() + 0.5 * ((codes[:, K:] - u.numpy()) ** 2).sum() / 40
    )
    assert losses["information"].item() == pytest.approx(3 * expected, rel=1e-6)


def test_the_information_term_trains_the_trunk_and_q(x):
    """Beside the adversarial losses: the trunk ends elsewhere without it, and Q stays as it was."""
    ends = []
    for information in (1, 0):
        model = make(information=information)
        start = copy.deepcopy(model.codes.weight)
        torch.manual_seed(5)
        model.step(x)
        ends.append((model.trunk[1].weight, model.codes.weight - start))
    (trunk, codes), (trunk_without, codes_without) = ends
    assert not torch.equal(trunk, trunk_without)
    assert codes.abs().sum() > 0
    assert codes_without.abs().sum() == 0


def test_the_information_term_trains_the_generator(x, monkeypatch):
    """Itself: the critic, which it has trained, stays as it was in both cases."""
    ends = []
    for information in (1, 0):
        model = make(information=information)
        monkeypatch.setattr(model.critic_optimizer, "step", lambda: None)
        torch.manual_seed(5)
        model.step(x)
        ends.append(model.generator[0].weight)
    assert not torch.equal(*ends)


CRITIC = {"trunk", "critic_head", "hidden", "codes"}


@pytest.mark.parametrize(
    ("idle", "expected"), [("critic_optimizer", {"generator"}), ("generator_optimizer", CRITIC)]
)
def test_each_update_changes_its_own_networks_alone(x, monkeypatch, idle, expected):
    model = make()
    monkeypatch.setattr(getattr(model, idle), "step", lambda: None)
    before = copy.deepcopy(dict(model.named_parameters()))
    model.step(x)
    changed = {n.split(".")[0] for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == expected


def test_the_latent_is_uniform_with_a_one_hot_in_the_middle():
    latent, cluster, u = make(latent=5).sample_prior(4000)
    assert latent.shape == (4000, 5 + K + 2)
    assert torch.equal(latent[:, 5 : 5 + K].argmax(dim=1), cluster)
    assert torch.equal(latent[:, 5 + K :], u)
    free = latent[:, [0, 1, 2, 3, 4, 9, 10]]
    assert free.abs().max() <= 1
    assert free.var().item() == pytest.approx(1 / 3, abs=0.01)
    assert torch.bincount(cluster, minlength=K).min() > 800


def test_standing_statistics_are_those_of_training_points():
    model = make()
    x = torch.rand(640, 1, 8, 8)
    list(model.stages(x))[-1].run()
    norm = model.hidden[1]
    with torch.no_grad():
        model.train()
        features = model.hidden[0](model.trunk(x))
    assert isinstance(norm, nn.BatchNorm1d)
    torch.testing.assert_close(norm.running_mean, features.mean(dim=0), rtol=0.05, atol=0.02)


def test_a_point_is_reconstructed_from_its_codes_alone(x):
    model = make().eval()
    with torch.no_grad():
        logits, mean = model.codes(model.hidden(model.trunk(x))).split([K, 2], dim=1)
        latent = torch.cat(
            [torch.zeros(40, 6), nn.functional.one_hot(logits.argmax(dim=1), K), mean.clamp(-1, 1)], dim=1
        )
        torch.testing.assert_close(model.reconstruct(x), model.generator(latent))
        torch.testing.assert_close(model.log_assign(x).exp(), logits.softmax(dim=1))


def test_without_continuous_codes(x):
    model = make(continuous=0)
    assert set(model.step(x)) == {"critic", "generator", "information"}
    assert set(model.diagnose(x)) == {"code_accuracy", "reconstruction_mse"}


@pytest.mark.parametrize(
    ("override", "message"), [({"batch_size": 1}, "at least 2"), ({"head": 0}, "at least 1")]
)
def test_impossible_settings(override, message):
    with pytest.raises(UserError, match=message):
        make(**override)
