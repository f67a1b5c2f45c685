"""AAE: its losses against independent float64 computations, its priors, and who updates what."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.distributions import Bernoulli

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import aae

SPEC = DataSpec("some", (1, 4, 4), (0.0, 1.0), 500)
K, J = 4, 3


def make(**overrides):
    torch.manual_seed(0)
    values = {name: str(value) for name, value in ({"latent": J} | overrides).items()}
    return aae.AAE(SPEC, config.resolve(aae.AAE, SPEC, K, "smoke", values))


def test_the_reconstruction_is_a_likelihood_per_value():
    model, x = make().double(), torch.rand(7, 1, 4, 4, dtype=torch.float64)
    y, z = torch.rand(7, K, dtype=torch.float64).softmax(dim=1), torch.randn(7, J, dtype=torch.float64)
    decoder = Bernoulli(logits=model.decoder(torch.cat([y, z], dim=1)), validate_args=False)
    expected = -decoder.log_prob(x.flatten(1)).mean()
    torch.testing.assert_close(model.reconstruction_loss(x, y, z), expected)


def test_the_adversarial_losses_are_cross_entropies(monkeypatch):
    model = make(instance_noise=0).double()
    one_hots, styles = torch.eye(K, dtype=torch.float64), torch.randn(K, J, dtype=torch.float64)
    y, z = torch.rand(K, K, dtype=torch.float64).softmax(dim=1), torch.randn(K, J, dtype=torch.float64)
    monkeypatch.setattr(model, "draw_prior", lambda n: (one_hots, styles))
    probability = lambda critic, code: expit(critic(code).detach().numpy())  # noqa: E731
    critics, encoder = 0.0, 0.0
    for critic, real, code in ((model.cluster_critic, one_hots, y), (model.style_critic, styles, z)):
        real, code = probability(critic, real), probability(critic, code)
        critics -= np.log(real).mean() + np.log(1 - code).mean()
        encoder -= np.log(code).mean()
    assert model.critics_loss(y, z).item() == pytest.approx(critics, rel=1e-12)
    assert model.encoder_loss(y, z).item() == pytest.approx(encoder, rel=1e-12)


def test_instance_noise_blurs_one_hots_and_codes_alike(monkeypatch):
    model, seen = make(instance_noise=0.5), []
    monkeypatch.setattr(model.cluster_critic, "forward", lambda y: (seen.append(y), y.sum(dim=1))[1])
    one_hots, y = torch.eye(K).repeat(1000, 1), torch.rand(1000 * K, K).requires_grad_()
    monkeypatch.setattr(model, "draw_prior", lambda n: (one_hots, torch.randn(n, J)))
    model.critics_loss(y.detach(), torch.randn(len(y), J))
    model.encoder_loss(y, torch.randn(len(y), J)).backward()
    for noise in (seen[0] - one_hots, seen[1] - y, seen[2] - y):
        torch.testing.assert_close(noise.std(), torch.tensor(0.5), atol=0.02, rtol=0)
    assert (y.grad != 0).all()


def test_draws_of_the_priors():
    model = make()
    y, z = model.draw_prior(20_000)
    assert (y.sum(dim=1) == 1).all()
    torch.testing.assert_close(y.mean(dim=0), torch.full((K,), 1 / K), atol=0.02, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(J), atol=0.05, rtol=0)
    assert (model.draw_prior(5, cluster=2)[0].argmax(dim=1) == 2).all()


def test_who_updates_what_and_the_noise_is_on_the_encoder_s_input_alone(monkeypatch):
    model, moved, targets = make(noise=0.5).train(), [], []
    real = aae.update

    def update(loss, *optimizers):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        real(loss, *optimizers)
        changed = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
        moved.append({name.split(".")[0] for name in changed})

    monkeypatch.setattr(aae, "update", update)
    reconstruct = model.reconstruction_loss
    monkeypatch.setattr(
        model, "reconstruction_loss", lambda x, *c: (targets.append(x), reconstruct(x, *c))[1]
    )
    x = torch.rand(9, 1, 4, 4)
    model.step(x)
    assert moved == [{"encoder", "decoder"}, {"cluster_critic", "style_critic"}, {"encoder"}]
    assert torch.equal(targets[0], x)


def test_the_encoder_sees_points_with_noise_of_the_given_size_around_them(monkeypatch):
    model, seen = make(noise=0.5).train(), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: (seen.append(x), encode(x))[1])
    x = torch.rand(1000, 1, 4, 4)
    model.step(x)
    assert len(seen) == 2  # the two phases
    for noisy in seen:
        torch.testing.assert_close((noisy - x).mean(), torch.tensor(0.0), atol=0.02, rtol=0)
        torch.testing.assert_close((noisy - x).std(), torch.tensor(0.5), atol=0.02, rtol=0)


def test_the_encoder_has_batch_norm_before_each_relu_or_not_at_all():
    kinds = lambda model: [type(layer).__name__ for layer in model.encoder]  # noqa: E731
    assert kinds(make(hidden="8,8")) == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    assert kinds(make(hidden="8,8", batch_norm=False)) == ["Linear", "ReLU"] * 2 + ["Linear"]
