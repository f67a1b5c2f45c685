"""MPCC: numbers known beforehand, parts against independent computations, and who updates what."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from torch.distributions import Independent, Normal
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.registry import Registry
from benchmark.seeding import start
from benchmark.training import Trainer

SPEC = DataSpec("some", (1, 8, 8), (0.0, 1.0), 500)
B, K, J = 7, 4, 6
# (K, J, values of an image) of the paper's data sets
MNIST, FASHION, OMNIGLOT, CIFAR10, CIFAR20 = (10, 24, 1024), (10, 16, 1024), (100, 24, 1024), (10, 128, 3072), (20, 128, 3072)


@pytest.fixture(scope="module")
def mpcc():
    import sys

    return sys.modules[Registry().model("mpcc").__module__]


@pytest.fixture
def normal():
    """Standard normal float64 tensors of a given shape."""
    g = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)


SMALL = {"image_size": 8, "map_size": 8, "width": 1, "latent": J, "batch_size": 8, "d_steps": 4, "e_steps": 4}


def make(mpcc, spec=SPEC, budget="paper", **overrides):
    torch.manual_seed(0)
    values = {k: str(v) for k, v in ((SMALL if budget == "paper" else {}) | overrides).items()}
    return mpcc.MPCC(spec, config.resolve(mpcc.MPCC, spec, K, budget, values)).train()


# --- the numbers of the released configuration at initialisation ------------------------------------------------------


@pytest.mark.parametrize(("k", "j", "_"), [MNIST, FASHION, OMNIGLOT, CIFAR10, CIFAR20])
def test_entropy_loss_at_initialisation(mpcc, k, j, _):
    assert 0.01 * mpcc.negative_entropy(mpcc.Mixture(k, j, 0.5).v).item() == pytest.approx(-0.0191894, abs=1e-7)


@pytest.mark.parametrize(
    ("case", "perfect", "prior", "best"),
    [
        (CIFAR10, 0.0238485, 0.12004, 0.07655),
        (MNIST, 0.0134148, 0.06752, 0.04306),
        (FASHION, 0.0089432, 0.04501, 0.02871),
    ],
)
def test_latent_loss_of_three_encoders(mpcc, case, perfect, prior, best):
    """One that is always right with unit variance; one that says N(0, 1); one that says N(0, s^2)."""
    torch.manual_seed(0)
    k, j, values = case
    mixture = mpcc.Mixture(k, j, 0.5)
    with torch.no_grad():
        mixture.mu.zero_()
    z, _ = mixture.sample(200_000 // j * 10)
    loss = lambda m, l: mpcc.latent_nll(z, m, torch.full_like(z, l), math.log(math.pi)).item() / values  # noqa: E731
    assert loss(z, 0.0) == pytest.approx(perfect, abs=1e-7)
    assert loss(torch.zeros_like(z), 0.0) == pytest.approx(prior, rel=0.01)
    log_variance = 2 * math.log(math.exp(0.5) + 0.5)
    assert loss(torch.zeros_like(z), log_variance) == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize(
    ("case", "loss", "accuracy"),
    [(MNIST, 2.233, 0.19), (FASHION, 2.234, 0.19), (CIFAR10, 2.238, 0.19), (CIFAR20, 2.920, 0.111), (OMNIGLOT, 4.593, 0.017)],
)
def test_classification_loss_at_initialisation(mpcc, case, loss, accuracy):
    torch.manual_seed(0)
    k, j, _ = case
    mixture = mpcc.Mixture(k, j, 0.5)
    with torch.no_grad():
        z, y = mixture.sample(20_000)
        log_q = torch.cat([mpcc.mixture_log_posterior(part, mixture.mu, mixture.v.exp() + 0.25) for part in z.split(2000)])
    assert F.nll_loss(log_q, y).item() == pytest.approx(loss, abs=0.02)
    assert (log_q.argmax(dim=1) == y).float().mean().item() == pytest.approx(accuracy, abs=0.012)


def test_mixture_at_initialisation(mpcc):
    mixture = mpcc.Mixture(10, 24, 0.5)
    torch.testing.assert_close(mixture.mu @ mixture.mu.T, torch.eye(10), atol=1e-5, rtol=0)
    assert mixture.std()[0, 0].item() == pytest.approx(2.14872, abs=1e-5)
    assert (mixture.v.exp() + 0.25)[0, 0].item() == pytest.approx(2.96828, abs=1e-5)
    many = mpcc.Mixture(100, 24, 0.5).mu  # orthonormal columns
    torch.testing.assert_close(many.T @ many, torch.eye(24), atol=1e-5, rtol=0)


def test_parameter_counts_printed_for_cifar10(mpcc):
    """They leave out gain and bias of the last batch normalisation and include a class embedding that D never uses."""
    settings = config.resolve(mpcc.MPCC, DataSpec("cifar10", (3, 32, 32), (0.0, 1.0), 50_000), 10, "paper", {})
    model = mpcc.MPCC(DataSpec("cifar10", (3, 32, 32), (0.0, 1.0), 50_000), settings)
    count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
    assert count(model.generator) == 9_360_131 + 2 * 384
    assert count(model.discriminator) == 9_456_769 - 10 * 384
    assert count(model.encoder) == 17_615_872
    assert len(model.discriminator.trunk) == 3
    assert [b.halve for b in [*model.discriminator.trunk, model.discriminator.block]] == [True, True, False, False]
    assert [b.halve for b in model.encoder.blocks] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mnist", (1, 28, 28), (12, 24, "embedding", 1.6e-3, 210_000)),
        ("fashion_mnist", (1, 28, 28), (24, 16, "shared", 1.6e-3, 210_000)),
        ("mnist32", (1, 32, 32), (12, 24, "embedding", 1.6e-3, 210_000)),
        ("fashion_mnist32", (1, 32, 32), (24, 16, "shared", 1.6e-3, 210_000)),
        ("omniglot_affine", (1, 32, 32), (16, 24, "embedding", 1.6e-3, 120_000)),
        ("omniglot", (1, 32, 32), (16, 24, "embedding", 1.6e-3, 120_000)),
        ("cifar10", (3, 32, 32), (96, 128, "split", 6e-4, 90_000)),
        ("cifar20", (3, 32, 32), (96, 128, "split", 6e-4, 78_000)),
    ],
)
def test_presets_of_the_paper(mpcc, name, shape, expected):
    c = config.resolve(mpcc.MPCC, DataSpec(name, shape, (0.0, 1.0), 50_000), 10, "paper", {})
    assert (c.width, c.latent, c.delivery, c.prior_lr, c.iterations) == expected
    assert (c.lr, c.batch_size, c.d_steps, c.e_steps, c.image_size, c.map_size) == (2e-4, 50, 4, 4, 32, 8)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_latent_loss_is_a_gaussian_log_likelihood(mpcc, normal):
    z, m, l = normal(B, J), normal(B, J), normal(B, J)
    density = Independent(Normal(m, (0.5 * l).exp()), 1)
    torch.testing.assert_close(mpcc.latent_nll(z, m, l, math.log(2 * math.pi)), -density.log_prob(z).mean())
    difference = mpcc.latent_nll(z, m, l, math.log(2 * math.pi)) - mpcc.latent_nll(z, m, l, math.log(math.pi))
    assert difference.item() == pytest.approx(J / 2 * math.log(2))


def test_negative_entropy(mpcc, normal):
    v = normal(K, J)
    torch.testing.assert_close(mpcc.negative_entropy(v), -Normal(torch.zeros_like(v), (0.5 * v).exp()).entropy().mean())


def test_hinge_loss(mpcc):
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.5, 0.0])
    assert mpcc.hinge_loss(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1.5 + 1) / 3)


def test_posterior_equals_that_of_scikit_learn(mpcc, normal):
    """Also far from every component, where the densities underflow."""
    mu, variance = normal(K, J).numpy(), normal(K, J).exp().numpy()
    mixture = GaussianMixture(K, covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = np.full(K, 1 / K), mu, variance
    mixture.precisions_cholesky_ = 1 / np.sqrt(variance)
    z = np.concatenate([3 * normal(50, J).numpy(), np.full((1, J), 100.0)])
    t = torch.from_numpy
    found = mpcc.mixture_log_posterior(t(z), t(mu), t(variance)).exp().numpy()
    np.testing.assert_allclose(found, mixture.predict_proba(z), atol=1e-12)


def test_which_variance_classifies(mpcc):
    """"exact" is Bayes' rule for the distribution that z is drawn from; "released" has e^v + sigma^2."""
    z = 2 * torch.randn(50, J)
    for choice in ("released", "exact"):
        model = make(mpcc, posterior_variance=choice)
        with torch.no_grad():
            model.prior.v.copy_(torch.randn(K, J))
            std = model.prior.std() if choice == "exact" else (model.prior.v.exp() + 0.25).sqrt()
            joint = torch.stack([Normal(model.prior.mu[k], std[k]).log_prob(z).sum(1) for k in range(K)], dim=1)
            torch.testing.assert_close(model.log_posterior(z), joint.log_softmax(1), atol=1e-4, rtol=1e-4)


