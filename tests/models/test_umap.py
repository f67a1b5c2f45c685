"""The rows on UMAP's map: clusters, noise, new points, and what happens without the library."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from benchmark import config
from benchmark.api import DataSpec
from benchmark.errors import UserError
from benchmark.models.umap_hdbscan import without_noise
from benchmark.registry import Registry
from benchmark.running.train import Trainer

SPEC = DataSpec("some", (6,), None, 150)


@pytest.mark.parametrize("name", ["umap_gmm", "umap_hdbscan", "n2d"])
def test_without_the_library_the_model_is_left_out_and_the_extra_is_named(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    assert "pip install 'dgcbench[umap]'" in Registry().model(name).skip_reason(SPEC)


@pytest.mark.parametrize(
    ("name", "overrides", "most"),
    [
        ("umap_gmm", {"dimensions": 7}, 6),
        ("umap_hdbscan", {"dimensions": 5, "components": 4}, 4),
        ("n2d", {"dimensions": 4, "latent": 3}, 3),
        ("n2d", {"dimensions": 160, "latent": 200}, 150),
    ],
)
def test_a_map_starts_from_as_many_principal_components_as_it_has_dimensions(name, overrides, most):
    cls = Registry().model(name)
    with pytest.raises(UserError, match=f"dimensions is {overrides['dimensions']}, expected at most {most}"):
        config.resolve(cls, SPEC, 3, "smoke", overrides)
    config.resolve(cls, SPEC, 3, "smoke", overrides | {"dimensions": most})


@pytest.mark.parametrize("name", ["umap_gmm", "umap_hdbscan", "n2d"])
@pytest.mark.parametrize(("neighbours", "used"), [(7, 7), (500, 149)])  # of 150 points
def test_umap_is_given_the_settings_and_the_features(name, neighbours, used, monkeypatch):
    given = {}

    class Recorder:
        def __init__(self, **settings):
            given.update(settings)

        def fit_transform(self, features):
            given["features"] = features
            return np.arange(450, dtype=np.float32).reshape(150, 3)

    package = ModuleType("umap")
    package.UMAP = Recorder
    monkeypatch.setitem(sys.modules, "umap", package)
    cls = Registry().model(name)
    values = {"neighbours": neighbours, "dimensions": 3, "min_dist": 0.25}
    model = cls(SPEC, config.resolve(cls, SPEC, 3, "smoke", values)).eval()
    x = torch.randn(150, 6)
    model.fit_map(x)
    assert (given["n_neighbors"], given["n_components"], given["min_dist"]) == (used, 3, 0.25)
    assert (given["init"], given["n_jobs"]) == ("pca", 1)
    np.testing.assert_array_equal(given["features"], model.features(x).detach().numpy())
    assert torch.equal(model.places, torch.arange(450.0).view(150, 3))


def test_noise_gets_the_label_of_the_nearest_place_that_is_in_a_cluster():
    places = torch.tensor([[0.0], [1.0], [5.0], [3.1], [-2.0]])
    assert without_noise(torch.tensor([0, 0, 1, -1, -1]), places).tolist() == [0, 0, 1, 1, 0]
    assert without_noise(torch.full((5,), -1), places).tolist() == [0] * 5


@pytest.mark.parametrize(("name", "overrides"), [("umap_gmm", {}), ("umap_hdbscan", {"min_share": 0.1})])
def test_separated_clusters_are_found_and_a_new_point_goes_where_the_nearest_is(name, overrides):
    pytest.importorskip("umap", reason="umap-learn is not here: pip install 'dgcbench[umap]'")
    y = np.arange(170) % 3
    x = np.random.default_rng(0).normal(size=(170, 6)) + 12 * np.eye(3, 6)[y]
    x = torch.from_numpy(x.astype(np.float32))
    cls = Registry().model(name)
    values = {"components": 4, "neighbours": 20} | overrides
    model = cls(SPEC, config.resolve(cls, SPEC, 3, "smoke", values))
    Trainer(model, x[:150], 0).run()
    model.eval()
    assert model.n_clusters == 3
    assert adjusted_rand_score(y, model.assign(x).argmax(dim=1)) == 1.0
    assert torch.equal(model.embed(x[:150]), model.places)
    nearest = torch.cdist(model.features(x[150:]), model.points).argmin(dim=1)
    assert torch.equal(model.embed(x[150:]), model.places[nearest])
