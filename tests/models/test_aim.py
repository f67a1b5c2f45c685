"""AIM: its losses against independent computations, and who updates what."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import aim

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)


def make(spec=SPEC, **overrides):
    torch.manual_seed(0)
    values = {name: str(value) for name, value in ({"latent": 3} | overrides).items()}
    return aim.AIM(spec, config.resolve(aim.AIM, spec, 4, "smoke", values))


def test_the_latent_loss_is_a_gaussian_log_likelihood_per_dimension():
    model = make().double().eval()
    z = torch.randn(7, 3, dtype=torch.float64)
    m, l = model.encoder(model.generator(z)).chunk(2, dim=1)
    expected = -Independent(Normal(m, (0.5 * l).exp()), 1).log_prob(z).mean() / 3
    torch.testing.assert_close(model.latent_loss(z), expected)


def test_an_encoder_that_knows_nothing_pays_the_entropy_of_the_prior():
    """q(z | x) = p(z) for every x: loss II is H(z), and losses II and III together are 0."""
    model = make().double().eval()
    with torch.no_grad():
        for parameter in model.encoder[-1].parameters():
            parameter.zero_()
    entropy = Normal(0.0, 1.0).entropy().item()
    assert entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e))
    found = model.latent_loss(torch.randn(200_000, 3, dtype=torch.float64)).item()
    assert found == pytest.approx(entropy, abs=0.005)


@pytest.mark.parametrize("critic_norm", ["none", "batch"])
@pytest.mark.parametrize("loss", ["hinge", "nonsaturating"])
def test_the_adversarial_losses_equal_numpy(loss, critic_norm):
    """D is high on real points, and G is updated to raise it on its own. With batch norm real and generated
    points have batch statistics of their own.
    """
    still = {"lr": 1e-12, "d_lr": 1e-12, "e_lr": 1e-12}
    model = make(loss=loss, critic_norm=critic_norm, d_steps=1, e_steps=1, **still).double().train()
    real, draws = torch.rand(8, 1, 8, 8).double(), torch.randn(3, 8, 3).double()
    with torch.no_grad():
        for parameter in (*model.generator.parameters(), *model.discriminator.parameters()):
            parameter.copy_(0.5 * torch.randn_like(parameter))  # scores near 0 are all alike
        points = (real, model.generator(draws[0]), model.generator(draws[1]))
        on_data, on_first, on_second = (model.discriminator(x).numpy() for x in points)
    latents = iter(draws)
    model.draw_latents = lambda n: next(latents)
    losses = model.step(real)
    if loss == "hinge":
        critic = np.maximum(0, 1 - on_data).mean() + np.maximum(0, 1 + on_first).mean()
        generator = -on_second.mean()
    else:
        critic = np.log1p(np.exp(-on_data)).mean() + np.log1p(np.exp(on_first)).mean()
        generator = np.log1p(np.exp(-on_second)).mean()
    assert losses["discriminator"].item() == pytest.approx(critic, rel=1e-6)
    assert losses["generator"].item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("overrides", [{}, {"critic_norm": "batch", "loss": "nonsaturating"}])
def test_who_updates_what(monkeypatch, overrides):
    """D by its own loss, G by D alone, E by generated points alone."""
    model, moved = make(**overrides).train(), []
    real = aim.update

    def update(loss, *optimizers):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        real(loss, *optimizers)
        changed = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
        moved.append({name.split(".")[0] for name in changed})

    monkeypatch.setattr(aim, "update", update)
    losses = model.step(torch.rand(model.config.d_steps * model.config.batch_size, 1, 8, 8))
    c = model.config
    expected = ["discriminator"] * c.d_steps + ["generator"] + ["encoder"] * c.e_steps
    assert moved == [{name} for name in expected]
    assert set(losses) == {"discriminator", "generator", "latent"}


def test_settings_that_do_not_suit_are_named():
    with pytest.raises(UserError, match="expected hinge or nonsaturating"):
        make(loss="wgan-gp")
    with pytest.raises(UserError, match="8x8 pixels can't be halved so often"):
        make(channels="4,4,4,4")
