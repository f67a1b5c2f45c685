"""DCN: its loss and its centres' steps against loops in float64."""

import numpy as np
import pytest
import torch

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models import dcn
from benchmark.running.train import Trainer
from benchmark.seeding import start

SPEC = DataSpec("some", (5,), None, 60)
X = torch.from_numpy(np.random.default_rng(0).normal(size=(60, 5))).float()


def make(**overrides):
    start(0, "init")
    return dcn.DCN(SPEC, config.resolve(dcn.DCN, SPEC, 3, "smoke", {"batch_size": 20, **overrides}))


def test_centres_move_as_if_the_points_came_one_after_the_other():
    """Equation 8, as the released code has it; the third cluster has no point and stays."""
    rng = np.random.default_rng(1)
    centres, counts = rng.normal(size=(3, 2)), np.array([100.0, 1.0, 7.0])
    z, clusters = rng.normal(size=(9, 2)), np.array([0, 1, 1, 0, 1, 1, 0, 1, 1])
    found, after = dcn.running_means(*map(torch.from_numpy, (centres, counts, z, clusters)))
    for i, k in enumerate(clusters):
        counts[k] += 1
        centres[k] -= (centres[k] - z[i]) / counts[k]
    np.testing.assert_allclose(found.numpy(), centres, rtol=1e-6)
    np.testing.assert_allclose(after.numpy(), counts)


def test_the_loss_is_the_reconstruction_and_half_the_weighted_squared_distance():
    model = make(lam=3.0)
    model.fit_kmeans(X)
    model.clusters.copy_(torch.randint(3, (60,)))  # what counts is what is kept, not the nearest centre
    rows = torch.tensor([50, 2, 31])
    with torch.no_grad():
        z = model.embed(X[rows]).double().numpy()
        output = model.decoder(model.embed(X[rows])).double().numpy()
    centres = model.centres.double().numpy()[model.clusters[rows].numpy()]
    reconstruction = np.mean(0.5 * np.sum((output - X[rows].numpy()) ** 2, axis=1))
    distance = np.mean(np.sum((z - centres) ** 2, axis=1))
    losses = model.cluster_step(X[rows], rows)
    np.testing.assert_allclose(losses["reconstruction"].item(), reconstruction, rtol=1e-5)
    np.testing.assert_allclose(losses["distance"].item(), distance, rtol=1e-5)
    np.testing.assert_allclose(losses["loss"].item(), reconstruction + 1.5 * distance, rtol=1e-5)


def test_after_a_step_its_points_are_at_the_nearest_of_the_centres_that_they_then_moved():
    model = make()
    model.fit_kmeans(X)
    before, kept = model.centres.clone(), model.clusters.clone()
    rows = torch.arange(0, 60, 3)
    model.cluster_step(X[rows], rows)
    z = model.embed(X[rows])
    nearest = (z[:, None] - before).square().sum(dim=2).argmin(dim=1)
    assert torch.equal(model.clusters[rows], nearest)
    others = torch.ones(60, dtype=torch.bool).index_fill_(0, rows, False)
    assert torch.equal(model.clusters[others], kept[others])
    expected, counts = dcn.running_means(before, torch.full((3,), 100.0), z, nearest)
    torch.testing.assert_close(model.centres, expected)
    assert torch.equal(model.counts, counts)


def test_codes_move_to_their_centres():
    def scatter(**overrides):
        model = make(epochs=5, cluster_epochs=20, **overrides)
        Trainer(model, X, 0).run()
        return model.diagnose(X)["scatter"]

    assert scatter(lam=20.0) < 0.8 * scatter(lam=0.0)


@pytest.mark.parametrize("override", [{"lam": -1.0}, {"first_count": 0}])
def test_values_out_of_range(override):
    with pytest.raises(UserError, match=next(iter(override))):
        make(**override)
