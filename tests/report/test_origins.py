"""Where numbers come from."""

from benchmark.report.origins import blocks, failures, summary
from tests.helpers import record


def test_the_summary_counts_runs_and_names_each_commit_once():
    records = [record(started="2026-01-02T10"), record(seed=1, status="failed", started="2026-01-01T10")]
    assert summary(records) == (
        "2 runs, 1 of them ended well; made from 2026-01-01 to 2026-01-02.",
        ["0123456"],
    )


def test_a_failure_has_the_end_of_its_log(tmp_path):
    (tmp_path / "log.txt").write_text("\n".join(map(str, range(100))))
    (found,) = failures([(tmp_path, record(status="failed")), (tmp_path, record())])
    assert (found.status, found.error) == ("failed", "it broke")
    assert found.log.split("\n")[0] == "60"


def test_a_block_has_every_seed_in_order(tmp_path):
    found = [(tmp_path / f"seed-{s}", record(seed=s)) for s in (1, 0)]
    (block,) = blocks(tmp_path, found)
    assert [row[0].text for row in block.rows] == ["0", "1"]
    assert block.rows[0][-1].text == "seed-0/record.json"
