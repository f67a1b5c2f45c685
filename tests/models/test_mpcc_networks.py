"""The networks of MPCC: spectral norm, conditional batch norm, blocks, where the latent goes, standing
statistics.
"""

import pytest
import torch
import torch.nn.functional as F

from benchmark.models import _gan_networks as gan
from benchmark.models import _mpcc_networks as networks

B, K, J = 7, 4, 6


@pytest.fixture
def normal():
    """Standard normal float64 tensors of a given shape."""
    g = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)


def test_spectral_norm_finds_the_largest_singular_value():
    torch.manual_seed(0)
    for layer, x in (
        (networks.SNConv2d(3, 8), torch.rand(2, 3, 8, 8)),
        (networks.SNLinear(12, 5), torch.rand(2, 12)),
    ):
        for _ in range(200):
            layer(x)
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
        assert largest == pytest.approx(1, abs=1e-4)


def test_conditional_batch_norm():
    torch.manual_seed(0)
    norm = gan.ConditionalBatchNorm(3, lambda: torch.nn.Linear(2, 3))
    h, u = 5 + 2 * torch.randn(20, 3, 4, 4), torch.randn(20, 2)
    standard = (h - h.mean((0, 2, 3), keepdim=True)) / (
        h.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    expected = standard * (1 + norm.gain(u))[:, :, None, None] + norm.bias(u)[:, :, None, None]
    torch.testing.assert_close(norm(h, u), expected, atol=1e-5, rtol=1e-5)
    flat = gan.ConditionalBatchNorm(3, lambda: torch.nn.Linear(2, 3), torch.nn.BatchNorm1d)
    flat.load_state_dict(norm.state_dict())
    standard = (h[..., 0, 0] - h[..., 0, 0].mean(0)) / (h[..., 0, 0].var(0, unbiased=False) + 1e-5).sqrt()
    expected = standard * (1 + norm.gain(u)) + norm.bias(u)
    torch.testing.assert_close(flat(h[..., 0, 0], u), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_blocks_in_the_order_of_the_paper(upsampling):
    """The blocks move pooling and interpolation past 1x1 convolutions, which is cheaper and must change
    nothing.
    """
    torch.manual_seed(0)
    block = networks.GeneratorBlock(6, lambda: torch.nn.Linear(2, 6), upsampling).eval()
    h, u = torch.randn(3, 6, 4, 4), torch.randn(3, 2)
    up = lambda t: F.interpolate(t, scale_factor=2, mode=upsampling)  # noqa: E731
    expected = block.conv2(block.norm2(block.conv1(up(block.norm1(h, u).relu())), u).relu()) + block.shortcut(
        up(h)
    )
    torch.testing.assert_close(block(h, u), expected, atol=1e-5, rtol=1e-5)
    block = networks.DiscriminatorBlock(6, 6, halve=True).eval()
    pool = lambda t: F.avg_pool2d(t, 2)  # noqa: E731
    expected = pool(block.conv2(block.conv1(h.relu()).relu())) + pool(block.shortcut(h))
    torch.testing.assert_close(block(h), expected, atol=1e-5, rtol=1e-5)
    plain = networks.DiscriminatorBlock(6, 6, halve=False).eval()
    torch.testing.assert_close(plain(h), plain.conv2(plain.conv1(h.relu()).relu()) + h)


@pytest.mark.parametrize(
    ("delivery", "inputs"), [("split", 24 + 8), ("shared", 24 + 24), ("embedding", None)]
)
def test_where_the_latent_goes(delivery, inputs):
    """At 16 x 16 pixels there are two blocks: three chunks of z. What must not matter does not."""
    torch.manual_seed(0)
    g = networks.Generator(16, 1, 2, 24, K, delivery, "nearest").double()
    z, y = torch.randn(5, 24, dtype=torch.float64, requires_grad=True), torch.arange(5) % K
    g(z, y)  # starts the power iterations
    g.eval()
    gain = g.blocks[0].norm1.gain
    if inputs is None:
        assert gain.weight.shape == (K, 8)
        assert g.linear.in_features == 24
    else:
        assert gain.in_features == inputs
        assert gain.bias is None
        assert g.linear.in_features == inputs - 24
    assert (torch.autograd.grad(g(z, y).sum(), z)[0].abs().sum(0) > 0).all()  # all of z is used
    assert not torch.equal(g(z, y), g(z, (y + 1) % K))
    first = g.linear(z[:, : g.linear.in_features]).view(5, -1, 4, 4)
    before = g.blocks[1](g.blocks[0](first, condition(g, delivery, z, y, 1)), condition(g, delivery, z, y, 2))
    torch.testing.assert_close(g(z, y), torch.tanh(g.to_image(g.norm(before).relu())))


def condition(g, delivery, z, y, i):
    if delivery == "embedding":
        return y
    return torch.cat([g.embed(y), z[:, 8 * i : 8 * i + 8] if delivery == "split" else z], dim=1)


def test_standing_statistics_are_means_over_the_passes():
    torch.manual_seed(0)
    g = networks.Generator(8, 1, 1, 4, K, "embedding", "nearest")
    batches = [(torch.randn(20, 4), torch.randint(K, (20,))) for _ in range(5)]
    for _ in range(200):
        g(*batches[0])  # the power iterations converge, so that they move no weight below
    gan.set_standing_statistics(g, iter(batches))
    first = g.blocks[0].norm1
    means = [g.linear(z).view(20, -1, 4, 4).mean((0, 2, 3)) for z, _ in batches]
    torch.testing.assert_close(first.norm.running_mean, torch.stack(means).mean(0), atol=1e-5, rtol=1e-4)
    variances = [g.linear(z).view(20, -1, 4, 4).var((0, 2, 3)) for z, _ in batches]
    torch.testing.assert_close(first.norm.running_var, torch.stack(variances).mean(0), atol=1e-5, rtol=1e-4)
    assert first.norm.momentum == 0.1
    assert g.training
