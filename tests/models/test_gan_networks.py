"""The GANs' shared networks: which layers are normalised, what a conditional generator depends on, odd image
sizes.
"""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from benchmark.models import _gan_networks as gan

K = 3


@pytest.mark.parametrize("channels", [(4, 6), ()])
@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_where_a_trunk_is_normalised(channels, norm):
    torch.manual_seed(0)
    trunk = gan.trunk((1, 12, 12), (10, 8), channels, norm)
    assert trunk(torch.rand(5, 1, 12, 12)).shape == (5, 8)
    weighted = [layer for layer in trunk if isinstance(layer, (nn.Conv2d, nn.Linear))]
    norms = [layer for layer in trunk if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert len(weighted) == len(channels) + 2
    assert all(is_parametrized(layer) == (norm == "spectral") for layer in weighted)
    # none after the layer that sees the image
    assert len(norms) == (len(weighted) - 1 if norm == "batch" else 0)
    assert not isinstance(trunk[1], (nn.BatchNorm1d, nn.BatchNorm2d))


def test_spectral_norm_bounds_every_layer_of_a_trunk():
    torch.manual_seed(0)
    trunk = gan.trunk((1, 8, 8), (10, 8), (4,), "spectral")
    for _ in range(100):
        trunk(torch.rand(2, 1, 8, 8))
    for layer in trunk.eval():
        if is_parametrized(layer):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() == pytest.approx(
                1, abs=1e-3
            )


def conditional(channels, shape=(1, 12, 12)):
    def norm(n, kind):
        return gan.ConditionalBatchNorm(n, lambda: nn.Embedding(K, n), kind)

    torch.manual_seed(0)
    return gan.ConditionalSequential(*gan.generator(4, shape, (8,), channels, norm), nn.Tanh()).double()


@pytest.mark.parametrize("channels", [(4, 6), ()])
def test_a_conditional_generator_depends_on_latent_and_class(channels):
    """In evaluation mode row by row; gradients reach every embedding of a class that is there, and no
    other.
    """
    g = conditional(channels)
    z, y = torch.randn(6, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 0, 0, 2, 2, 2])
    probe = torch.randn(6, 1, 12, 12, dtype=torch.float64)
    (g(z, y) * probe).sum().backward()
    assert (z.grad.abs().sum(1) > 0).all()
    tables = [m for m in g.modules() if isinstance(m, nn.Embedding)]
    assert len(tables) == 2 * (1 + len(channels))
    for table in tables:
        assert (table.weight.grad.abs().sum(1) > 0).tolist() == [True, False, True]
    g.eval()
    torch.testing.assert_close(g(z, y)[3:4], g(z[3:4], y[3:4]))
    assert not torch.allclose(g(z, y), g(z, (y + 1) % K))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 21), (2, 7, 5)])
def test_generators_make_images_of_any_size(shape):
    assert conditional((4, 6), shape)(torch.randn(2, 4, dtype=torch.float64), torch.tensor([0, 1])).shape == (
        2,
        *shape,
    )
    layers = gan.generator(4, shape, (8,), (4, 6), None)
    assert not any("Norm" in type(layer).__name__ for layer in layers)
    assert nn.Sequential(*layers)(torch.randn(2, 4)).shape == (2, *shape)


def test_standing_statistics_of_fully_connected_layers_are_means_over_the_passes():
    g = conditional(())
    batches = [(torch.randn(20, 4, dtype=torch.float64), torch.randint(K, (20,))) for _ in range(3)]
    for _ in range(5):
        g(*batches[0])  # what was there before is forgotten
    weights = {name: p.clone() for name, p in g.named_parameters()}
    gan.set_standing_statistics(g.eval(), iter(batches))
    inputs = [g.layers[0](z) for z, _ in batches]
    norm = g.layers[1].norm
    torch.testing.assert_close(norm.running_mean, torch.stack([h.mean(0) for h in inputs]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([h.var(0) for h in inputs]).mean(0))
    assert not g.training
    assert norm.momentum == 0.1
    assert all(torch.equal(p, weights[name]) for name, p in g.named_parameters())
