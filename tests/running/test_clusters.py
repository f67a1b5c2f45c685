"""What each cluster is: sizes, typical points, and the pictures of both."""

import csv

import numpy as np
import torch

from benchmark.api import DataSpec
from benchmark.config import resolve
from benchmark.data.own_file import Standardisation
from benchmark.registry import Registry
from benchmark.running.clusters import describe, write

IMAGES, VECTORS = DataSpec("digits", (1, 8, 8), (0.0, 1.0), 60), DataSpec("own", (2,), None, 5)


def _model(name, spec):
    cls = Registry().model(name)
    return cls(spec, resolve(cls, spec, 3, "smoke", {}))


def test_points_are_ordered_by_certainty_and_equals_by_their_distance_to_the_centre():
    x = torch.tensor([[0.0, 0.0], [9.0, 0.0], [2.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    q = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.9, 0.05, 0.05], [0.0, 1.0, 0.0]])
    with np.errstate(divide="ignore"):
        first, second, empty = describe(_model("kmeans", VECTORS), x, np.log(q))
    # the most certain; then from the centre, at 3: 1, 3 and 6 away
    assert first.order.tolist() == [3, 2, 0, 1]
    assert (first.size, first.share, second.order.tolist()) == (4, 0.8, [4])
    assert np.isclose(first.probability, 0.825)
    assert second.probability == 1
    assert empty.size == 0
    assert empty.name == "empty"
    assert np.isnan(empty.probability)


def test_the_ends_of_a_large_cluster_are_its_most_and_least_certain_points():
    best = np.random.default_rng(0).permutation(np.linspace(0.6, 0.9, 3000))
    (cluster, _) = describe(_model("kmeans", VECTORS), torch.rand(3000, 2), np.log(np.c_[best, 1 - best]))
    assert cluster.order[0] == best.argmax()
    assert cluster.order[-1] == best.argmin()


def test_all_points_of_a_large_hard_cluster_are_ordered_by_distance():
    x = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0))
    log_q = np.tile([0.0, -np.inf], (3000, 1))
    (cluster, _) = describe(_model("kmeans", VECTORS), x, log_q)
    distance = np.linalg.norm(x.numpy() - x.numpy().mean(axis=0), axis=1)
    assert cluster.order[[0, -1]].tolist() == [distance.argmin(), distance.argmax()]


def test_a_table_a_sheet_and_a_map_of_images_and_of_vectors(tmp_path):
    for name, spec in (("vade", IMAGES), ("kmeans", IMAGES), ("kmeans", VECTORS)):
        x = torch.rand(60, *spec.shape)
        labels = np.arange(60) % 2  # the third cluster is empty
        folder = tmp_path / f"{name}-{spec.kind}"
        folder.mkdir()
        with np.errstate(divide="ignore"):
            log_q = np.log(np.eye(3)[labels])
        write(folder, _model(name, spec), x, log_q)
        for picture in ("clusters", "embedding"):
            assert (folder / f"{picture}.png").stat().st_size > 1000
            assert (folder / f"{picture}.pdf").is_file()
        with open(folder / "clusters.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["size"] for row in rows] == ["30", "30", "0"]
        indices = [int(i) for row in rows for i in (row["most_certain"] + " " + row["least_certain"]).split()]
        assert len(set(indices)) == len(indices) == 24
        assert all(labels[int(i)] == 1 for i in rows[1]["most_certain"].split())


def test_points_are_named_in_the_table_and_the_units_of_the_file_in_the_picture(tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr("benchmark.plots.save", lambda figure, _, name: shown.update({name: figure}))
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    units = Standardisation(np.array([10.0, 7.0]), np.array([4.0, 1.0]))
    log_q = np.log(np.eye(3)[:2] + 1e-9)
    write(tmp_path, _model("kmeans", VECTORS), x, log_q, ["north", "south"], ["height", "width"], units)
    with open(tmp_path / "clusters.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["most_certain_names"] for row in rows] == ["north", "south", ""]
    axes = shown["clusters"].axes[0]
    assert [t.get_text() for t in axes.texts if t.get_text()] == ["6.0", "14.0", "7.00", "7.00"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["height", "width"]
