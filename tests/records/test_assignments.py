"""Agreement of seeds, from assignments written by hand."""

import json

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.records.assignments import (
    pairwise_agreement,
    read_assignments,
    seeds_together,
    with_others,
)
from tests.helpers import record


def write_assignments(folder, labels, split="all"):
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{split},{i},{c},0.9,a name\n" for i, c in enumerate(labels))
    (folder / "assignments.csv").write_text(f"split,index,cluster,probability,name\n{rows}")


def unlabelled(seed, **more):
    made = record(seed=seed, splits=("all",), **more)
    for metrics in made["metrics"]["all"].values():
        for name in ("accuracy", "purity", "exemplar_accuracy", "nmi", "nmi_geometric", "ari"):
            del metrics[name]
    return made


PARTITIONS = ([0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1])  # equal, equal but for the numbers, independent


def test_agreement_does_not_depend_on_the_numbers_of_clusters():
    found = pairwise_agreement([np.array(labels) for labels in PARTITIONS])
    # of [0, 1, 0, 1]: no pair of points is together in both, 2/3 expected, 2 at most: (0 - 2/3) / (2 - 2/3)
    assert found == pytest.approx(np.array([[1, 1, -0.5], [1, 1, -0.5], [-0.5, -0.5, 1]]))
    assert with_others(found) == pytest.approx([0.25, 0.25, -0.5])
    assert np.isnan(with_others(np.eye(1))).all()


def test_each_run_is_compared_with_the_other_seeds_of_its_model_alone(tmp_path):
    runs = []
    for seed, labels in enumerate(PARTITIONS):
        write_assignments(tmp_path / f"seed-{seed}", labels)
        runs.append((tmp_path / f"seed-{seed}", unlabelled(seed)))
    write_assignments(tmp_path / "other" / "seed-0", [0, 0, 0, 1])
    runs.append((tmp_path / "other" / "seed-0", unlabelled(0, model="kmeans")))
    found = seeds_together(runs).agreement
    digest = runs[0][1]["digest"]
    assert [found[digest, seed, "all"] for seed in range(3)] == pytest.approx([0.25, 0.25, -0.5])
    assert np.isnan(found[runs[3][1]["digest"], 0, "all"])
    assert not seeds_together([(folder, record()) for folder, _ in runs]).agreement  # labels say more


def test_a_consensus_of_other_seeds_than_those_that_are_there_is_old(tmp_path):
    runs = [(tmp_path / f"seed-{seed}", record(seed=seed)) for seed in range(3)]
    (tmp_path / "consensus").mkdir()
    (tmp_path / "consensus" / "consensus.json").write_text(json.dumps({"seeds": [0, 1], "metrics": {}}))
    assert set(seeds_together(runs[:2]).consensus) == {runs[0][1]["digest"]}
    assert not seeds_together(runs).consensus


@pytest.mark.parametrize(("versions", "counts"), [((1, 1), True), ((2, 2), False), ((1, 2), False)])
def test_a_consensus_counts_where_it_was_measured_as_its_runs_were(tmp_path, versions, counts):
    runs = [
        (tmp_path / f"seed-{seed}", {**record(seed=seed), "metrics_version": version})
        for seed, version in enumerate(versions)
    ]
    (tmp_path / "consensus").mkdir()
    entry = {"seeds": [0, 1], "metrics": {}, "metrics_version": 1}
    (tmp_path / "consensus" / "consensus.json").write_text(json.dumps(entry))
    assert bool(seeds_together(runs).consensus) == counts


def test_a_consensus_is_found_beside_any_of_its_seeds(tmp_path):
    runs = [(tmp_path / where / "seed", record(seed=seed)) for seed, where in enumerate(("own", "merged"))]
    (tmp_path / "own" / "consensus").mkdir(parents=True)
    (tmp_path / "own" / "consensus" / "consensus.json").write_text('{"seeds": [0, 1], "metrics": {}}')
    for order in (runs, runs[::-1]):
        assert set(seeds_together(order).consensus) == {runs[0][1]["digest"]}


def test_assignments_that_are_not_there_are_none_and_damaged_ones_are_named(tmp_path):
    assert read_assignments(tmp_path) == {}
    (tmp_path / "assignments.csv").write_text("split,index,cluster\nall,0,a\n")
    with pytest.raises(
        UserError, match=r"assignments\.csv can't be read as assignments: .*; delete record\.json beside it"
    ):
        read_assignments(tmp_path)
