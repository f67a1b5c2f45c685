"""One data set's part of the page."""

from benchmark.report.pictures import Album
from benchmark.report.sections import learning_curves, run_costs, section
from tests.helpers import record


def test_costs_leave_out_runs_without_a_score():
    records = [record(seed=0, accuracy=0.5), record(seed=1, status="failed")]
    assert run_costs(records, {records[0]["digest"]: "vade"}) == {"vade": [(10.0, 0.5)]}


def test_learning_curves_are_of_runs_that_ended_well(tmp_path):
    (tmp_path / "learning.csv").write_text("step,cpu_seconds,accuracy\n5,30.0,0.25\n10,60.0,0.5\n")
    runs = {
        "vade": [(tmp_path, record()), (tmp_path, record(status="failed")), (tmp_path / "none", record())]
    }
    assert learning_curves(runs, "cpu_seconds") == {"vade": [[(30.0, 0.25), (60.0, 0.5)]]}


def test_learning_curves_of_runs_with_other_snapshots_are_of_their_common_steps(tmp_path):
    """So that a mean is of equal steps."""
    header, lines = "step,cpu_seconds,accuracy\n", [f"{s},{60 * s}.0,0.{s}\n" for s in range(1, 5)]
    for name, chosen in (("many", lines), ("few", lines[1::2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "learning.csv").write_text(header + "".join(chosen))
    runs = {"vade": [(tmp_path / name, record()) for name in ("many", "few")]}
    assert learning_curves(runs, "cpu_seconds") == {"vade": [[(120.0, 0.2), (240.0, 0.4)]] * 2}


def test_a_section_shows_them_beside_the_costs(tmp_path):
    (tmp_path / "learning.csv").write_text("step,cpu_seconds,accuracy\n5,30.0,0.25\n10,60.0,0.5\n")
    found = section(Album(tmp_path), ("mnist", "neutral", "paper"), "MNIST", [(tmp_path, record())])
    assert [figure.alt.split(" on ")[0] for figure in found.figures] == [
        "ACC against seconds of every run",
        "ACC over processor time",
    ]


def test_a_section_leads_to_the_records_that_count(tmp_path):
    old, new = record(started="2026-01-01"), record(started="2026-01-02") | {"digest": "newer"}
    found = section(
        Album(tmp_path), ("mnist", "neutral", "paper"), "MNIST", [(tmp_path, r) for r in (old, new)]
    )
    assert (found.id, found.title) == ("mnist-neutral-paper", "MNIST, neutral protocol, paper budget")
    assert found.tables[0].rows[0][0].link == "#record-newer"


def test_a_section_has_the_table_and_the_figure_of_a_range_of_clusters(tmp_path):
    runs = [(tmp_path, record(seed=s, config={"n_clusters": k})) for k in (2, 3, 4) for s in (0, 1, 2)]
    found = section(Album(tmp_path), ("mnist", "neutral", "paper"), "MNIST", runs)
    assert [table.title for table in found.tables][:2] == ["Results", "How many clusters?"]
    assert found.figures[0].alt == "stability over K on MNIST, neutral protocol, paper budget"
