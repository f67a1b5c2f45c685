"""kVAEs: the competition against brute force, k-means as its special case."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import config
from benchmark.api import Action, DataSpec, Stage
from benchmark.data import data_spec
from benchmark.errors import UserError
from benchmark.evaluation.collapse import diagnose
from benchmark.models import kvaes
from benchmark.registry import Registry
from benchmark.running.train import Trainer
from benchmark.seeding import start

K, B, J, N = 3, 8, 2, 60
PLANE = DataSpec("some", (2,), None, N)
IMAGES = DataSpec("some", (1, 9, 8), (0.0, 1.0), N)


def make(spec=PLANE, k=K, **overrides):
    torch.manual_seed(0)
    competition = {"start": "competition", "density": "discriminator"}
    overrides = {"latent": J, "batch_size": B, **competition, **overrides}
    text = {n: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for n, v in overrides.items()}
    return kvaes.KVAEs(spec, config.resolve(kvaes.KVAEs, spec, k, "smoke", text))


def points(spec=PLANE, n=N):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, *spec.shape, generator=generator)


# the competition


class Logits(nn.Module):
    """Discriminators whose logits are a given function of the points (K, B, D)."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)[..., None]


def fixed_logits(model, x, logits):
    """Let the discriminators of `model` give logits (N, K) at the points x (N, 2)."""
    model.discriminator = Logits(lambda stack: logits[torch.cdist(stack[0], x).argmin(dim=1)].T)


def test_reassignment_against_brute_force():
    model, x = make(), points()
    logits = 5 * torch.randn(N, K)
    fixed_logits(model, x, logits)
    model.reassign(x, 0)
    d = [[1 / (1 + math.exp(-v)) for v in row] for row in logits.tolist()]
    owner = [max(range(K), key=lambda j, row=row: (1 - row[j]) / row[j]) for row in d]
    assert model.assigned.tolist() == owner
    for j in range(K):
        part = [i for i in range(N) if owner[i] == j]
        assert model.parts[j, : model.sizes[j]].tolist() == part
        assert model.alpha[j].item() == pytest.approx(len(part) / N)
    assert model.alpha.sum().item() == pytest.approx(1)
    assert model.moved[0] == 1
    fixed_logits(model, x, torch.where(torch.arange(N)[:, None] < 6, logits.roll(1, dims=1), logits))
    model.reassign(x, 1)
    assert model.moved[1].item() == pytest.approx(6 / N)
    torch.testing.assert_close(model.alphas[1], model.alpha)


def test_saturated_discriminators_still_decide():
    """In single precision D is 0 or 1 at all of these logits; the logits themselves are not equal."""
    model, x = make(), points()
    fixed_logits(model, x, torch.tensor([300.0, 299.0, 301.0]).repeat(N, 1))
    model.reassign(x, 0)
    assert model.assigned.unique().tolist() == [1]


def test_batches_come_from_the_parts_in_equal_shares():
    model, x = make(batch_size=N), torch.arange(2.0 * N).view(N, 2)
    fixed_logits(model, x, -torch.eye(K)[torch.arange(N) % 5 % K])
    model.reassign(x, 0)
    drawn = torch.cat([model.draw_batches(x) for _ in range(300)], dim=1)
    for j in range(K):
        values, counts = drawn[j, :, 0].unique(return_counts=True)
        part = [i for i in range(N) if i % 5 % K == j]
        assert (values / 2).long().tolist() == part
        expected = drawn.shape[1] / len(part)
        assert ((counts - expected) ** 2 / expected).sum() < 2 * len(part)  # chi-squared, mean len(part) - 1


def test_stored_bytes_are_scaled():
    model, x = make(IMAGES), (points(IMAGES) * 255).to(torch.uint8)
    model.share_out(N)
    batch = model.draw_batches(x)
    assert batch.shape == (K, B, 72)
    assert {tuple(p.tolist()) for p in batch.flatten(0, 1)} <= {
        tuple(p.tolist()) for p in x.float().div(255).flatten(1)
    }


@pytest.mark.parametrize(("min_share", "kept", "active"), [(0, 1, 0.0), (0.5, 2, 1.0)])
def test_empty_parts_and_load_balancing(min_share, kept, active):
    """VAE 0 gets nothing and VAE 1 a tenth of an equal share; a part that is kept is the one before."""
    model, x = make(min_share=min_share), points()
    fixed_logits(model, x, -torch.eye(K)[torch.arange(N) % 3])
    model.reassign(x, 0)
    assert model.kept[0] == 0
    fixed_logits(model, x, -torch.eye(K)[torch.where(torch.arange(N) < 2, 1, 2)])
    model.reassign(x, 1)
    assert model.kept[1] == kept
    assert model.active.tolist() == [active, 1, 1]
    assert model.parts[0, : model.sizes[0]].tolist() == list(range(0, N, 3))
    assert model.sizes.tolist() == [20, 20 if min_share else 2, 58]
    # the mixture itself is not balanced
    torch.testing.assert_close(model.alpha, torch.tensor([0, 2, 58]) / N)
    fixed_logits(model, x, -torch.eye(K)[torch.arange(N) % 3])
    model.reassign(x, 2)
    assert model.active.tolist() == [1, 1, 1]
    assert diagnose(model, x, 0)["parts_kept"] == kept


