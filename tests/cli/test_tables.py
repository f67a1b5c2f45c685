"""The commands for papers, sweeps and the report, in this process."""

import pytest

from benchmark.cli.parser import main
from benchmark.records.store import write_record
from tests.helpers import record


@pytest.fixture
def results(tmp_path):
    records = [
        record(protocol="pooled", splits=("all",)),
        record("clustergan", budget="quick", protocol="held-out", rules=("kmeans_refit",)),
        *(
            record(m, seed=s, accuracy=a, budget="quick")
            for m, a in (("vade", 0.5), ("kmeans", 0.6))
            for s in (0, 1)
        ),
    ]
    for r in records:
        write_record(
            tmp_path / "runs" / "mnist" / r["key"]["model"] / r["key"]["protocol"] / f"seed-{r['seed']}", r
        )
    return tmp_path


def test_tables_writes_means_and_comparisons(results, capsys):
    assert main(["tables", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert "which models can be told apart" in out
    assert {p.name for p in (results / "tables").glob("*.md")} == {
        "mnist-quick.md",
        "mnist-held-out-quick.md",
        "mnist-pooled-paper.md",
        "mnist-neutral-quick-comparison.md",
    }


def test_the_table_of_a_paper_in_three_formats(results, capsys):
    assert main(["tables", "--paper", "vade", "--results", str(results)]) == 0
    assert "0.9446 [1]" in capsys.readouterr().out
    assert {p.name for p in (results / "tables").iterdir()} >= {
        f"paper-vade-paper.{e}" for e in ("md", "tex", "csv")
    }


def test_a_papers_table_needs_no_runs(tmp_path, capsys):
    assert main(["tables", "--paper", "mpcc", "--results", str(tmp_path)]) == 0
    assert "no runs of ours" in capsys.readouterr().out


def test_the_table_of_a_study(results, capsys):
    assert main(["tables", "--study", "clustergan-wrong-k", "--results", str(results)]) == 0
    assert "0.910" in capsys.readouterr().out
    assert main(["tables", "--study", "gmvae-k-m", "--results", str(results)]) == 1
    assert "run --study gmvae-k-m" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tables", "--paper", "vad"], "unknown paper 'vad'; did you mean vade"),
        (["run", "--study", "gmvae", "--dry-run"], "unknown study 'gmvae'"),
        (
            ["run", "--study", "gmvae-k-m", "--set", "gmvae.lr=1"],
            "--study says itself which settings are run, leave --set out",
        ),
        (
            ["run", "--paper", "vade", "--clusters", "3"],
            "--paper says itself which settings are run, leave --clusters out",
        ),
        (["run", "--paper", "vade", "--study", "gmvae-k-m"], "leave --study out"),
        (
            ["run", "--paper", "vade", "--dataset", "digits"],
            "has no numbers for digits; it has some for har, mnist",
        ),
        (["report", "--results", "nowhere"], "there are no records under nowhere"),
    ],
)
def test_mistakes_get_a_message(arguments, message, capsys):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
