"""Scores of runs without labels, from folders made by hand."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from benchmark.evaluation import label_free
from tests.helpers import record


@pytest.fixture
def runs(tmp_path):
    """Two models, three seeds each, whose consensus is there."""
    rng = np.random.default_rng(0)
    found = []
    for model in ("a", "b"):
        for seed in range(3):
            folder = tmp_path / model / f"seed-{seed}"
            folder.mkdir(parents=True)
            labels = rng.integers(3, size=40)
            rows = "".join(f"test,{i},{c},1\n" for i, c in enumerate(labels))
            (folder / "assignments.csv").write_text(f"split,index,cluster,probability\n{rows}")
            np.savez(folder / "embedding.npz", z=rng.normal(size=(40, 2)), cluster=labels)
            made = record(model, seed=seed, last_losses={"nelbo": 20.0 + seed})
            made["metrics"]["test"]["default"] |= {"silhouette": 0.1 * seed, "mutual_information": 1.0}
            found.append((folder, made))
        (tmp_path / model / "consensus").mkdir()
        (tmp_path / model / "consensus" / "consensus.json").write_text(
            '{"seeds": [0, 1, 2], "metrics": {"test": {"accuracy": 0.75}}}'
        )
    return found


def test_a_row_for_every_run(runs):
    frame = label_free.measure_runs(runs)
    labels = {(r["key"]["model"], r["seed"]): np.load(f / "embedding.npz")["cluster"] for f, r in runs}
    spaces = [np.load(folder / "embedding.npz")["z"] for folder, _ in runs[:3]]
    row = frame.set_index(["model", "seed"]).loc["a", 1]
    mine = labels["a", 1]
    assert (row["consensus"], row["digest"]) == (0.75, runs[0][1]["digest"])
    assert (row["accuracy"], row["bound"], row["common_space"]) == (0.9, -21, 0.1)
    assert row["own_space"] == pytest.approx(silhouette_score(spaces[1], mine))
    assert row["all_spaces"] == pytest.approx(np.mean([silhouette_score(z, mine) for z in spaces]))
    assert row["agreement"] == pytest.approx(
        np.mean([adjusted_rand_score(mine, labels["a", seed]) for seed in (0, 2)])
    )
    assert row["other_models"] == pytest.approx(
        np.mean([adjusted_rand_score(mine, labels["b", seed]) for seed in range(3)])
    )


def test_runs_without_labels_or_assignments_have_none(runs, tmp_path):
    bare = [(tmp_path, made) for _, made in runs]
    assert label_free.measure_runs(bare).empty
