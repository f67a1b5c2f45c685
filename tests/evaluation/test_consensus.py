"""One partition from several: by hand, and of runs."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from benchmark.errors import UserError
from benchmark.evaluation.consensus import vote, write_consensus
from benchmark.evaluation.metrics import accuracy, contingency


def noisy(truth, k, share, rng):
    """The partition with a share of its points moved at random, and other numbers."""
    moved = np.where(rng.random(len(truth)) < share, rng.integers(k, size=len(truth)), truth)
    return rng.permutation(k)[moved]


def test_votes_of_noisy_partitions_find_the_one_behind_them():
    rng = np.random.default_rng(0)
    truth = rng.integers(5, size=600)
    partitions = [noisy(truth, 5, 0.4, rng) for _ in range(9)]
    single = [accuracy(contingency(truth, p, 5)) for p in partitions]
    votes = vote(partitions, 5)
    assert votes.sum(axis=1) == pytest.approx(1)
    assert max(single) < 0.75
    assert accuracy(contingency(truth, votes.argmax(axis=1), 5)) > 0.95


def test_the_first_reference_is_the_partition_that_agrees_best_with_the_others():
    """Clusters matched with those of a partition at random are not matched with each other's."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = rng.integers(5, size=300)
        partitions = [noisy(truth, 5, share, rng) for share in (0.95, 0.95, 0.95, 0.95, 0.5, 0.5, 0.5)]
        assert accuracy(contingency(truth, vote(partitions, 5).argmax(axis=1), 5)) > 0.5


def test_voting_goes_on_until_the_majority_is_its_own_reference():
    rng = np.random.default_rng(1)
    truth = rng.integers(5, size=300)
    partitions = [noisy(truth, 5, 0.65, rng) for _ in range(15)]
    votes = vote(partitions, 5)
    again = np.zeros_like(votes)
    for partition in partitions:
        _, numbers = linear_sum_assignment(contingency(votes.argmax(axis=1), partition, 5), maximize=True)
        again[np.arange(300), numbers[partition]] += 1 / 15
    assert again == pytest.approx(votes)


def test_equal_partitions_are_their_own_consensus_with_all_votes():
    labels = np.array([0, 2, 2, 1, 0])
    votes = vote([labels, (labels + 1) % 4, labels], 4)
    assert (votes.max(axis=1) == 1).all()
    assert len(np.unique(np.c_[votes.argmax(axis=1), labels], axis=0)) == 3


@pytest.mark.parametrize("labelled", [True, False])
def test_a_run_writes_the_consensus_and_shows_it_beside_the_seeds(cli, tmp_path, labelled):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    np.savez(
        tmp_path / "own.npz", X=rng.normal(size=(90, 4)) + 8 * y[:, None], **({"y": y} if labelled else {})
    )
    words = ("run", "--dataset", tmp_path / "own.npz", "--models", "kmeans", "--clusters", 3)
    found = cli(*words, "--seeds", 2, "--consensus", "--results", tmp_path)
    assert found.returncode == 0, found.stderr
    (row,) = [line for line in found.stdout.splitlines() if "kmeans: consensus" in line]
    assert [cell.strip() for cell in row.split("|")[1:4]] == ["kmeans: consensus", "all", "2"]
    if labelled:
        assert "1.000" in row
    (folder,) = (tmp_path / "runs").glob("own-*/kmeans/*/consensus")
    with open(folder / "assignments.csv") as file:
        rows = list(csv.DictReader(file))
    assert {r["probability"] for r in rows} == {"1"}
    assert accuracy(contingency(y, np.array([int(r["cluster"]) for r in rows]), 3)) == 1
    assert json.loads((folder / "consensus.json").read_text())["seeds"] == [0, 1]


def test_a_consensus_of_one_seed_is_refused_and_nothing_is_written(cli, tmp_path):
    found = cli("run", "--models", "kmeans", "--seeds", 1, "--consensus", "--results", tmp_path / "new")
    assert found.returncode == 1
    assert "a consensus is of several seeds, two at least; --seeds 1 was given" in found.stderr
    assert not (tmp_path / "new").exists()


def test_a_consensus_needs_two_runs_with_their_assignments(tmp_path):
    with pytest.raises(UserError, match=r"a consensus needs two seeds at least; .* has one that ended well"):
        write_consensus([tmp_path / "seed-0"])
