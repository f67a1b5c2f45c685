"""Networks side by side in one tensor: against a loop over ordinary torch layers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import _stacked, kvaes

K, B, J, N = 3, 8, 2, 60
PLANE = DataSpec("some", (2,), None, N)
IMAGES = DataSpec("some", (1, 9, 8), (0.0, 1.0), N)


def unstacked(stack, j):
    """Network j of a stack as ordinary torch layers, whose weights are copies."""
    layers = []
    for layer in stack:
        if (name := type(layer).__name__) == "StackedLinear":
            copy = nn.Linear(*layer.weight.shape[1:])
            values = {"weight": layer.weight[j].T, "bias": layer.bias[j, 0]}
        elif name in ("Conv2d", "ConvTranspose2d", "BatchNorm2d"):
            channels = lambda n: n // K  # noqa: E731
            if name == "BatchNorm2d":
                copy = nn.BatchNorm2d(channels(layer.num_features))
            elif name == "Conv2d":
                copy = nn.Conv2d(channels(layer.in_channels), channels(layer.out_channels), 4, 2, 1)
            else:
                copy = nn.ConvTranspose2d(
                    channels(layer.in_channels),
                    channels(layer.out_channels),
                    4,
                    2,
                    1,
                    output_padding=layer.output_padding,
                )
            values = {n: p.chunk(K)[j] for n, p in layer.named_parameters()}
        elif name == "ToChannels":
            copy, values = nn.Unflatten(1, layer.shape), {}
        elif name == "FromChannels":
            copy, values = nn.Flatten(1), {}
        else:
            copy, values = type(layer)(), {}
        with torch.no_grad():
            for n, value in values.items():
                getattr(copy, n).copy_(value)
        layers.append(copy)
    return nn.Sequential(*layers)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("spec", [PLANE, IMAGES], ids=["linear", "convolutional"])
def test_three_batched_steps_equal_a_loop_over_the_networks(spec, double):
    """Values of losses, weights after steps of Adam, running statistics; with 9x8 images, so that a size is
    odd. Each discriminator sees the same points against its VAE's samples, decoded with the running
    statistics.
    """
    filters = {"filters": "4,8,8", "discriminator_filters": "4,8"} if spec is IMAGES else {}
    settings = {"latent": str(J), "batch_size": str(B), "hidden": "5,6", "lr": "0.01", **filters}
    torch.manual_seed(0)
    model = kvaes.KVAEs(spec, config.resolve(kvaes.KVAEs, spec, K, "smoke", settings)).train()
    model.vae_optimizer = torch.optim.Adam(
        [*model.encoder.parameters(), *model.decoder.parameters()], 0.01, (0.5, 0.999)
    )
    model.discriminator_optimizer = torch.optim.Adam(model.discriminator.parameters(), 0.01, (0.5, 0.999))
    loops = [(unstacked(model.encoder, j), unstacked(model.decoder, j)) for j in range(K)]
    critics = [unstacked(model.discriminator, j) for j in range(K)]
    adams = [torch.optim.Adam([*e.parameters(), *d.parameters()], 0.01, (0.5, 0.999)) for e, d in loops]
    critic_adams = [torch.optim.Adam(critic.parameters(), 0.01, (0.5, 0.999)) for critic in critics]
    for step in range(3):
        x = torch.rand(K, B, spec.dim)
        torch.manual_seed(step)
        found = model.vae_step(x)
        torch.manual_seed(step)
        noise, losses = torch.randn(K, B, J), []
        for j, (encoder, decoder) in enumerate(loops):
            m, l = encoder(x[j]).chunk(2, dim=1)
            output = decoder(m + noise[j] * (l / 2).exp())
            if model.bounded:
                nll = F.binary_cross_entropy_with_logits(output, x[j], reduction="none").sum(dim=1)
            else:
                nll = (output - x[j]).square().sum(dim=1) / (2 * model.config.decoder_variance)
            losses.append((nll + 0.5 * (l.exp() + m**2 - 1 - l).sum(dim=1)).mean())
            adams[j].zero_grad()
            losses[-1].backward()
            adams[j].step()
        torch.testing.assert_close(found["nelbo"], torch.stack(losses).mean())
        real = torch.rand(B, *spec.shape)
        torch.manual_seed(10 + step)
        found = model.discriminator_step(real)
        model.train()  # as the trainer does before every stage
        torch.manual_seed(10 + step)
        noise, losses = torch.randn(K, B, J), []
        for j, ((_, decoder), critic) in enumerate(zip(loops, critics, strict=True)):
            with torch.no_grad():
                fake = decoder.eval()(noise[j])
            decoder.train()
            fake = fake.sigmoid() if model.bounded else fake
            on_real, on_fake = critic(real.flatten(1)).sigmoid(), critic(fake).sigmoid()
            losses.append(-on_real.log().mean() - (1 - on_fake).log().mean())
            critic_adams[j].zero_grad()
            losses[-1].backward()
            critic_adams[j].step()
        torch.testing.assert_close(found["discriminator"], torch.stack(losses).mean())
    model.eval()
    x = torch.rand(B, *spec.shape)
    m, _ = model.encode(model.stack(x))
    for j, (encoder, decoder) in enumerate(loops):
        alone = encoder.eval()(x.flatten(1))[:, :J]
        torch.testing.assert_close(m[j], alone)
        torch.testing.assert_close(model.decoder(m)[j], decoder.eval()(alone))
        torch.testing.assert_close(model.log_ratio(x)[:, j], -critics[j](x.flatten(1))[:, 0])


def test_networks_of_a_stack_start_like_torch_layers_and_differ():
    layer = _stacked.StackedLinear(50, 25, 40)
    bound = 1 / math.sqrt(25)
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not torch.equal(layer.weight[0], layer.weight[1])


def test_as_many_convolutions_as_leave_a_pixel():
    shapes = _stacked.conv_shapes
    assert shapes((1, 28, 28), (8, 16, 32, 64)) == [
        (1, 28, 28),
        (8, 14, 14),
        (16, 7, 7),
        (32, 3, 3),
        (64, 1, 1),
    ]
    assert shapes((3, 9, 8), (8, 16, 32, 64)) == [(3, 9, 8), (8, 4, 4), (16, 2, 2), (32, 1, 1)]
