"""ClusterGAN: its losses against float64 computations of their own, its gradients, rules, variants and
checks.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import _latent_gan, clustergan

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
K = 4
VARIANTS = ("clustergan", "infogan", "wgan_onehot", "wgan_normal")


SMALL = {
    "channels": "",
    "hidden": 16,
    "steps": 5,
    "decode": True,
    "decode_steps": 5,
    "lr": 1e-3,
    "critic_lr": 1e-3,
}
BATCH_NORM = {"loss": "nonsaturating", "critic_norm": "batch"}


def make(spec=SPEC, **overrides):
    """The paper's settings but for the size of the networks and the rates."""
    torch.manual_seed(0)
    texts = {k: str(v) for k, v in (SMALL | overrides).items()}
    resolved = config.resolve(clustergan.ClusterGAN, spec, K, "paper", texts)
    return clustergan.ClusterGAN(spec, resolved)


def points(n=200, seed=0):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


# Losses


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_generators_losses_equal_numpy(double):
    """-E D(G(z)), beta_n times the mean square over batch and dimensions, beta_c times the mean
    cross-entropy.
    """
    model = make(beta_n=7, beta_c=3).eval()
    before = copy.deepcopy(model)
    torch.manual_seed(5)
    losses = model.generator_step(40)
    torch.manual_seed(5)
    z, cluster = before.sample_prior(40)
    with torch.no_grad():
        x = before.generator(z)
        code, on_generated = before.encoder(x).numpy(), before.critic(x).numpy()
    d_n = model.config.latent
    log_softmax = code[:, d_n:] - np.log(np.exp(code[:, d_n:]).sum(axis=1, keepdims=True))
    assert losses["generator"].item() == pytest.approx(-on_generated.mean())
    assert losses["z_n"].item() == pytest.approx(
        7 * ((code[:, :d_n] - z[:, :d_n].numpy()) ** 2).sum() / (40 * d_n)
    )
    assert losses["z_c"].item() == pytest.approx(-3 * log_softmax[np.arange(40), cluster.numpy()].mean())


@pytest.mark.parametrize("per_batch", [False, True])
def test_the_critics_gradient_is_that_of_its_loss_and_of_the_weighted_penalty(double, per_batch):
    """E D(G(z)) - E D(x) + 7 E (|grad D(x^)| - 1)^2 with the interpolation given, differentiated sample by
    sample.
    """
    model, x = make(penalty=7, penalty_per_batch=per_batch), points(12).double()
    before = copy.deepcopy(model)
    torch.manual_seed(5)
    losses = model.critic_step(x)
    torch.manual_seed(5)
    generated = before.generator(before.sample_prior(12)[0]).detach()
    between = torch.lerp(generated, x, torch.rand(1 if per_batch else 12).view(-1, 1, 1, 1)).requires_grad_()
    slopes = [
        torch.autograd.grad(before.critic(between[[i]]), between, create_graph=True)[0] for i in range(12)
    ]
    penalty = 7 * torch.stack([(slope.norm() - 1) ** 2 for slope in slopes]).mean()
    critic = before.critic(generated).mean() - before.critic(x).mean()
    torch.testing.assert_close(losses, {"critic": critic, "penalty": penalty})
    # but for the head's bias, which moves both scores alike
    weights = lambda m: [*m.critic_trunk.parameters(), m.critic_head.weight]  # noqa: E731
    expected = torch.autograd.grad(critic + penalty, weights(before))
    torch.testing.assert_close([p.grad for p in weights(model)], list(expected))


def test_infogan_adds_the_cross_entropy_to_the_critics_step_as_well(double):
    model = make(variant="infogan", beta_c=3, critic_steps=1).eval()
    before, x = copy.deepcopy(model), points(40).double()
    torch.manual_seed(5)
    model.critic_step(x)
    torch.manual_seed(5)
    z, cluster = before.sample_prior(40)
    generated = before.generator(z).detach()
    cross_entropy = nn.functional.cross_entropy(before.code_head(before.critic_trunk(generated)), cluster)
    # nothing else reaches this head
    (expected,) = torch.autograd.grad(3 * cross_entropy, [before.code_head.weight])
    torch.testing.assert_close(model.code_head.weight.grad, expected)


# Training