def test_draws_from_the_mixture_have_its_moments(mpcc):
    torch.manual_seed(0)
    mixture = mpcc.Mixture(K, J, 0.5)
    with torch.no_grad():
        mixture.v.copy_(torch.linspace(-2, 1, K * J).view(K, J))
        z, y = mixture.sample(20_000, cluster=2)
    assert (y == 2).all()
    torch.testing.assert_close(z.mean(0), mixture.mu[2].detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(z.std(0), mixture.v[2].exp().sqrt().detach() + 0.5, atol=0, rtol=0.03)
    counts = torch.bincount(mixture.sample(20_000)[1], minlength=K)
    assert (counts - 5000).abs().max() < 300


# --- the iteration ----------------------------------------------------------------------------------------------------


@pytest.fixture
def spied(mpcc, monkeypatch):
    """A model, and a list of (optimizers, names of parameters that got a gradient, names of parameters that moved)."""
    model = make(mpcc)
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
    with torch.no_grad():  # components as different as in the middle of a run: at first some gradients are nearly nothing
        model.prior.v.copy_(torch.randn(K, J))
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


def test_two_prior_updates_share_one_state(mpcc):
    model = make(mpcc)
    for _ in range(3):
        model.step(torch.rand(32, 1, 8, 8))
    steps = {
        name: {int(s["step"]) for s in getattr(model, f"{name}_optimizer").state.values()}
        for name in ("generator", "discriminator", "encoder", "prior")
    }
    assert steps == {"generator": {3}, "discriminator": {12}, "encoder": {12}, "prior": {6}}
    assert model.iteration.item() == 3


def test_the_target_of_the_encoder_is_not_detached(mpcc):
    """d/d(mu) of loss II's latent part comes through the drawn z alone: the images are generated without gradient."""
    model = make(mpcc)
    torch.manual_seed(1)
    for _ in range(100):
        model.encoder_losses()  # the power iterations converge, so that the same draws give the same images below
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


def test_an_encoder_with_a_trunk_of_its_own(mpcc):
    model = make(mpcc, share_trunk=False)
    assert not {id(p) for p in model.encoder.parameters()} & {id(p) for p in model.discriminator.parameters()}
    own = {n for n, _ in model.named_parameters() if n.startswith("encoder.trunk")}
    assert len(own) == len(list(model.discriminator.trunk.parameters()))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.step(torch.rand(32, 1, 8, 8))
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters() if n in own)


