"""Tables of records that were made by real runs (digits, quick budget, on a CPU) and are kept as they
were.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.records.store import all_records
from benchmark.tables.means import build
from benchmark.tables.significance import comparison_tables
from tests.helpers import rows

FROZEN = Path(__file__).parent / "frozen"


@pytest.fixture
def records():
    return [record for _, record in all_records(FROZEN)]


def accuracies(model):
    paths = sorted((FROZEN / "runs/digits" / model).glob("*/seed-*/record.json"))
    found = [json.loads(path.read_text()) for path in paths]
    return [r["metrics"]["all"]["default"]["accuracy"] for r in found if r["status"] == "ok"]


def test_the_table_has_mean_and_deviation_of_the_files(records):
    (table,) = build(records)
    kmeans = accuracies("kmeans")
    assert len(kmeans) == 5
    row = rows(table, "model")["kmeans",]
    assert row["ACC"] == f"{np.mean(kmeans):.3f} ± {np.std(kmeans, ddof=1):.3f}"
    assert row["seeds"] == "5"
    assert table.name == "digits-quick"
    assert "digits" in table.heading


def test_the_one_run_that_two_models_share_separates_nothing(records):
    (table,) = comparison_tables(records)
    assert len(accuracies("gmm")) == 1
    assert sorted(table.text()["verdict"]) == ["highest mean", "too few seeds for this test (needs 3)"]