def parts_changed_by(model, step):
    before = copy.deepcopy(dict(model.named_parameters()))
    step()
    return {name.split(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize("loss", ["wgan-gp", "hinge", "nonsaturating"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_each_step_changes_its_own_networks_alone(variant, loss):
    model = make(variant=variant, loss=loss)
    critic = {"critic_trunk", "critic_head"} | ({"code_head"} if variant == "infogan" else set())
    assert parts_changed_by(model, lambda: model.critic_step(points(40))) == critic
    inverse = {"generator"} | ({"encoder"} if variant == "clustergan" else set())
    assert parts_changed_by(model, lambda: model.generator_step(40)) == inverse
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for n, p in model.named_parameters()
        if n.split(".")[0] in inverse
    )


def test_batch_norm_takes_statistics_of_data_and_of_generated_points_apart(double):
    """The critic's loss is that of two networks which each see one kind."""
    model = make(**BATCH_NORM)
    before, x = copy.deepcopy(model), points(40).double()
    torch.manual_seed(5)
    loss = model.critic_step(x)["critic"].item()
    torch.manual_seed(5)
    generated = before.generator(before.sample_prior(40)[0]).detach()
    on_generated, on_data = (before.critic(part).detach().numpy() for part in (generated, x))
    assert loss == pytest.approx(np.log1p(np.exp(-on_data)).mean() + np.log1p(np.exp(on_generated)).mean())


@pytest.mark.parametrize("variant", VARIANTS)
def test_standing_statistics_are_those_of_training_points(variant):
    """Of every part that looks at data: its first batch norm then sees zero mean on them."""
    model = make(**BATCH_NORM, variant=variant, batch_size=50, hidden="16,16")
    x = points(800)
    next(item for item in model.stages(x) if item.name == "standing statistics").run()
    for trunk in (model.critic_trunk, *([model.encoder[0]] if variant == "clustergan" else [])):
        norm = next(i for i, layer in enumerate(trunk) if isinstance(layer, nn.BatchNorm1d))
        with torch.no_grad():
            features = trunk[:norm](x)
        torch.testing.assert_close(trunk[norm].running_mean, features.mean(dim=0), rtol=1e-3, atol=1e-6)


def test_batch_norm_in_the_critic_excludes_the_gradient_penalty():
    with pytest.raises(UserError, match="critic_norm=batch is for loss=hinge or nonsaturating"):
        make(critic_norm="batch")


def test_a_small_data_set_has_fewer_steps():
    model = make(steps=1000, epochs_at_most=2, critic_steps=1, batch_size=50)
    assert next(iter(model.stages(points(200)))).steps == 8


@pytest.mark.parametrize(("points_given", "critic_steps"), [(200, 5), (203, 5), (64, 1), (3, 5)])
def test_a_step_is_several_updates_of_the_critic_and_one_of_the_generator(points_given, critic_steps):
    model = make(critic_steps=critic_steps, batch_norm="false")
    seen = []
    model.critic_step = lambda x, original=model.critic_step: (seen.append(x), original(x))[1]
    x = points(points_given)
    losses = model.step(x)
    assert len(seen) == min(critic_steps, points_given)
    assert torch.equal(torch.cat(seen), x)  # every real point once
    assert set(losses) == {"critic", "penalty", "generator", "z_n", "z_c"}
    steps = [
        o.state[o.param_groups[0]["params"][0]]["step"].item()
        for o in (model.critic_optimizer, model.optimizer)
    ]
    assert steps == [len(seen), 1]


def test_one_interpolation_coefficient_per_sample_or_per_batch(monkeypatch):
    sizes, original = [], _latent_gan.gradient_penalty

    def spy(critic, x, generated, eps):
        sizes.append(len(eps))
        return original(critic, x, generated, eps)

    monkeypatch.setattr(_latent_gan, "gradient_penalty", spy)
    for per_batch in ("false", "true"):
        make(penalty_per_batch=per_batch).critic_step(points(40))
    assert sizes == [40, 1]


def test_both_adams_have_the_papers_betas_and_each_its_rate():
    model = make(lr=1e-3, critic_lr=2e-3)
    adams = [model.optimizer.defaults, model.critic_optimizer.defaults]
    assert [(a["lr"], a["betas"]) for a in adams] == [(1e-3, (0.5, 0.9)), (2e-3, (0.5, 0.9))]
    assert make(beta2=0.99).critic_optimizer.defaults["betas"] == (0.5, 0.99)


def test_the_critic_learns_to_be_high_on_data():
    model = make(lr=1e-3)
    for _ in range(60):
        losses = model.critic_step(0.2 * points(64))  # darker than what the generator starts with
    assert losses["critic"] < -0.05
    assert model.critic(0.2 * points(64)).mean() > model.critic(model.sample(64)).mean()


@pytest.mark.parametrize(("variant", "sigma"), [*zip(VARIANTS, (0.1, 1.0, 0.1, 0.15), strict=True)])
def test_the_prior(variant, sigma):
    model = make(variant=variant)
    z, cluster = model.sample_prior(20_000)
    free = model.config.latent + (K if variant == "wgan_normal" else 0)
    assert z.shape == (20_000, model.config.latent + K)
    assert z[:, :free].mean().item() == pytest.approx(0, abs=0.005 * sigma / 0.1)
    assert z[:, :free].std().item() == pytest.approx(sigma, rel=0.01)
    if variant != "wgan_normal":
        assert torch.equal(z[:, free:], nn.functional.one_hot(cluster, K).float())
        assert torch.allclose(cluster.bincount() / 20_000, torch.full((K,), 1 / K), atol=0.02)


# Assignment


@pytest.fixture(scope="module", params=[0.1, 0.5], ids=["paper", "quick"])
def toy(request):
    """A fixed random generator, and an encoder trained on it alone; with the sigma of the paper's budget, and
    with that of the smaller ones, with which units are converted.
    """
    model = make(latent=3, hidden=64, decode_steps=100, decode_penalty=0.1, sigma=request.param)
    toy = nn.Sequential(nn.Linear(3 + K, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    nn.init.normal_(toy[0].weight, std=3.0)
    model.generator = toy
    model.optimizer = torch.optim.Adam(model.encoder.parameters(), lr=3e-3)
    for _ in range(400):
        model.generator_step(128)
    model.eval()
    clusters = torch.arange(K).repeat(60)
    with torch.no_grad():
        z, _ = model.sample_prior(len(clusters), clusters)
        x = model.generator(z)
    torch.manual_seed(1)
    model.fit_kmeans(x)
    return model, x, z, clusters


def test_codes_have_z_n_in_units_in_which_sigma_is_a_tenth(toy):
    model, x, z, _ = toy
    z_n, logits = model.encode(x)
    expected = torch.cat([z_n / {0.1: 1, 0.5: 5}[model.sigma], logits.softmax(dim=1)], dim=1)
    torch.testing.assert_close(model.embed(x), expected)
    assert z[:, :3].std().item() == pytest.approx(model.sigma, rel=0.1)


def test_the_encoder_recovers_the_latents_of_a_toy_generator(toy):
    model, x, z, clusters = toy
    z_n, logits = model.encode(x)
    assert torch.equal(logits.argmax(dim=1), clusters)
    for j in range(3):
        assert np.corrcoef(z_n[:, j].detach(), z[:, j])[0, 1] > 0.95


def test_every_rule_finds_the_clusters_of_a_toy_generator_under_their_own_numbers(toy):
    """Also k-means, whose centres are numbered after the one-hots, so that samples of cluster i are assigned
    to i.
    """
    model, x, _, clusters = toy
    rules = model.assignments()
    assert list(rules) == ["argmax", "kmeans", "decode", "decode_kmeans", "kmeans_refit"]
    for name, rule in rules.items():
        assert rule(x).argmax(dim=1).tolist() == clusters.tolist(), name


def test_decoding_recovers_the_latents_of_a_toy_generator(toy):
    model, x, z, clusters = toy
    found = model.decode(x)
    assert torch.equal(found.restart, clusters)
    assert (found.z - z).abs().mean() < 0.03
    assert (model.generator(found.z) - x).abs().mean() < 0.01


def test_measurements_of_an_encoder_that_inverts_its_generator(toy):
    model, x, _, _ = toy
    torch.manual_seed(0)
    found = model.diagnose(x)
    assert found["z_n_error"] < 0.1
    assert found["decoded_as_encoded"] == 1.0
    assert found["encoded_error"] < 0.02
    assert found["decoded_error"] < 0.01
    assert found["decoded_clipped"] == 0  # the box is six sigma wide


def test_kmeans_centres_are_those_of_the_blobs_in_the_order_of_the_reference():
    g = torch.Generator().manual_seed(0)
    blobs = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    sample = (blobs[:, None] + 0.1 * torch.randn(4, 50, 2, generator=g)).flatten(0, 1)
    order = [2, 0, 3, 1]
    found = clustergan.kmeans_centres(sample, blobs[order] + 0.5, seed=0)
    torch.testing.assert_close(found, blobs[order], atol=0.1, rtol=0)
    assert clustergan.nearest(blobs, found).argmax(dim=1).tolist() == [order.index(i) for i in range(4)]


@pytest.mark.parametrize(
    ("variant", "with_decoding", "without"),
    [
        ("clustergan", "argmax kmeans decode decode_kmeans kmeans_refit", "argmax kmeans kmeans_refit"),
        ("infogan", "argmax kmeans decode decode_kmeans", "argmax kmeans"),
        ("wgan_onehot", "decode decode_kmeans kmeans", "kmeans"),
        ("wgan_normal", "decode_kmeans kmeans", "kmeans"),
    ],
)
def test_rules_of_every_variant(variant, with_decoding, without):
    for decode, names in (("true", with_decoding), ("false", without)):
        model = make(variant=variant, decode=decode)
        model.eval().fit_kmeans(points())
        rules, x = model.assignments(), points(30, 1)
        assert list(rules) == names.split()
        for name, rule in rules.items():
            assert rule(x).exp().sum(dim=1).tolist() == pytest.approx([1.0] * 30), name
        assert torch.equal(model.log_assign(x), next(iter(rules.values()))(x))
        assert model.sample(3, cluster=1).shape == model.reconstruct(x[:3]).shape == (3, 1, 8, 8)
        assert model.embed(x).shape[1] == model.centres.shape[1]
        model.diagnose(x)
        assert list(model.draw(x)) == ["reconstructions"]


def test_without_its_loss_z_n_is_left_out_of_codes_and_reconstructions():
    model = make(beta_n=0).eval()
    x = points(20)
    torch.testing.assert_close(model.embed(x), model.encode(x)[1].softmax(dim=1))
    with torch.no_grad():
        one_hot = nn.functional.one_hot(model.embed(x).argmax(dim=1), K).float()
        expected = model.generator(torch.cat([torch.zeros(20, model.config.latent), one_hot], dim=1))
    torch.testing.assert_close(model.reconstruct(x), expected)


# Networks and settings


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 30, 21), (2, 5, 4)])
def test_networks_fit_every_image_size(shape):
    spec = DataSpec("some", shape, (0.0, 1.0), 100)
    model = make(spec, channels="4,6")
    assert model.sample(3).shape == (3, *shape)
    assert model.embed(torch.rand(3, *shape)).shape == (3, model.config.latent + K)
    model.step(torch.rand(20, *shape))


def test_the_papers_networks_for_mnist():
    spec = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)
    model = clustergan.ClusterGAN(spec, config.resolve(clustergan.ClusterGAN, spec, 10, "paper", {}))
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    trunk = (16 * 64 + 64) + (64 * 16 * 128 + 128) + (6272 * 1024 + 1024)
    assert count(model.critic_trunk) + count(model.critic_head) == trunk + 1025
    assert count(model.encoder) == trunk + 40 * 1025
    batch_norms = 2 * (1024 + 128 + 64)
    convolutions = (128 * 16 * 64 + 64) + (64 * 16 + 1)
    assert count(model.generator) == 41 * 1024 + 1025 * 6272 + convolutions + batch_norms
    assert (model.config.steps, model.config.critic_steps, model.config.batch_size) == (500_000, 5, 64)


def test_unbounded_vectors_are_generated_without_a_squashing_output():
    spec = DataSpec("some", (5,), None, 100)
    model = make(spec)
    nn.init.constant_(model.generator[-2].bias, 7.0)
    assert model.sample(10).mean().item() == pytest.approx(7.0, abs=1.0)


@pytest.mark.parametrize(
    "override",
    [
        {"latent": 0},
        {"hidden": ""},
        {"channels": "0"},
        {"critic_steps": 0},
        {"decode_lr": 0},
        {"decode_box": -1},
    ],
)
def test_settings_out_of_range(override):
    with pytest.raises(UserError, match=r"at least 1|positive"):
        make(**override)


def test_tiny_images_are_refused():
    assert "4x4" in clustergan.ClusterGAN.skip_reason(DataSpec("some", (1, 3, 9), (0.0, 1.0), 100))
