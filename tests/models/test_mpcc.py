"""MPCC: who updates what, what an iteration is, images of other sizes, and a whole run."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import adjusted_rand_score
from torch.distributions import Normal
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import mpcc
from benchmark.running.train import Trainer
from benchmark.seeding import start

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
K, J = 4, 6

SMALL = {"image_size": 8, "map_size": 8, "width": 1, "latent": J, "batch_size": 8, "d_steps": 4, "e_steps": 4}


def make(spec=SPEC, budget="paper", **overrides):
    torch.manual_seed(0)
    values = {k: str(v) for k, v in ((SMALL if budget == "paper" else {}) | overrides).items()}
    return mpcc.MPCC(spec, config.resolve(mpcc.MPCC, spec, K, budget, values)).train()


# --- the iteration
# ----------------------------------------------------------------------------------------------------


@pytest.fixture
def spied(monkeypatch):
    """A model, and a list of (optimizers, names of parameters that got a gradient, names of parameters that
    moved).
    """
    model = make()
    names = {"generator", "discriminator", "encoder", "prior"}
    optimizers = {getattr(model, f"{name}_optimizer"): name for name in names}
    seen = []
    real = mpcc.update

    def update(loss, *used):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        for p in model.parameters():
            p.grad = None
        real(loss, *used)
        gradients = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        seen.append(([optimizers[o] for o in used], gradients, moved))

    monkeypatch.setattr(mpcc, "update", update)
    return model, seen


def test_who_updates_what(spied):
    model, seen = spied
    # components as different as in the middle of a run: at first some gradients are nearly nothing
    with torch.no_grad():
        model.prior.v.copy_(torch.randn(K, J))
        # real images are beyond the hinge: else this bias has no gradient
        model.discriminator.head.linear.bias.fill_(3.0)
    for _ in range(3):
        model.step(torch.rand(32, 1, 8, 8))
    updates = seen[-9:]
    assert [used for used, _, _ in updates] == (
        [["discriminator"]] * 4 + [["generator", "prior"]] + [["encoder", "prior"]] + [["encoder"]] * 3
    )
    every = {n for n, _ in model.named_parameters()}
    of = lambda *parts: {n for n in every if n.split(".")[0] in parts}  # noqa: E731
    trunk = {n for n in every if n.startswith("discriminator.trunk")}  # the encoder's too
    assert trunk
    for used, gradients, moved in updates:
        expected = of(*used) | (trunk if "encoder" in used else set())
        assert gradients == expected, used
        assert moved == expected, used
    assert not any(n.startswith("ema_generator") for _, gradients, moved in seen for n in gradients | moved)


def test_two_prior_updates_share_one_state():
    model = make()
    for _ in range(3):
        model.step(torch.rand(32, 1, 8, 8))
    steps = {
        name: {int(s["step"]) for s in getattr(model, f"{name}_optimizer").state.values()}
        for name in ("generator", "discriminator", "encoder", "prior")
    }
    assert steps == {"generator": {3}, "discriminator": {12}, "encoder": {12}, "prior": {6}}
    assert model.iteration.item() == 3


def test_the_target_of_the_encoder_is_not_detached():
    """d/d(mu) of loss II's latent part comes through the drawn z alone: the images are generated without
    gradient.
    """
    model = make()
    torch.manual_seed(1)
    for _ in range(100):
        # The power iterations converge, so that the same draws give the same images below.
        model.encoder_losses()
    torch.manual_seed(1)
    latent, cluster, _ = model.encoder_losses()
    found = torch.autograd.grad(latent, model.prior.mu, retain_graph=True)[0]
    assert torch.autograd.grad(cluster, model.prior.v)[0].abs().sum() > 0
    torch.manual_seed(1)
    z, y = model.prior.sample(8)
    with torch.no_grad():
        m, l = model.encoder(model.generator(z, y))
        expected = torch.zeros_like(found).index_add(0, y, (z - m) * (-l).exp() / 8 / 64)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_an_encoder_with_a_trunk_of_its_own():
    model = make(share_trunk=False)
    assert not {id(p) for p in model.encoder.parameters()} & {id(p) for p in model.discriminator.parameters()}
    own = {n for n, _ in model.named_parameters() if n.startswith("encoder.trunk")}
    assert len(own) == len(list(model.discriminator.trunk.parameters()))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.step(torch.rand(32, 1, 8, 8))
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters() if n in own)


SMALL_NETWORKS = {
    "dcgan": {"networks": "dcgan", "loss": "nonsaturating"},
    "mlp": {"networks": "mlp", "loss": "hinge", "share_trunk": False},
}


def make_small(networks):
    return make(**SMALL_NETWORKS[networks], channels="4", hidden="16", d_steps=1, e_steps=1)


@pytest.mark.parametrize("networks", SMALL_NETWORKS)
def test_gradients_of_the_small_networks_reach_what_they_should(networks):
    """Loss I trains G and the mixture, its counterpart D, loss II E, a shared trunk and the mixture: every
    weight.
    """
    model, x = make_small(networks), torch.rand(8, 1, 8, 8)
    with torch.no_grad():
        model.prior.v.copy_(torch.randn(K, J))
    of = lambda *parts: [p for part in parts for p in getattr(model, part).parameters()]  # noqa: E731
    for loss, reached in (
        (model.discriminator_loss(model.resize(x)), of("discriminator")),
        (model.generator_loss(), of("generator", "prior")),
        (sum(model.encoder_losses()), of("encoder", "prior")),
    ):
        gradients = torch.autograd.grad(loss, reached)
        # biases before a batch norm do nothing
        weights = [g for g, p in zip(gradients, reached, strict=True) if p.ndim > 1]
        assert all(g.abs().sum() > 0 for g in weights)
    trunks = {id(p) for p in model.encoder.trunk.parameters()}
    assert bool(trunks & {id(p) for p in model.discriminator.parameters()}) == (networks == "dcgan")


def test_real_and_generated_images_have_batch_statistics_of_their_own():
    model, x = make_small("dcgan"), torch.rand(8, 1, 8, 8)
    reference = copy.deepcopy(model)
    torch.manual_seed(3)
    found = model.discriminator_loss(model.resize(x))
    torch.manual_seed(3)
    fake = reference.generator(*reference.prior.sample(8))
    on_data, on_generated = reference.discriminator(reference.resize(x)), reference.discriminator(fake)
    expected = -(on_data.sigmoid().log().mean() + (1 - on_generated.sigmoid()).log().mean())
    torch.testing.assert_close(found, expected)


def test_the_encoder_is_used_with_the_statistics_of_training_images():
    model = make(
        **SMALL_NETWORKS["dcgan"],
        channels="4,6",
        hidden="16",
        d_steps=1,
        e_steps=1,
        batch_size=8,
        standing_passes=4,
    )
    x = torch.rand(32, 1, 8, 8)  # all of them
    model.step(x[:8])
    _, once = model.stages(x)
    once.run()
    trunk = model.encoder.trunk
    norm, before = trunk[3], trunk[:3]
    assert isinstance(norm, torch.nn.BatchNorm2d)
    expected = before(model.resize(x)).mean((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, expected.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("per", ["value", "latent"])
def test_what_the_latent_loss_is_divided_by(per):
    model = make(**SMALL_NETWORKS["mlp"], latent_per=per)
    for p in model.encoder.head.parameters():  # m = 0, l = 0
        torch.nn.init.zeros_(p)
    torch.manual_seed(3)
    latent, _, _ = model.encoder_losses()
    torch.manual_seed(3)
    z, _ = model.prior.sample(8)
    expected = (z.square().sum(1) / 2 + J / 2 * np.log(np.pi)).mean() / (64 if per == "value" else J)
    torch.testing.assert_close(latent, expected)


def test_small_data_are_not_passed_over_too_often():
    spec = DataSpec("some", (1, 8, 8), (0.0, 1.0), 40)
    lengths = {}
    for most in (None, 3, 1000):
        model = make(spec, epochs_at_most=most, iterations=100, d_steps=1, batch_size=8)
        lengths[most] = next(iter(model.stages(torch.zeros(40, 1, 8, 8)))).steps
    assert lengths == {None: 100, 3: 15, 1000: 100}


class NoSynchronisation(TorchDispatchMode):
    """Fails on operations that would make the host wait for the device, and so cannot be captured as a CUDA
    graph.
    """

    FORBIDDEN = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "is_nonzero",
        "equal",
        "unique",
        "_unique2",
        "item",
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in self.FORBIDDEN, f"{name} in a step"
        self.names.add(name)
        return func(*args, **(kwargs or {}))

    def __init__(self):
        super().__init__()
        self.names = set()


@pytest.mark.parametrize("kind", ["split", "shared", "embedding", *SMALL_NETWORKS])
def test_the_iteration_never_waits_for_the_device(kind):
    model, x = make_small(kind) if kind in SMALL_NETWORKS else make(delivery=kind), torch.rand(32, 1, 8, 8)
    train, _ = model.stages(x)
    train.step(x)  # the optimizers make their states in their first step
    with NoSynchronisation() as seen:
        train.step(x)
    assert {"addmm", "_fused_adam_"} <= seen.names
    with pytest.raises(AssertionError, match="_local_scalar_dense in a step"), NoSynchronisation():
        x.sum().item()


def floats(network):
    """Parameters and buffers, without the counters of batch normalisation."""
    return [t for t in network.state_dict().values() if t.is_floating_point()]


def test_averaged_generator():
    model = make(ema_start=2, ema_decay=0.75)
    x, averages = torch.rand(32, 1, 8, 8), []
    for i in range(5):
        model.step(x)
        now = [t.clone() for t in floats(model.generator)]
        averages = now if i < 2 else [0.75 * a + 0.25 * n for a, n in zip(averages, now, strict=True)]
        for found, expected in zip(floats(model.ema_generator), averages, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_which_generator_reconstructs():
    for choice in (True, False):
        model = make(ema_reconstruction=choice, ema_start=0)
        for _ in range(3):
            model.step(torch.rand(32, 1, 8, 8))
        model.eval()
        x = torch.rand(5, 1, 8, 8)
        m = model.embed(x)
        generator = model.ema_generator if choice else model.generator
        expected = model.resize.back(generator(m, model.log_assign(x).argmax(1)))
        other = model.resize.back(
            (model.generator if choice else model.ema_generator)(m, model.log_assign(x).argmax(1))
        )
        torch.testing.assert_close(model.reconstruct(x), expected)
        assert not torch.allclose(expected, other)


def test_samples_come_from_the_averaged_generator():
    model = make(ema_start=0)
    for _ in range(3):
        model.step(torch.rand(32, 1, 8, 8))
    model.eval()
    images = []
    for generator in (model.ema_generator, model.generator):
        torch.manual_seed(3)
        images.append(model.resize.back(generator(*model.prior.sample(5))))
    torch.manual_seed(3)
    torch.testing.assert_close(model.sample(5), images[0])
    assert not torch.allclose(*images)


def test_which_variance_classifies():
    """The choice "exact" is Bayes' rule for the distribution that z is drawn from; "released" has e^v +
    sigma^2.
    """
    z = 2 * torch.randn(50, J)
    for choice in ("released", "exact"):
        model = make(posterior_variance=choice)
        with torch.no_grad():
            model.prior.v.copy_(torch.randn(K, J))
            std = model.prior.std() if choice == "exact" else (model.prior.v.exp() + 0.25).sqrt()
            joint = torch.stack(
                [Normal(model.prior.mu[k], std[k]).log_prob(z).sum(1) for k in range(K)], dim=1
            )
            torch.testing.assert_close(model.log_posterior(z), joint.log_softmax(1), atol=1e-4, rtol=1e-4)


# --- images
# -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pixels", "size"), [(28, 32), (8, 16), (8, 8), (32, 32), (28, 16)])
def test_resizing(pixels, size):
    """It is Pillow's bilinear filter (which rounds to whole grey levels), and undone if it enlarges."""
    spec = DataSpec("some", (1, pixels, pixels), (0.0, 1.0), 500)
    model = make(spec, image_size=size)
    grey = np.random.default_rng(0).integers(0, 256, size=(pixels, pixels), dtype=np.uint8)
    x = torch.from_numpy(grey / 255).float()[None, None]
    inside = model.resize(x)
    resized = np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)) / 127.5 - 1
    np.testing.assert_allclose(inside[0, 0].numpy(), resized, atol=1.5 / 127.5)
    assert (size < pixels) != torch.allclose(model.resize.back(inside), x, atol=1e-5)
    for level in (-1.0, 0.0, 1.0):  # a uniform image stays uniform, whichever way it was resized
        uniform = model.resize.back(torch.full((1, 1, size, size), level))
        torch.testing.assert_close(uniform, torch.full_like(x, (level + 1) / 2), rtol=0, atol=1e-5)


