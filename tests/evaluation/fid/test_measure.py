"""FID of models and data sets as wholes: what it must be, how it must grow, what is recorded, and what is
said without it.
"""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.api import ClusteringModel, DataSpec, ModelConfig, hard_assignment
from benchmark.data import dataset_digest
from benchmark.data.own_file import OwnDataset
from benchmark.evaluation.fid import measure as fid_measure
from benchmark.evaluation.fid import weights
from benchmark.evaluation.fid.frechet import frechet_distance
from benchmark.evaluation.fid.measure import FidOptions, get_extractor, measure, measure_run
from benchmark.evaluation.fid.real import Unavailable, images_of, of_images, reference_images
from benchmark.registry import Registry

CPU = torch.device("cpu")
SPEC = DataSpec("digits", (1, 8, 8), (0.0, 1.0), 1797)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    dataset = Registry().dataset("digits", folder)
    return reference_images(dataset, dataset_digest(dataset), 10_000, folder)


@pytest.fixture(scope="module")
def ex(real):
    return get_extractor("clf", real, CPU)[0]


@pytest.fixture(scope="module")
def to_real(real, ex):
    """Distance of images from the real ones."""
    return lambda images: frechet_distance(of_images(images, ex), real.moments(ex))


class Bootstrap(ClusteringModel):
    """Samples training images: of digit k for cluster k, where it is told the digits (a test may)."""

    name = "bootstrap"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def __init__(self, x, y):
        super().__init__(SPEC, Bootstrap.Config(n_clusters=10))
        self.x, self.y = x, y

    def stages(self, x):
        return ()

    def log_assign(self, x):
        nearest = torch.cdist(x.flatten(1), self.x.flatten(1)).argmin(dim=1)
        return hard_assignment(self.y[nearest], 10)

    def sample(self, n, cluster=None):
        pool = self.x if cluster is None else self.x[self.y == cluster]
        return pool[torch.randint(len(pool), (n,))]


@pytest.fixture(scope="module")
def bootstrap(real):
    return Bootstrap(torch.from_numpy(real.dataset.x("all")), torch.from_numpy(real.dataset.y("all")).long())


def test_a_data_set_has_no_distance_from_itself(real, to_real):
    assert to_real(real.images) == pytest.approx(0, abs=1e-3)


def test_it_grows_with_noise(real, to_real):
    noise = torch.randn(real.images.shape, generator=torch.Generator().manual_seed(0))
    found = [
        to_real((real.images + 12 * level * noise).clamp(0, 255).round().to(torch.uint8))
        for level in range(6)
    ]
    assert all(a < b for a, b in pairwise(found)), found


def test_it_grows_with_dropped_classes(real, to_real):
    y = torch.from_numpy(real.dataset.y("all"))
    found = [to_real(real.images[y >= dropped]) for dropped in range(6)]
    assert all(a < b for a, b in pairwise(found)), found


def test_the_real_side():
    class Split(OwnDataset):
        splits = ("train", "test")

        def __init__(self):
            pass

        def x(self, split):
            return np.zeros(({"train": 60, "test": 10}[split], 1, 2, 2), dtype=np.uint8)

        shape = (1, 2, 2)

    for n, split, found in ((5, "test", 5), (10, "test", 10), (50, "train", 50), (100, "train", 60)):
        side = reference_images(Split(), "", n, None)
        assert (side.split, len(side.images)) == (split, found)


def test_a_subset_is_drawn_from_everywhere_and_always_the_same(real):
    images = images_of(real.dataset, "all", 100)
    assert torch.equal(images, images_of(real.dataset, "all", 100))
    assert not torch.equal(images, real.images[:100])


def test_what_a_record_holds(bootstrap, real):
    found = measure(bootstrap, real, "clf", 3, FidOptions(clusters=True))
    assert (found["n"], found["split"], found["singular"]) == (1797, "all", False)
    assert len(found["draws"]) == len(set(found["sample_seeds"])) == 3
    assert found["value"] == pytest.approx(np.mean(found["draws"]))
    assert found["accuracy"] > 0.95
    floor, ceiling = found["references"]["floor"], found["references"]["ceiling"]
    # half as many images, so more noise, than the samples
    assert 0 < found["value"] < floor["value"] < ceiling["value"]
    assert (floor["n"], ceiling["n"]) == (898, 1797)
    assert sum(cluster["n"] for cluster in found["per_cluster"]) == 1797
    assert all(cluster["value"] < ceiling["value"] for cluster in found["per_cluster"])
    again = measure(bootstrap, real, "clf", 3, FidOptions())
    assert again["draws"] == found["draws"]
    assert measure(bootstrap, real, "clf", 4, FidOptions(draws=1))["draws"] != found["draws"][:1]


