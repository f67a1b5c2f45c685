"""What scores without labels are worth, as a command."""

import numpy as np

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


def test_own_data_that_have_moved_are_found_where_they_are_now(cli, tmp_path, capsys):
    """A consensus that was not written yet is measured, on the data."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 5])
    np.savez(tmp_path / "own.npz", X=X, y=np.repeat([0, 1], 20))
    results = tmp_path / "results"
    command = ("run", "--dataset", tmp_path / "own.npz", "--models", "kmeans", "--seeds", 2)
    assert cli(*command, "--budget", "smoke", "--results", results).returncode == 0
    moved = (tmp_path / "own.npz").rename(tmp_path / "moved.npz")
    assert main(["label-free", "--results", str(results)]) == 1
    assert "say where they are now" in capsys.readouterr().err
    main(["label-free", "--results", str(results), "--data", str(moved)])
    assert len(list(results.rglob("consensus.json"))) == 1
