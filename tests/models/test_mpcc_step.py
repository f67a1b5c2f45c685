"""MPCC's step in numbers: what the discriminator minimises, and the mixture's gradients, both from the
networks' outputs on.
"""

import copy

import pytest
import torch
from torch.distributions import Normal

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import mpcc

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
B, K, J = 8, 4, 6
SMALL = {"image_size": 8, "map_size": 8, "width": 1, "latent": J, "batch_size": B, "d_steps": 1}
MLP = {"networks": "mlp", "hidden": "16", "share_trunk": False}


def make(**overrides):
    """The paper's settings but for the sizes, in float64, with components that differ."""
    torch.manual_seed(0)
    values = {k: str(v) for k, v in (SMALL | overrides).items()}
    model = mpcc.MPCC(SPEC, config.resolve(mpcc.MPCC, SPEC, K, "paper", values)).double().train()
    with torch.no_grad():
        model.prior.v.copy_(torch.randn(K, J))
    return model


@pytest.mark.parametrize("networks", [{}, MLP], ids=["resnet", "mlp"])
def test_the_discriminator_minimises_the_hinge_of_real_and_of_generated_images(networks):
    model, real = make(**networks), torch.rand(B, 1, 8, 8, dtype=torch.float64)
    for p in model.discriminator.head.parameters():
        if p.ndim == 1:
            torch.nn.init.constant_(p, 1.0)  # some of the scores are beyond the margin
    reference = copy.deepcopy(model)
    torch.manual_seed(3)
    found = model.discriminator_loss(real)
    torch.manual_seed(3)
    with torch.no_grad():
        fake = reference.generator(*reference.prior.sample(B))
        # in one pass as well, since every pass moves the spectral norm
        on_real, on_fake = reference.discriminator(torch.cat([real, fake])).chunk(2)
    expected = sum(max(0.0, 1 - s) for s in on_real.tolist()) / B
    expected += sum(max(0.0, 1 + s) for s in on_fake.tolist()) / B
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_mixtures_gradient_beside_the_encoder_is_that_of_three_losses(monkeypatch):
    """L_E / values of an image + L_C + 0.01 L_3, the drawn z attached in L_E and in L_C, differentiated from
    densities of torch.distributions. Fully connected networks, as the same draws give them the same outputs.
    """
    model, seen = make(**MLP), []
    update = mpcc.update

    def spy(loss, *optimizers):
        if optimizers == (model.encoder_optimizer, model.prior_optimizer):
            expected = reference(seen.pop())
            update(loss, *optimizers)
            seen.append((expected, (model.prior.mu.grad.clone(), model.prior.v.grad.clone())))
        else:
            update(loss, *optimizers)
            if model.generator_optimizer in optimizers:  # what comes next draws from here on
                seen.append(torch.get_rng_state())

    def reference(state):
        after = torch.get_rng_state()
        torch.set_rng_state(state)
        y, noise = torch.randint(K, (B,)), torch.randn(B, J, dtype=torch.float64)
        torch.set_rng_state(after)
        mu, v = (p.detach().clone().requires_grad_() for p in model.prior.parameters())
        z = mu[y] + ((v[y] / 2).exp() + 0.5) * noise
        with torch.no_grad():
            m, l = model.encoder(model.generator(z, y))
        latent = -Normal(m, (l / 2).exp()).log_prob(z).sum() / B / 64
        component = Normal(mu, (v.exp() + 0.25).sqrt())
        cluster = -component.log_prob(z[:, None]).sum(2).log_softmax(1)[torch.arange(B), y].mean()
        entropy = Normal(0.0, (v / 2).exp()).entropy().mean()
        return torch.autograd.grad(latent + cluster - 0.01 * entropy, [mu, v])

    monkeypatch.setattr(mpcc, "update", spy)
    model.step(torch.rand(B, 1, 8, 8, dtype=torch.float64))
    ((expected, found),) = seen
    torch.testing.assert_close(found, expected)