@pytest.mark.parametrize("share_trunk", [True, False])
def test_an_encoder_without_spectral_norm_leaves_the_discriminators_layers_alone(mpcc, share_trunk):
    """Spectrally normalised layers have a buffer u."""
    model = make(mpcc, share_trunk=share_trunk, normalise_encoder=False)
    normalised = {name.rpartition(".")[0] for name, _ in model.named_buffers() if name.endswith(".u")}
    encoder = {name for name in normalised if name.startswith("encoder")}
    assert encoder == set()  # a shared trunk is listed under the discriminator
    assert {f"discriminator.{part}" for part in ("linear", "block.conv1", "trunk.0.conv1")} <= normalised
    assert hasattr(model.encoder.trunk[0].conv1, "u") == share_trunk


class NoSynchronisation(TorchDispatchMode):
    """Fails on operations that would make the host wait for the device, and so cannot be captured as a CUDA graph."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique2", "item")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in self.FORBIDDEN, f"{name} in a step"
        self.names.add(name)
        return func(*args, **(kwargs or {}))

    def __init__(self):
        super().__init__()
        self.names = set()


@pytest.mark.parametrize("delivery", ["split", "shared", "embedding"])
def test_the_iteration_never_waits_for_the_device(mpcc, delivery):
    model, x = make(mpcc, delivery=delivery), torch.rand(32, 1, 8, 8)
    model.step(x)  # the optimizers make their states in their first step
    with NoSynchronisation() as seen:
        model.step(x)
    assert {"convolution", "_fused_adam_"} <= seen.names
    with pytest.raises(AssertionError, match="_local_scalar_dense in a step"), NoSynchronisation():
        x.sum().item()


def test_averaged_generator(mpcc):
    model = make(mpcc, ema_start=2, ema_decay=0.75)
    x, averages = torch.rand(32, 1, 8, 8), []
    for i in range(5):
        model.step(x)
        now = [t.clone() for t in model.generator.state_dict().values()]
        averages = now if i < 2 else [0.75 * a + 0.25 * n for a, n in zip(averages, now, strict=True)]
        for found, expected in zip(model.ema_generator.state_dict().values(), averages, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_which_generator_reconstructs(mpcc):
    for choice in (True, False):
        model = make(mpcc, ema_reconstruction=choice, ema_start=0)
        for _ in range(3):
            model.step(torch.rand(32, 1, 8, 8))
        model.eval()
        x = torch.rand(5, 1, 8, 8)
        m = model.embed(x)
        generator = model.ema_generator if choice else model.generator
        expected = model.to_data(generator(m, model.log_assign(x).argmax(1)))
        other = model.to_data((model.generator if choice else model.ema_generator)(m, model.log_assign(x).argmax(1)))
        torch.testing.assert_close(model.reconstruct(x), expected)
        assert not torch.allclose(expected, other)


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pixels", "size"), [(28, 32), (8, 16), (8, 8), (32, 32), (28, 16)])
def test_resizing(mpcc, pixels, size):
    """It is Pillow's bilinear filter (which rounds to whole grey levels), and undone if it enlarges."""
    spec = DataSpec("some", (1, pixels, pixels), (0.0, 1.0), 500)
    model = make(mpcc, spec, image_size=size)
    grey = np.random.default_rng(0).integers(0, 256, size=(pixels, pixels), dtype=np.uint8)
    x = torch.from_numpy(grey / 255).float()[None, None]
    inside = model.to_network(x)
    resized = np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)) / 127.5 - 1
    np.testing.assert_allclose(inside[0, 0].numpy(), resized, atol=1.5 / 127.5)
    assert (size < pixels) != torch.allclose(model.to_data(inside), x, atol=1e-5)
    for level in (-1.0, 0.0, 1.0):  # a uniform image stays uniform, whichever way it was resized
        uniform = model.to_data(torch.full((1, 1, size, size), level))
        torch.testing.assert_close(uniform, torch.full_like(x, (level + 1) / 2), rtol=0, atol=1e-5)