def test_bags_are_drawn_with_replacement():
    model = make(pretrain_on="bags")
    next(iter(model.stages(points()))).run()
    assert model.sizes.tolist() == [N // K] * K
    bags = model.parts[:, : N // K]
    assert bags.min() >= 0
    assert bags.max() < N
    assert len({tuple(bag.tolist()) for bag in bags}) == K
    assert any(len(bag.unique()) < N // K for bag in bags)


def test_the_order_of_training():
    """Steps per stage as the numbers of epochs say: 2 epochs, 60 points, 3 VAEs, batches of 8."""
    plan = list(make(meta_iterations=2).stages(points()))
    names = [
        "share out",
        "pretrain",
        "vaes",
        "discriminators",
        "reassign",
        "vaes",
        "reset",
        "discriminators",
        "reassign",
    ]
    assert [item.name for item in plan] == names
    steps = {item.name: item.steps for item in plan if isinstance(item, Stage)}
    assert steps == {"pretrain": 15, "vaes": 5, "discriminators": 15}
    plan = list(make(meta_iterations=1, density="elbo").stages(points()))
    assert [item.name for item in plan if isinstance(item, Action)] == ["share out", "reassign"]
    plan = list(make(meta_iterations=1, discriminator_epochs=0).stages(points()))
    assert next(item.steps for item in plan if item.name == "discriminators") == 1


def test_few_points_are_trained_on_for_the_least_number_of_steps():
    plan = list(make(meta_iterations=1, min_pretrain_steps=70, min_vae_steps=50).stages(points()))
    steps = {item.name: item.steps for item in plan if isinstance(item, Stage)}
    assert (steps["pretrain"], steps["vaes"]) == (70, 50)


def test_the_parts_start_as_the_clusters_of_all_vaes_codes():
    """Three groups that no single VAE's code tells apart: VAE 0 sees one border between them and VAE 1 the
    other.
    """
    model, x = make(start="mixture", mixture_fits=5, meta_iterations=1), points()
    assert [item.name for item in model.stages(x)][:4] == ["share out", "pretrain", "mixture", "vaes"]
    group = torch.arange(N) % 3
    x = group[:, None] + 0.01 * points()

    class OneBorderEach(nn.Module):
        def forward(self, stack):
            borders = torch.stack(
                [(stack[0, :, 0] > 0.5).float(), (stack[1, :, 0] > 1.5).float(), torch.zeros(len(stack[2]))]
            )
            noise = 0.01 * (stack - stack.round())
            return torch.cat([5 * borders[..., None] + noise, torch.zeros_like(noise)], dim=2)

    model.encoder = OneBorderEach()
    model.start_from_mixture(x)
    owners = [model.assigned[group == i].unique().tolist() for i in range(3)]
    assert sorted(owners) == [[0], [1], [2]]
    for j in range(K):
        assert model.parts[j, : model.sizes[j]].tolist() == (model.assigned == j).nonzero()[:, 0].tolist()
    torch.testing.assert_close(model.alpha, torch.full((K,), 1 / 3))


def test_k_means_is_a_special_case():
    """Appendix C of the paper: with a constant encoder without variance, an identity decoder and ideal
    discriminators every meta-iteration is one of Lloyd's algorithm."""
    variance = 1e-6
    model, x = make(k=K, decoder_variance=variance).double(), points().double()
    x += 0.4 * torch.eye(3, 2).double()[torch.arange(N) % 3]
    centres = nn.Parameter(x[:9:3].clone())  # all of one group

    class ConstantEncoder(nn.Module):
        def forward(self, stack):
            m = centres[:, None].expand(-1, stack.shape[1], -1)
            return torch.cat([m, torch.full_like(m, -80.0)], dim=2)

    model.encoder, model.decoder = ConstantEncoder(), nn.Identity()
    # D = p_data / (p_data + p_g) with p_g = N(centre, I) and any p_data, so the logit is log p_data - log p_g
    model.discriminator = Logits(
        lambda s: s.sin().sum(dim=2) + 0.5 * (s - centres[:, None]).square().sum(dim=2)
    )
    # one such step goes to the minimum of the squared error and the weak pull of the prior, a quadratic
    # function
    model.vae_optimizer = torch.optim.SGD([centres], lr=1 / (1 / variance + 1))

    lloyd = centres.detach().numpy().copy()
    changed = []
    for _ in range(6):
        model.reassign(x, 0)
        owner = ((x.numpy()[:, None] - lloyd) ** 2).sum(axis=2).argmin(axis=1)
        assert model.assigned.tolist() == owner.tolist()
        changed.append(model.moved[0].item())
        for j in range(K):
            model.active.copy_(torch.eye(K)[j])
            model.vae_step(x[model.parts[j, : model.sizes[j]].long()].expand(K, -1, -1))
            lloyd[j] = x.numpy()[owner == j].mean(axis=0)
        np.testing.assert_allclose(centres.detach().numpy(), lloyd, rtol=1e-5)
    assert changed[1] > 0  # it was not at its end from the start


# what the trained model can do


def test_the_rules_and_the_owner_of_a_point():
    model, x = make(), points()
    with torch.no_grad():
        rules = model.assignments()
        torch.testing.assert_close(rules["default"](x), model.log_ratio(x).log_softmax(dim=1))
        torch.testing.assert_close(rules["elbo"](x), model.elbo(x).log_softmax(dim=1))
        owner = model.log_assign(x).argmax(dim=1)
        m = model.encode(model.stack(x))[0]
        means = model.decode(m)
        for i in range(N):
            torch.testing.assert_close(model.embed(x)[i], m[owner[i], i])
            torch.testing.assert_close(model.reconstruct(x)[i], means[owner[i], i])
    competed_by_elbo = make(density="elbo")
    torch.testing.assert_close(competed_by_elbo.log_density(x), competed_by_elbo.elbo(x))
    alone = make(meta_iterations=0)
    torch.testing.assert_close(alone.log_density(x), alone.elbo(x))


def test_samples_come_from_their_vae_by_mixing_weight():
    model = make()
    model.alpha.copy_(torch.tensor([0.2, 0.0, 0.8]))
    offset = torch.tensor([[100.0], [200.0], [300.0]])[:, None]
    # (K, B, 1) near the offsets
    model.decoder = nn.Sequential(model.decoder, Logits(lambda s: s[..., 0] + offset[..., 0]))
    model.data = DataSpec("some", (1,), None, N)
    with torch.no_grad():
        found = (model.sample(2000) / 100).round().flatten().tolist()
        assert set(found) == {1, 3}
        assert found.count(3) / 2000 == pytest.approx(0.8, abs=0.04)
        assert ((model.sample(700, cluster=1) / 100).round() == 2).all()


def test_one_cluster_is_a_plain_vae():
    model, x = make(k=1, meta_iterations=0), points()
    Trainer(model, x, 0).run()
    assert model.log_assign(x).tolist() == [[0.0]] * N
    assert model.sample(5).shape == (5, 2)


@pytest.mark.parametrize(
    "override",
    [
        {"latent": 0},
        {"hidden": (5, 0)},
        {"meta_iterations": -1},
        {"min_share": 1.5},
        {"lr": 0},
        {"decoder_variance": -1},
    ],
)
def test_settings_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)


def test_no_convolutions_of_vectors():
    with pytest.raises(UserError, match="filters are for images, some has vectors"):
        make(filters=(4, 8))


def test_the_papers_modes_keep_the_competition_where_other_vectors_start_from_a_mixture():
    for name, found in (("modes5", ("competition", "discriminator")), ("some", ("mixture", "elbo"))):
        spec = DataSpec(name, (2,), None, N)
        for budget in ("hour", "quick"):
            c = config.resolve(kvaes.KVAEs, spec, K, budget, {})
            assert (c.start, c.density) == found


@pytest.mark.slow
def test_competing_vaes_fit_five_modes_better_than_one_larger_vae(tmp_path):
    """The paper's comparison at the quick budget, with as many steps for the one as for each of the five."""
    dataset = Registry().dataset("modes5", tmp_path)
    spec, x = data_spec(dataset), torch.from_numpy(dataset.x("all"))
    found = []
    for overrides in (
        {},
        {"n_clusters": "1", "hidden": "150,150", "meta_iterations": "0", "pretrain_epochs": "1.3"},
    ):
        start(0, "init")
        model = kvaes.KVAEs(spec, config.resolve(kvaes.KVAEs, spec, 5, "quick", overrides))
        Trainer(model, x, 0).run()
        found.append(diagnose(model, x, 0)["kde_log_likelihood"])
    assert found[0] > found[1] + 0.2