def test_clusters_that_are_mixed_up_are_far_from_their_images(bootstrap, real):
    good = measure(bootstrap, real, "clf", 0, FidOptions(draws=1, clusters=True))["per_cluster"]
    bootstrap.sample, sample = (
        lambda n, k=None: sample(n, None if k is None else (k + 1) % 10),
        bootstrap.sample,
    )
    try:
        bad = measure(bootstrap, real, "clf", 0, FidOptions(draws=1, clusters=True))["per_cluster"]
    finally:
        bootstrap.sample = sample
    assert min(b["value"] for b in bad) > 5 * max(g["value"] for g in good)


def test_stopped_draws_go_on(bootstrap, real, tmp_path, monkeypatch):
    expected = measure(bootstrap, real, "clf", 1, FidOptions())
    calls, of_samples = [], fid_measure.of_samples

    def stops(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return of_samples(*arguments)

    monkeypatch.setattr("benchmark.evaluation.fid.measure.of_samples", stops)
    with pytest.raises(KeyboardInterrupt):
        measure(bootstrap, real, "clf", 1, FidOptions(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert measure(bootstrap, real, "clf", 1, FidOptions(), tmp_path)["draws"] == expected["draws"]
    assert list(tmp_path.iterdir()) == []


def test_what_another_model_left_is_not_gone_on_from(bootstrap, real, tmp_path, monkeypatch):
    """A run can be trained again in the same folder, e.g. with another version of torch."""
    # as if the process had been killed before cleaning up
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    dark = Bootstrap(bootstrap.x / 2, bootstrap.y)
    dark.register_buffer("weights", torch.zeros(3))
    bright = Bootstrap(bootstrap.x, bootstrap.y)
    bright.register_buffer("weights", torch.ones(3))
    options = FidOptions(draws=1)
    measure(dark, real, "clf", 1, options, tmp_path)
    assert len(list(tmp_path.glob("*.partial.npz"))) == 1
    assert (
        measure(bright, real, "clf", 1, options, tmp_path)["draws"]
        == measure(bright, real, "clf", 1, options)["draws"]
    )


def test_what_is_known_is_kept_and_only_the_rest_is_measured(bootstrap, real, monkeypatch):
    first = measure(bootstrap, real, "clf", 1, FidOptions(draws=1, clusters=True))
    drawn, of_samples = [], fid_measure.of_samples
    monkeypatch.setattr(
        "benchmark.evaluation.fid.measure.of_samples", lambda *a, **k: drawn.append(a) or of_samples(*a, **k)
    )
    more = measure(bootstrap, real, "clf", 1, FidOptions(), known=first)
    assert len(drawn) == 2
    assert more["draws"][:1] == first["draws"]
    assert more["draws"] == measure(bootstrap, real, "clf", 1, FidOptions())["draws"]
    assert more["per_cluster"] == first["per_cluster"]
    # nothing is thrown away
    assert len(measure(bootstrap, real, "clf", 1, FidOptions(draws=1), known=more)["draws"]) == 3
    # nor are the references, where the cache does not have them
    monkeypatch.setattr("benchmark.evaluation.fid.measure.reference_values", lambda *_: None)
    kept = measure(bootstrap, real, "clf", 1, FidOptions(references=False), known=more)
    assert kept["references"] == first["references"] is not None
    drawn.clear()
    other = {**first, "n": 5, "draws": [0.0]}
    assert measure(bootstrap, real, "clf", 1, FidOptions(draws=1), known=other)["draws"] == first["draws"]
    assert len(drawn) == 1


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory.\nMore"), RuntimeError("no"), OSError()]
)
def test_whatever_goes_wrong_is_a_reason_and_costs_no_run(bootstrap, real, monkeypatch, capsys, error):
    def fails(*_):
        raise error

    monkeypatch.setattr("benchmark.evaluation.fid.measure.of_samples", fails)
    found = measure(bootstrap, real, "clf", 0, FidOptions())
    assert found == {
        "missing": f"{type(error).__name__}: {str(error).split(chr(10))[0] or 'no reason given'}"
    }
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8), (1, 9, 9)])
def test_samples_of_another_shape(bootstrap, real, monkeypatch, shape):
    monkeypatch.setattr(bootstrap, "sample", lambda n, cluster=None: torch.zeros(n, *shape))
    assert f"expected {(500, 1, 8, 8)}" in measure(bootstrap, real, "clf", 0, FidOptions())["missing"]
    monkeypatch.setattr(bootstrap, "sample", lambda n, cluster=None: torch.zeros(n - 1, 1, 8, 8))
    assert f"expected {(500, 1, 8, 8)}" in measure(bootstrap, real, "clf", 0, FidOptions())["missing"]