def test_sides_of_different_lengths():
    spec = DataSpec("some", (3, 7, 6), (0.0, 1.0), 500)
    model = make(spec)
    model.step(torch.rand(32, 3, 7, 6))
    model.eval()
    assert model.sample(4).shape == (4, 3, 7, 6)
    assert model.reconstruct(torch.rand(4, 3, 7, 6)).shape == (4, 3, 7, 6)


def test_unsuitable_data():
    assert "need images" in mpcc.MPCC.skip_reason(DataSpec("v", (5,), None, 100))
    assert "64x64" in mpcc.MPCC.skip_reason(DataSpec("large", (3, 64, 64), (0.0, 1.0), 100))
    assert mpcc.MPCC.skip_reason(SPEC) is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"image_size": 12}, "image_size is 12"),
        ({"image_size": 8, "map_size": 16}, "map_size is 16"),
        ({"latent": 0}, "latent must be at least 1"),
        ({"d_steps": 0, "e_steps": 0}, "d_steps, e_steps must be at least 1"),
        ({"batch_size": 1}, "at least 2 for batch normalisation"),
        ({"delivery": "split", "image_size": 16, "latent": 10}, "multiple of 3"),
    ],
)
def test_settings_out_of_range(override, message):
    with pytest.raises(UserError, match=message):
        make(**override)


