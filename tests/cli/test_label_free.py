"""What scores without labels are worth, as a command."""

from benchmark.cli.parser import main
from tests.tables.test_label_free import scores


def test_scores_of_runs_that_are_gone_are_kept_and_shown(tmp_path, capsys):
    scores(agreement=range(10)).to_csv(tmp_path / "label-free.csv", index=False)
    assert main(["label-free", "--results", str(tmp_path)]) == 0
    assert "+1.00*" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "tables").glob("*.md")} == {
        "label-free-seeds.md",
        "label-free-picks.md",
    }


def test_too_few_runs_are_refused_and_nothing_is_written(tmp_path, capsys):
    assert main(["label-free", "--results", str(tmp_path / "none")]) == 1
    assert "`python -m benchmark run --seeds 10` makes some" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
