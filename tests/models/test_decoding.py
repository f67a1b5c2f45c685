"""Backprop decoding: known latents of known generators, the box, and the batched decoder against a plain
loop.
"""

import importlib

import pytest
import torch
from torch import nn

d = importlib.import_module("benchmark.models._decoding")

K, D_N, PIXELS = 4, 3, 20
SETTINGS = {"loss": d.released_loss, "penalty": 0.0, "steps": 60, "lr": 0.01, "box": 0.6}


def linear_generator(seed=0):
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(D_N + K, PIXELS, generator=g, dtype=torch.float64)
    return lambda z: z @ weight


def network_generator():
    """A random network in float64, batch norm in eval mode, one-hots that matter."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(D_N + K, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Linear(32, PIXELS), nn.Sigmoid()
    )
    net.double()(torch.randn(100, D_N + K, dtype=torch.float64))  # running averages that are not 0 and 1
    with torch.no_grad():
        net[0].weight *= 2
        net[3].weight *= 3
    return net.eval()


GENERATORS = {"linear": linear_generator, "network": network_generator}


def truth(generator, n=24, seed=1):
    """Latents of the prior and what the generator makes of them."""
    g = torch.Generator().manual_seed(seed)
    z_n = 0.1 * torch.randn(n, D_N, generator=g, dtype=torch.float64)
    k = torch.randint(K, (n,), generator=g)
    z = torch.cat([z_n, torch.eye(K, dtype=torch.float64)[k]], dim=1)
    with torch.no_grad():
        return z, k, generator(z)


def start(seed=2):
    g = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(K, D_N, generator=g, dtype=torch.float64), torch.eye(K, dtype=torch.float64)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("loss", d.LOSSES)
def test_known_latents_are_recovered_with_the_right_one_hot(name, loss):
    generator = GENERATORS[name]()
    z, k, x = truth(generator)
    found = d.decode(
        generator, x, *start(), **{**SETTINGS, "loss": d.LOSSES[loss], "steps": 250, "lr": 0.006}
    )
    assert found.restart.tolist() == k.tolist()
    assert torch.equal(found.z[:, D_N:], z[:, D_N:])
    torch.testing.assert_close(found.z[:, :D_N], z[:, :D_N], atol=0.015, rtol=0)


def test_the_whole_latent_of_a_normal_prior_is_recovered():
    generator = linear_generator()
    g = torch.Generator().manual_seed(3)
    z = 0.15 * torch.randn(10, D_N + K, generator=g, dtype=torch.float64)
    free = 0.15 * torch.randn(K, D_N + K, generator=g, dtype=torch.float64)
    settings = {**SETTINGS, "steps": 250, "lr": 0.006, "box": 1.0}
    found = d.decode(generator, generator(z), free, free.new_zeros(K, 0), **settings)
    torch.testing.assert_close(found.z, z, atol=0.015, rtol=0)


def plain_loop(generator, x, starts, fixed, loss, penalty, steps, lr, box):
    """Algorithm 2, one point and one restart at a time, with an Adam of its own."""
    zs, losses, restarts = [], [], []
    for point in x:
        best = None
        for s in range(len(starts)):
            z_n = starts[s].clone().requires_grad_()
            adam = torch.optim.Adam([z_n], lr=lr, betas=(0.9, 0.999), eps=1e-8)

            def value(z_n=z_n, s=s, point=point):
                difference = (generator(torch.cat([z_n, fixed[s]])[None])[0] - point).abs()
                if loss == "released":
                    return difference.mean() + penalty * z_n.square().mean()
                return difference.sum() + penalty * torch.linalg.vector_norm(z_n)

            for _ in range(steps):
                adam.zero_grad()
                value().backward()
                adam.step()
                with torch.no_grad():
                    z_n.clamp_(-box, box)
            final = value().item()
            if best is None or final < best[0]:
                best = final, torch.cat([z_n.detach(), fixed[s]]), s
        losses.append(best[0])
        zs.append(best[1])
        restarts.append(best[2])
    return torch.stack(zs), torch.tensor(losses, dtype=torch.float64), torch.tensor(restarts)


@pytest.mark.parametrize("loss", d.LOSSES)
@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_the_batched_decoder_equals_a_plain_loop(loss, rows):
    generator = network_generator()
    x = torch.rand(4, PIXELS, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    settings = {"penalty": 0.3, "steps": 15, "lr": 0.02, "box": 0.3}
    found = d.decode(generator, x, *start(), loss=d.LOSSES[loss], rows=rows, **settings)
    z, losses, restarts = plain_loop(generator, x, *start(), loss, **settings)
    assert found.restart.tolist() == restarts.tolist()
    torch.testing.assert_close(found.z, z, atol=1e-9, rtol=0)
    torch.testing.assert_close(found.loss, losses, atol=1e-9, rtol=0)


def test_latents_never_leave_the_box():
    """Also when the optimum lies far outside, and during the descent, not at its end alone."""
    inner, seen = linear_generator(), []

    def generator(z):
        seen.append(z[:, :D_N].abs().max().item())
        return inner(z)

    z = torch.cat(
        [torch.full((5, D_N), 3.0, dtype=torch.float64), torch.eye(K, dtype=torch.float64)[[0, 1, 2, 3, 0]]],
        dim=1,
    )
    found = d.decode(generator, inner(z), *start(), **{**SETTINGS, "lr": 0.05, "steps": 60})
    assert max(seen) <= 0.6
    assert found.z[:, :D_N].max() == 0.6


def test_the_best_restart_has_the_lowest_loss_of_all():
    generator = network_generator()
    x = torch.rand(6, PIXELS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    starts, fixed = start()
    each = [d.decode(generator, x, starts[s : s + 1], fixed[s : s + 1], **SETTINGS).loss for s in range(K)]
    found = d.decode(generator, x, starts, fixed, **SETTINGS)
    lowest, index = torch.stack(each).min(dim=0)
    torch.testing.assert_close(found.loss, lowest)
    assert found.restart.tolist() == index.tolist()


def test_points_do_not_influence_each_other():
    generator = network_generator()
    _, _, x = truth(generator, n=5)
    together = d.decode(generator, x, *start(), **SETTINGS)
    alone = [d.decode(generator, p[None], *start(), **SETTINGS) for p in x]
    torch.testing.assert_close(together.z, torch.cat([a.z for a in alone]), atol=1e-9, rtol=0)


def test_no_gradients_of_weights_and_usable_without_gradients():
    generator = network_generator()
    with torch.no_grad():
        found = d.decode(generator, torch.rand(2, PIXELS, dtype=torch.float64), *start(), **SETTINGS)
    assert all(p.grad is None for p in generator.parameters())
    assert not found.z.requires_grad
    assert not found.loss.requires_grad


def test_losses_by_hand():
    generated, x = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[0.0, 2.0, 5.0, 4.0]])
    z_n = torch.tensor([[0.3, -0.4]])
    assert d.released_loss(generated, x, z_n, 10.0).item() == pytest.approx(3 / 4 + 10 * 0.25 / 2)
    assert d.paper_loss(generated, x, z_n, 10.0).item() == pytest.approx(3 + 10 * 0.5)


def test_the_printed_loss_has_a_finite_gradient_at_zero():
    z_n = torch.zeros(1, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(d.paper_loss(torch.ones(1, 4), torch.zeros(1, 4), z_n, 1.0).sum(), z_n)
    assert gradient.tolist() == [[0.0, 0.0]]


def test_the_same_points_are_decoded_once():
    calls = []

    def function(x):
        calls.append(len(x))
        return d.Decoded(x, x, x)

    remembered = d.once_in_a_row(function)
    a, b = torch.rand(3, 2), torch.rand(3, 2)
    results = [remembered(p).z for p in (a, a.clone(), b, a)]
    assert len(calls) == 3
    assert torch.equal(results[1], a)
    assert torch.equal(results[2], b)
    assert torch.equal(results[3], a)