# --- whole runs
# -------------------------------------------------------------------------------------------------------


def patches(n_per_cluster):
    """Three clusters of 8x8 images: a bright patch in one of three corners, of varying brightness, and
    noise.
    """
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), n_per_cluster)
    x = rng.uniform(0, 0.1, size=(len(y), 1, 8, 8))
    for image, k in zip(x, y, strict=True):
        row, column = 4 * (k // 2), 4 * (k % 2)
        image[0, row : row + 4, column : column + 4] += rng.uniform(0.6, 0.9)
    return torch.from_numpy(x.astype(np.float32)), y


@pytest.mark.slow
def test_well_separated_clusters_are_recovered():
    x, y = patches(100)
    spec = DataSpec("patches", (1, 8, 8), (0.0, 1.0), len(x))
    start(0, "init")
    values = {**SMALL, "iterations": 500, "d_steps": 1, "e_steps": 1, "width": 2, "batch_size": 32}
    values |= {"lr": 2e-3, "d_lr": 2e-3, "e_lr": 2e-3, "prior_lr": 1e-2, "ema_decay": 0.9, "ema_start": 0}
    model = mpcc.MPCC(
        spec, config.resolve(mpcc.MPCC, spec, 3, "paper", {k: str(v) for k, v in values.items()})
    )
    Trainer(model, x, seed=0).run()
    model.eval()
    with torch.no_grad():
        assert adjusted_rand_score(y, model.log_assign(x).argmax(1).numpy()) > 0.95
        for k in range(3):
            assert (model.log_assign(model.sample(50, cluster=k)).argmax(1) == k).float().mean() > 0.9
