"""IDEC: what it adds to DEC, against the equation in float64."""

import numpy as np
import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.models import dec
from benchmark.models.idec import IDEC
from benchmark.seeding import start

SPEC = DataSpec("some", (1, 3, 3), (0.0, 1.0), 30)


def make(**overrides):
    start(0, "init")
    return IDEC(SPEC, config.resolve(IDEC, SPEC, 3, "smoke", overrides))


def test_the_loss_is_the_squared_error_and_the_weighted_divergence():
    model = make(gamma=0.25).double()
    x = torch.rand(30, 1, 3, 3, dtype=torch.float64)
    model.fit_kmeans(x)
    model.has_settled(x)
    rows = torch.tensor([4, 0, 17, 9, 22])
    with torch.no_grad():
        pixels = 1 / (1 + np.exp(-model.decoder(model.embed(x[rows])).numpy()))
        p, log_q = model.target[rows].numpy(), model.log_assign(x[rows]).numpy()
    squares = np.mean((pixels - x[rows].flatten(1).numpy()) ** 2)
    kl = np.mean(np.sum(p * (np.log(p) - log_q), axis=1))
    losses = model.cluster_step(x[rows], rows)
    np.testing.assert_allclose(losses["reconstruction"].item(), squares, rtol=1e-6)
    np.testing.assert_allclose(losses["kl"].item(), kl, rtol=1e-6)
    np.testing.assert_allclose(losses["loss"].item(), squares + 0.25 * kl, rtol=1e-6)


def test_without_weight_the_centres_stay_and_the_decoder_is_always_trained():
    model = make(gamma=0.0)
    x = torch.rand(30, 1, 3, 3)
    model.fit_kmeans(x)
    model.has_settled(x)
    before = model.centres.detach().clone()
    decoder = next(model.decoder.parameters()).detach().clone()
    model.cluster_step(x, torch.arange(30))
    assert torch.equal(model.centres, before)
    assert not torch.equal(next(model.decoder.parameters()), decoder)
    assert issubclass(IDEC, dec.DEC)


@pytest.mark.parametrize(
    ("model", "name", "steps"),
    [
        (IDEC, "mnist", 140),
        (IDEC, "usps", 30),
        (IDEC, "reuters10k", 3),
        (dec.DEC, "mnist", 140),
        (dec.DEC, "usps", 30),
        (dec.DEC, "reuters10k", 30),
    ],
)
def test_the_target_is_computed_as_often_as_in_idec_s_released_code_and_for_dec_as_in_dec_keras(
    model, name, steps
):
    """DEC's own released code has 160 on MNIST and 20 on Reuters."""
    spec = DataSpec(name, (4,), None, 1000)
    assert config.resolve(model, spec, 4, "paper", {}).target_steps == steps