def test_sides_of_different_lengths(mpcc):
    spec = DataSpec("some", (3, 7, 6), (0.0, 1.0), 500)
    model = make(mpcc, spec)
    model.step(torch.rand(32, 3, 7, 6))
    model.eval()
    assert model.sample(4).shape == (4, 3, 7, 6)
    assert model.reconstruct(torch.rand(4, 3, 7, 6)).shape == (4, 3, 7, 6)


def test_unsuitable_data(mpcc):
    assert "need images" in mpcc.MPCC.unsuitable(DataSpec("v", (5,), None, 100))
    assert "64x64" in mpcc.MPCC.unsuitable(DataSpec("large", (3, 64, 64), (0.0, 1.0), 100))
    assert mpcc.MPCC.unsuitable(SPEC) is None


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
def test_settings_out_of_range(mpcc, override, message):
    with pytest.raises(UserError, match=message):
        make(mpcc, **override)


# --- whole runs -------------------------------------------------------------------------------------------------------


def patches(n_per_cluster):
    """Three clusters of 8x8 images: a bright patch in one of three corners, of varying brightness, and noise."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), n_per_cluster)
    x = rng.uniform(0, 0.1, size=(len(y), 1, 8, 8))
    for image, k in zip(x, y, strict=True):
        row, column = 4 * (k // 2), 4 * (k % 2)
        image[0, row : row + 4, column : column + 4] += rng.uniform(0.6, 0.9)
    return torch.from_numpy(x.astype(np.float32)), y


@pytest.mark.slow
def test_well_separated_clusters_are_recovered(mpcc):
    x, y = patches(100)
    spec = DataSpec("patches", (1, 8, 8), (0.0, 1.0), len(x))
    start(0, "init")
    values = {**SMALL, "iterations": 500, "d_steps": 1, "e_steps": 1, "width": 2, "batch_size": 32, "normalise_encoder": False}
    values |= {"lr": 2e-3, "prior_lr": 1e-2, "ema_decay": 0.9, "ema_start": 0}
    model = mpcc.MPCC(spec, config.resolve(mpcc.MPCC, spec, 3, "paper", {k: str(v) for k, v in values.items()}))
    Trainer(model, x, seed=0).run()
    model.eval()
    with torch.no_grad():
        assert adjusted_rand_score(y, model.log_assign(x).argmax(1).numpy()) > 0.95
        for k in range(3):
            assert (model.log_assign(model.sample(50, cluster=k)).argmax(1) == k).float().mean() > 0.9
