"""Files that a run leaves beside its record."""

import csv
from typing import ClassVar

import numpy as np
import torch

from benchmark.api import DataSpec
from benchmark.config import resolve
from benchmark.registry import Registry
from benchmark.running import outputs

SPEC = DataSpec("digits", (1, 8, 8), (0.0, 1.0), 60)


def test_assignments_curves_embedding_and_pictures(tmp_path):
    cls = Registry().model("vade")
    model = cls(SPEC, resolve(cls, SPEC, 3, "smoke", {}))
    log_q = {"all": np.log(np.array([[0.25, 0.5, 0.25], [0.9, 0.05, 0.05]] * 30))}
    curves = [{"stage": "a", "step": 1, "loss": 2.0}, {"stage": "b", "step": 2, "kl": 1.0}]
    outputs.write(tmp_path, model, torch.rand(60, 1, 8, 8), log_q, curves, seed=0)
    with open(tmp_path / "assignments.csv", newline="") as file:
        assert list(csv.reader(file))[:3] == [
            ["split", "index", "cluster", "probability"],
            ["all", "0", "1", "0.5"],
            ["all", "1", "0", "0.9"],
        ]
    with open(tmp_path / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {"stage": "b", "step": "2", "loss": "", "kl": "1.0"}
    with np.load(tmp_path / "embedding.npz") as file:
        assert len(file["z"]) == len(file["cluster"]) == 60
    for name in ("clusters", "curves", "embedding", "samples", "reconstructions"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        assert (tmp_path / f"{name}.pdf").is_file()


def test_a_model_that_finds_its_number_of_clusters_is_shown_with_those(tmp_path):
    cls = Registry().model("kmeans")

    class Finds(cls):
        n_clusters = property(lambda self: 5)
        drawn: ClassVar[list[int]] = []

        def sample(self, n, cluster=None):
            self.drawn.append(cluster)
            return torch.rand(n, 1, 8, 8)

    model = Finds(SPEC, resolve(cls, SPEC, 3, "smoke", {}))
    log_q = np.log(np.eye(5)[np.arange(60) % 5] + 1e-9)
    outputs.write(tmp_path, model, torch.rand(60, 1, 8, 8), {"all": log_q}, [], seed=0)
    assert sorted(model.drawn) == sorted([*range(5)] * 2)  # for samples.png and clusters.png
    assert len((tmp_path / "clusters.csv").read_text().splitlines()) == 6


def test_a_baseline_leaves_assignments_and_what_its_clusters_are(tmp_path):
    cls = Registry().model("kmeans")
    model = cls(SPEC, resolve(cls, SPEC, 3, "smoke", {}))
    outputs.write(tmp_path, model, torch.rand(60, 1, 8, 8), {"all": np.zeros((60, 3))}, [], seed=0)
    tables, pictures = {"assignments.csv", "curves.csv", "clusters.csv"}, {"clusters", "embedding"}
    files = tables | {f"{name}.{ending}" for name in pictures for ending in ("png", "pdf")}
    assert {path.name for path in tmp_path.iterdir()} == files
