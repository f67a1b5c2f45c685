"""Time of planning 10,000 cells and of reading 10,000 records, which every command about a large campaign waits for."""

import numpy as np
import pytest

from benchmark import status, sweep
from benchmark.results import all_records, write_record

pytestmark = pytest.mark.perf

CELLS = 10_000
CONFUSION = np.arange(100).reshape(10, 10).tolist()
METRICS = {"n": 10_000, "accuracy": 0.9, "nmi": 0.9, "ari": 0.9, "confusion": CONFUSION, "cluster_sizes": [1000] * 10}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """(results folder, plan) of 10,000 cells with made-up records of the size of MNIST's."""
    results = tmp_path_factory.mktemp("results")
    plan = sweep.plan(sweep.Request("digits", ("kmeans", "vade"), seeds=CELLS // 2, device="cpu"))
    for cell in plan.cells:
        rules = {"default": METRICS, "mean": METRICS}
        record = cell.record("ok", metrics={"train": rules, "test": rules}, seconds={"train": 1.0}, provenance={"host": "node1"})
        write_record(cell.folder(results), record)
    return results, plan


def test_planning(benchmark, campaign):
    results, _ = campaign

    def plan():
        found = sweep.plan(sweep.Request("digits", ("kmeans", "vade"), seeds=CELLS // 2, device="cpu"))
        return sweep.remaining(found, results, retry=False)

    assert benchmark.pedantic(plan, rounds=2) == []


def test_reading_records(benchmark, campaign):
    results, _ = campaign
    assert len(benchmark.pedantic(lambda: list(all_records(results)), rounds=2)) == CELLS


def test_status(benchmark, campaign):
    results, _ = campaign
    assert len(benchmark.pedantic(lambda: status.states(results), rounds=2)) == CELLS
