"""One data set's part of the page."""

from benchmark.report.pictures import Album
from benchmark.report.sections import run_costs, section
from tests.helpers import record


def test_costs_leave_out_runs_without_a_score():
    records = [record(seed=0, accuracy=0.5), record(seed=1, status="failed")]
    assert run_costs(records, {records[0]["digest"]: "vade"}) == {"vade": [(10.0, 0.5)]}


def test_a_section_leads_to_the_records_that_count(tmp_path):
    old, new = record(started="2026-01-01"), record(started="2026-01-02") | {"digest": "newer"}
    found = section(
        Album(tmp_path), ("mnist", "neutral", "paper"), "MNIST", [(tmp_path, r) for r in (old, new)]
    )
    assert (found.id, found.title) == ("mnist-neutral-paper", "MNIST, neutral protocol, paper budget")
    assert found.tables[0].rows[0][0].link == "#record-newer"