def test_damaged_values_to_compare_with_are_made_again(bootstrap, real):
    good = measure(bootstrap, real, "clf", 0, FidOptions(draws=1))["references"]
    (path,) = (real.folder / "fid" / "references").glob("*.json")
    path.write_text(path.read_text()[:40])
    assert measure(bootstrap, real, "clf", 0, FidOptions(draws=1))["references"] == good
    assert json.loads(path.read_text()) == good


def test_the_distance_is_the_same_for_every_batch_size(real, ex):
    """Of the extractor; a network is not bit-equal over batch sizes."""
    other = of_images(255 - real.images, ex)
    found = [
        frechet_distance(of_images(real.images[:700], replace(ex, batch_size=size)), other)
        for size in (1, 7, 256)
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-4)


def test_samples_that_are_no_images_are_a_reason_not_a_crash(bootstrap, real, monkeypatch):
    monkeypatch.setattr(bootstrap, "sample", lambda n, cluster=None: torch.full((n, 1, 8, 8), float("nan")))
    assert "NaN" in measure(bootstrap, real, "clf", 0, FidOptions())["missing"]


def test_without_weights_fid_says_so_and_fid_clf_is_there(bootstrap, real, tmp_path):
    def run(**more):
        options = {"n": 200, "inception": False, "train": True, **more}
        return measure_run(bootstrap, real.dataset, real.data, 0, tmp_path, **options)

    assert run()["inception"] == {"missing": "weights"}
    assert run(inception=True)["inception"] == {"missing": "weights"}
    assert run()["clf"]["n"] == 200
    weights.cached(tmp_path).touch()
    assert run()["inception"] == {"missing": "not asked for"}
    assert "does not hold the FID weights" in run(inception=True)["inception"]["missing"]


def own(path, labels, images=True):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=90)
    x = rng.integers(80, size=(90, 6, 6)) + 80 * y[:, None, None]
    np.savez(path, X=(x if images else x.reshape(90, 36)).astype(np.uint8), **({"y": y} if labels else {}))
    return OwnDataset(path)


def test_own_images_get_a_classifier_if_there_are_labels(bootstrap, tmp_path, monkeypatch):
    dataset = own(tmp_path / "own.npz", labels=True)
    monkeypatch.setattr(bootstrap, "sample", lambda n, k=None: torch.rand(n, 1, 6, 6))
    monkeypatch.setattr(bootstrap, "data", DataSpec("own", (1, 6, 6), (0.0, 1.0), 90))
    first = measure_run(bootstrap, dataset, "data", 0, tmp_path, 10_000, False, train=False)
    assert first["clf"] == {"missing": "smoke budget"}
    found = measure_run(bootstrap, dataset, "data", 0, tmp_path, 10_000, False, train=True)["clf"]
    assert found["accuracy"] > 0.9
    assert found["n"] == 90
    assert found["value"] > found["references"]["floor"]["value"]
    assert len(list((tmp_path / "fid" / "classifiers").glob("*.npz"))) == 1


def test_reasons_for_data_without_labels_or_images(bootstrap, tmp_path):
    unlabelled = own(tmp_path / "unlabelled.npz", labels=False)
    with pytest.raises(Unavailable, match="labels"):
        fid_measure.train_classifier(unlabelled, "data", CPU)
    assert measure_run(bootstrap, unlabelled, "data", 0, tmp_path, 100, False, True)["clf"] == {
        "missing": "labels"
    }
    vectors = own(tmp_path / "vectors.npz", labels=True, images=False)
    found = measure_run(bootstrap, vectors, "data", 0, tmp_path, 100, False, True)
    assert found == {"clf": {"missing": "vectors"}, "inception": {"missing": "vectors"}}


def test_a_model_that_cannot_sample_has_no_entry(real, tmp_path):
    kmeans = Registry().model("kmeans")
    model = kmeans(SPEC, kmeans.Config(n_clusters=10))
    assert measure_run(model, real.dataset, real.data, 0, tmp_path, 100, False, True) == {}
