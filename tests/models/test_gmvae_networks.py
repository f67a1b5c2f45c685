"""GMVAE's convolutional networks."""

import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import gmvae


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (32, 3)])
def test_the_convolutional_network_has_the_papers_layers(side, channels):
    spec = DataSpec("mnist" if side == 28 else "svhn", (channels, side, side), (0.0, 1.0), 500)
    model = gmvae.GMVAE(spec, gmvae.GMVAE.Config(n_clusters=10, network="conv"))
    weights = [tuple(p.shape) for p in model.parameters() if p.dim() > 1]
    if side == 28:
        encoder = [(16, 1, 6, 6), (32, 16, 6, 6), (64, 32, 4, 4), (500, 64, 9, 9)]
    else:
        encoder = [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (500, 256, 4, 4)]
    # a transposed convolution's weight has the shape of the convolution that it mirrors
    assert weights == [*encoder, (500, 200), *encoder[::-1], (2 * 350, 500), (500, 150), (2 * 10 * 200, 500)]
    y = torch.rand(2, *spec.shape)
    assert model.step(y)["nelbo"].isfinite()
    model.eval()
    assert model.reconstruct(y).shape == y.shape
    assert model.log_assign(y).shape == (2, 10)


def test_the_convolutional_network_is_refused_for_vectors():
    spec = DataSpec("some", (3,), None, 500)
    message = r"network=conv needs images of 28x28 or 32x32, some has shape \(3,\)"
    with pytest.raises(UserError, match=message):
        config.resolve(gmvae.GMVAE, spec, 4, "smoke", {"network": "conv"})
