"""Time of planning 10,000 runs and of reading 10,000 records, which every command about a large campaign
waits for.
"""

import numpy as np
import pytest

from benchmark.cli import status
from benchmark.records.store import all_records, write_record
from benchmark.running.plan import Request, plan, remaining

pytestmark = pytest.mark.perf

RUNS = 10_000
CONFUSION = np.arange(100).reshape(10, 10).tolist()
METRICS = {
    "n": 10_000,
    "accuracy": 0.9,
    "nmi": 0.9,
    "ari": 0.9,
    "confusion": CONFUSION,
    "cluster_sizes": [1000] * 10,
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """(results folder, plan) of 10,000 runs with made-up records of the size of MNIST's."""
    results = tmp_path_factory.mktemp("results")
    made = plan(Request("digits", ("kmeans", "vade"), seeds=RUNS // 2, device="cpu"))
    for run in made.runs:
        rules = {"default": METRICS, "mean": METRICS}
        record = run.record(
            "ok",
            metrics={"train": rules, "test": rules},
            seconds={"train": 1.0},
            provenance={"host": "node1"},
        )
        write_record(run.folder(results), record)
    return results, made


def test_planning(benchmark, campaign):
    results, _ = campaign

    def replan():
        found = plan(Request("digits", ("kmeans", "vade"), seeds=RUNS // 2, device="cpu"))
        return remaining(found, results, retry=False)

    assert benchmark.pedantic(replan, rounds=2) == []


def test_reading_records(benchmark, campaign):
    results, _ = campaign
    assert len(benchmark.pedantic(lambda: list(all_records(results)), rounds=2)) == RUNS


def test_status(benchmark, campaign):
    results, _ = campaign
    assert len(benchmark.pedantic(lambda: status.states(results), rounds=2)) == RUNS
