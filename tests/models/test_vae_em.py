"""VAE-EM: responsibilities against a softmax by hand, draws in proportion to them, and EM of Gaussians, which
is its special case.
"""

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import config
from benchmark.api import Action, DataSpec
from benchmark.errors import UserError
from benchmark.models import vae_em
from benchmark.running.train import Trainer

K, B, J, N = 3, 8, 2, 60
PLANE = DataSpec("some", (2,), None, N)


def make(**overrides):
    torch.manual_seed(0)
    text = {name: str(value) for name, value in {"latent": J, "batch_size": B, **overrides}.items()}
    return vae_em.VAEEM(PLANE, config.resolve(vae_em.VAEEM, PLANE, K, "smoke", text))


def points():
    return torch.rand(N, 2, generator=torch.Generator().manual_seed(1))


def drawn(model, x, times=400):
    """Shares (K, N) of the draws of each VAE that are the point n of x (N, 2), whose first value is n."""
    rows = torch.cat([model.draw_batches(x)[..., 0] for _ in range(times)], dim=1).long()
    return torch.stack([torch.bincount(row, minlength=N) / rows.shape[1] for row in rows])


def test_the_responsibilities_are_a_softmax_of_the_elbos():
    model, x = make(decoder_variance=1.0).double(), points().double()
    model.reassign(x, 0)
    elbo = model.elbo(x).detach().numpy()
    r = np.exp(elbo) / np.exp(elbo).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.alpha.numpy(), r.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.cumulative.numpy(), (r / r.sum(axis=0)).cumsum(axis=0).T, rtol=1e-6)
    assert model.assigned.tolist() == r.argmax(axis=1).tolist()
    np.testing.assert_allclose(model.log_assign(x).detach().exp().numpy(), r, rtol=1e-6)


def test_points_are_drawn_in_proportion():
    torch.manual_seed(0)
    model, x = make(batch_size=N), torch.arange(float(N))[:, None].expand(-1, 2)
    everything = torch.full((K, N), 1 / N)
    assert (drawn(model, x) - everything).abs().max() < 0.005  # before any E step; 4 standard deviations
    r = torch.rand(N, K).square()
    r[:20, 0] = 0
    model.weigh(r)
    found = drawn(model, x)
    assert (found - (r / r.sum(dim=0)).T).abs().max() < 0.007
    assert not found[0, :20].any()


def test_em_of_gaussians_is_a_special_case():
    """With constant decoders, and empty codes, ELBO_j(x) is log N(x; mu_j, s I) plus a constant."""
    s, size = 0.05, 40_000
    model, x = make(decoder_variance=s, batch_size=N).double(), points().double()
    mu = nn.Parameter(x[:K].clone())

    class Constant(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, stack):
            return self.value(stack)

    model.encoder = Constant(lambda stack: torch.zeros(*stack.shape[:2], 2 * J, dtype=torch.float64))
    model.decoder = Constant(lambda z: mu[:, None].expand(-1, z.shape[1], -1))
    model.vae_optimizer = torch.optim.SGD([mu], lr=s)  # one step goes to the mean of the points drawn
    expected = mu.detach().numpy().copy()
    for _ in range(4):
        model.reassign(x, 0)
        squares = ((x.numpy()[:, None] - expected) ** 2).sum(axis=2)
        r = np.exp(-squares / (2 * s))
        r /= r.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model.alpha.numpy(), r.mean(axis=0), atol=0.02)
        expected = r.T @ x.numpy() / r.sum(axis=0)[:, None]
        model.vae_step(torch.cat([model.draw_batches(x) for _ in range(size // N)], dim=1))
        np.testing.assert_allclose(mu.detach().numpy(), expected, atol=0.02)
    assert r.max(axis=1).mean() < 0.8  # soft enough to be told from k-means


def test_a_vae_without_points_waits_for_them():
    """From the start, when its Adam remembers nothing."""
    model, x = make(), points()
    weights = [p.clone() for p in model.encoder.parameters()]
    r = torch.full((N, K), 0.5)
    r[:, 1] = 0
    before = model.cumulative[1].clone()
    assert model.weigh(r) == 1
    assert model.active.tolist() == [1, 0, 1]
    torch.testing.assert_close(model.cumulative[1], before)
    model.vae_step(model.draw_batches(x))
    for old, new in zip(weights, model.encoder.parameters(), strict=True):
        assert torch.equal(old[1], new[1])
        assert not torch.equal(old[0], new[0])
    assert model.weigh(torch.full((N, K), 1 / K)) == 0
    assert model.active.tolist() == [1, 1, 1]


def test_what_adam_remembers_still_moves_a_vae_that_has_lost_its_points():
    model, x = make(), points()
    model.vae_step(model.draw_batches(x))
    r = torch.full((N, K), 0.5)
    r[:, 1] = 0
    model.weigh(r)
    weights = [p[1].clone() for p in model.encoder.parameters()]
    model.vae_step(model.draw_batches(x))
    for old, new in zip(weights, model.encoder.parameters(), strict=True):
        assert not new.grad[1].any()
        assert not torch.equal(old, new[1])


def test_the_order_of_training_and_where_it_starts():
    model, x = make(meta_iterations=2), points()
    assert [item.name for item in model.stages(x)] == [
        "share out",
        "pretrain",
        "mixture",
        "vaes",
        "reassign",
        "vaes",
        "reassign",
    ]
    model.start_from_mixture(x + torch.arange(N)[:, None] % K)
    owners = torch.eye(K)[model.assigned]
    torch.testing.assert_close(model.alpha, owners.mean(dim=0))
    found = torch.diff(model.cumulative, dim=1, prepend=torch.zeros(K, 1))
    torch.testing.assert_close(found, (owners / owners.sum(dim=0)).T.double())
    alike = make(start="competition", meta_iterations=1)
    assert "mixture" not in [item.name for item in alike.stages(x) if isinstance(item, Action)]


def test_it_has_no_discriminators():
    model = make()
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"encoder", "decoder"}
    with pytest.raises(UserError, match="density"):
        make(density="discriminator")


def test_it_finds_three_groups():
    generator = torch.Generator().manual_seed(2)
    group = torch.arange(N) % K
    x = group[:, None] + 0.1 * torch.randn(N, 2, generator=generator)
    model = make(pretrain_epochs=30, meta_iterations=3, vae_epochs=10, decoder_variance=0.05)
    Trainer(model, x, 0).run()
    owners = model.eval().log_assign(x).argmax(dim=1)
    assert sorted(owners[group == k].unique().tolist() for k in range(K)) == [[0], [1], [2]]
