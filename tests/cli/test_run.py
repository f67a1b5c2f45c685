"""The command line as a user meets it: whole runs, own data, plugins, and errors."""

import argparse
import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.cli.parser import main
from benchmark.cli.run import _tables
from benchmark.records.assignments import NO_SEEDS
from benchmark.records.store import write_record
from benchmark.running import plan as planning
from benchmark.running.cost import Forecast
from tests.helpers import record

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_prints_and_writes_its_table_and_a_second_run_has_nothing_to_do(cli, tmp_path):
    arguments = ("run", "--models", "kmeans,vade", "--seeds", 2, "--budget", "smoke", "--results", tmp_path)
    first = cli(*arguments)
    assert first.returncode == 0, first.stderr
    assert re.search(r"^\| kmeans +\|", first.stdout, re.MULTILINE)
    assert "digits vade seed 1: ok" in first.stderr
    table = tmp_path / "tables" / "digits-smoke.md"
    assert table.read_text() in first.stdout
    assert table.with_suffix(".tex").exists()
    assert table.with_suffix(".csv").exists()
    folder = next((tmp_path / "runs" / "digits" / "vade").glob("*/seed-0"))
    drawn = ("clusters", "curves", "embedding", "reconstructions", "samples")
    pictures = [f"{name}.{ending}" for name in drawn for ending in ("png", "pdf")]
    files = [
        "run.json",
        "record.json",
        "log.txt",
        "model.pt",
        "curves.csv",
        "assignments.csv",
        "clusters.csv",
        "embedding.npz",
    ]
    assert {p.name for p in folder.iterdir()} == {*files, *pictures}
    record = json.loads((folder / "record.json").read_text())
    assert record["provenance"]["packages"]["torch"]
    assert set(record["seconds"]) == {"pretrain", "mixture", "best", "train", "evaluate"}
    assert set(record["cpu_seconds"]) == set(record["seconds"])
    assert 0 < sum(record["cpu_seconds"].values()) < record["run_cpu_seconds"]
    with open(folder / "assignments.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1797
    assert (
        np.bincount([int(r["cluster"]) for r in rows], minlength=10).tolist()
        == (record["metrics"]["all"]["default"]["cluster_sizes"])
    )

    second = cli(*arguments)
    assert "4 runs, 4 of them done" in second.stderr
    assert second.stdout == first.stdout
    dry = cli(*arguments, "--set", "vade.lr=0.004", "--dry-run")
    assert "digits vade lr=0.004 seed 0: " in dry.stdout
    assert "lr = 0.004, " in dry.stdout  # all settings of what would be run
    assert "differs in lr (0.001, now 0.004)" in dry.stdout
    tables = cli("tables", "--results", tmp_path)
    assert tables.returncode == 0
    assert re.search(r"^\| kmeans +\|", tables.stdout, re.MULTILINE)
    info = cli("info", "vade", "--results", tmp_path)
    assert "0 1" in info.stdout
    assert "pretrain_epochs" in info.stdout


@pytest.mark.usefixtures("rehearsed")
def test_a_failed_cell_makes_the_exit_code_2_and_the_others_are_in_the_table(cli, tmp_path, fakes):
    arguments = ("run", "--plugin", fakes, "--models", "kmeans,raises", "--seeds", 1, "--results", tmp_path)
    found = cli(*arguments)
    assert found.returncode == 2
    assert "digits raises seed 0: failed" in found.stderr
    assert "expected: less than a minute" in found.stderr
    assert "not known, so not counted: raises" in found.stderr
    assert "of 2 runs" in found.stderr
    assert "\r" not in found.stderr  # no bar where there is no terminal
    folder = next(tmp_path.glob("runs/digits/kmeans/*/seed-0"))
    for name in ("clusters.png", "assignments.csv", "embedding.png"):
        assert f"  {folder / name}: " in found.stdout
    assert f"python -m benchmark report --results {tmp_path}" in found.stdout
    assert "0/1" in found.stdout
    assert "broken on purpose" in found.stdout
    again = cli(*arguments).stderr  # a failure is not repeated by itself
    assert "2 of them done (1 ended badly; --retry makes them again)" in again
    assert "1 of them done" in cli(*arguments, "--retry").stderr


@pytest.mark.parametrize("labelled", [True, False])
def test_own_data_are_clustered_with_or_without_labels(cli, tmp_path, labelled):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=150)
    arrays = {"X": rng.normal(size=(150, 6)) + 8 * y[:, None], **({"y": y} if labelled else {})}
    np.savez(tmp_path / "own.npz", **arrays)
    clusters = () if labelled else ("--clusters", 3)
    found = cli(
        "run",
        "--dataset",
        tmp_path / "own.npz",
        "--models",
        "kmeans,nmf",
        "--seeds",
        1,
        "--results",
        tmp_path,
        *clusters,
    )
    assert found.returncode == 0, found.stderr
    assert ("ACC" in found.stdout) == labelled
    assert ("silhouette" in found.stdout) != labelled
    assert "nmf: not run, NMF needs data without negative values" in found.stdout
    path = next((tmp_path / "runs").glob("own-*/kmeans/*/seed-0/assignments.csv"))
    assert str(path.parent.parent) in found.stdout  # the user is told where the assignments are
    with open(path) as file:
        clusters_found = [int(row["cluster"]) for row in csv.DictReader(file)]
    # three separated clusters, found exactly
    assert len({(a, b) for a, b in zip(clusters_found, y, strict=True)}) == 3


def test_a_seed_that_was_merged_counts_like_one_that_was_made_here(cli, tmp_path):
    np.savez(tmp_path / "own.npz", X=np.random.default_rng(0).normal(size=(90, 4)))
    words = ("run", "--dataset", tmp_path / "own.npz", "--models", "kmeans", "--clusters", 3, "--seeds", 2)
    first = cli(*words, "--consensus", "--results", tmp_path)
    (folder,) = tmp_path.glob("runs/*/kmeans/*/seed-0")
    shutil.rmtree(folder.parent / "consensus")
    (tmp_path / "merged" / "theirs").mkdir(parents=True)
    shutil.copytree(tmp_path / "runs", tmp_path / "merged" / "theirs" / "runs")
    shutil.rmtree(folder)
    second = cli(*words, "--consensus", "--results", tmp_path)
    assert "2 runs, 2 of them done" in second.stderr
    assert "kmeans: consensus" in second.stdout
    tables = [
        [line for line in found.stdout.splitlines() if line.startswith("|")] for found in (first, second)
    ]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_a_terminal_that_is_not_utf_8_gets_the_table_as_it_can_show_it(cli, tmp_path, environment):
    assert cli("run", "--models", "kmeans", "--seeds", 2, "--results", tmp_path).returncode == 0
    command = [sys.executable, "-m", "benchmark", "tables", "--results", str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, env={**os.environ, **environment})
    assert found.returncode == 0, found.stderr
    assert b"| kmeans" in found.stdout
    written = (tmp_path / "tables" / "digits-quick.md").read_text(encoding="utf-8")
    assert "±" in written
    shown = found.stdout.decode("latin-1").replace("±", "?")
    assert shown.startswith(written.replace("±", "?").replace("–", "?"))


def test_two_own_files_of_one_name_have_folders_and_tables_of_their_own(cli, tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "手写.npz", X=rng.normal(size=(60, 3)), y=np.arange(60) % 3)
        arguments = ("--dataset", tmp_path / folder / "手写.npz", "--models", "kmeans", "--seeds", 1)
        assert cli("run", *arguments, "--results", tmp_path).returncode == 0
    assert len(list((tmp_path / "runs").glob("手写-*"))) == 2
    tables = cli("tables", "--results", tmp_path).stdout
    assert tables.count("| kmeans") == 2
    assert "older versions" not in tables


def test_partly_labelled_digits_are_scored_on_the_labelled_ones(cli, tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    y = digits.target[:600].copy()
    y[:300] = -1
    np.savez(tmp_path / "own.npz", X=digits.images[:600] / 16, y=y)
    found = cli(
        "run", "--dataset", tmp_path / "own.npz", "--models", "kmeans", "--seeds", 1, "--results", tmp_path
    )
    assert "K = 10" in found.stdout
    assert "300 of the 600 points are labelled" in found.stdout
    (path,) = (tmp_path / "runs").glob("*/kmeans/*/seed-0/record.json")
    metrics = json.loads(path.read_text())["metrics"]["all"]["default"]
    assert (metrics["n"], metrics["labelled"]) == (600, 300)
    assert 0.7 < metrics["accuracy"] < 0.8


def test_mnist_from_its_original_files(cli, real_data, tmp_path):
    found = cli("run", "--dataset", "mnist", "--models", "random", "--seeds", 1, "--results", tmp_path)
    assert found.returncode == 0, found.stderr
    assert "| test " in found.stdout
    assert "| train " in found.stdout


def test_a_full_disk_while_tables_are_written(capsys, monkeypatch, tmp_path):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    key = {
        "dataset": "digits",
        "model": "kmeans",
        "budget": "quick",
        "protocol": "neutral",
        "config": {"n_clusters": 10},
    }
    write_record(
        tmp_path / "runs/digits/kmeans/abc/seed-0",
        {"status": "failed", "key": key, "digest": "abc", "seed": 0},
    )
    monkeypatch.setattr("benchmark.tables.table.write_atomically", full)
    assert main(["tables", "--results", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert "digits-quick.md" in message
    assert "goes on from there" in message


def test_a_damaged_record_is_named_and_nothing_is_lost(cli, tmp_path):
    arguments = ("run", "--models", "kmeans", "--seeds", 1, "--results", tmp_path)
    assert cli(*arguments).returncode == 0
    path = next(tmp_path.glob("runs/*/*/*/*/record.json"))
    path.write_text(path.read_text()[:100])
    found = cli(*arguments)
    assert found.returncode == 1
    assert str(path) in found.stderr
    assert len(path.read_text()) == 100


def test_the_parent_of_a_sweep_never_imports_torch(tmp_path):
    """Importing torch costs seconds, and would open the GPU in a process that only waits."""
    program = (
        "import sys; from benchmark.cli.parser import main\n"
        f"main(['run', '--models', 'kmeans', '--seeds', '1', '--results', {str(tmp_path)!r}])\n"
        "assert 'pandas' in sys.modules and 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    script = tmp_path / "program.py"
    script.write_text(f"if __name__ == '__main__':\n    {program.replace(chr(10), chr(10) + '    ')}\n")
    subprocess.run(
        [sys.executable, script], cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)}, capture_output=True
    )


def test_labels_do_not_reach_training(tmp_path):
    """The same images with shuffled labels give the same assignments, to the bit."""
    from sklearn.datasets import load_digits

    from benchmark.running.execute import execute
    from benchmark.running.plan import Request, plan

    digits = load_digits()
    found = []
    for seed in (0, 1):
        y = np.random.default_rng(seed).permutation(digits.target)
        path = tmp_path / f"shuffled-{seed}.npz"
        np.savez(path, X=(digits.images / 16).astype(np.float32)[:300], y=y[:300])
        run = plan(Request(str(path), ("vade",), seeds=1, budget="smoke", clusters=10)).runs[0]
        folder = run.folder(tmp_path)
        folder.mkdir(parents=True)
        assert execute(run, folder, lambda *_: None, lambda: False)["status"] == "ok"
        found.append((folder / "assignments.csv").read_text())
    assert found[0] == found[1]


@pytest.mark.gpu
@pytest.mark.parametrize("eager", [False, True])
def test_the_record_says_how_steps_were_made(cli, tmp_path, eager):
    options = ("--seeds", 1, "--budget", "smoke", "--device", "cuda", "--results", tmp_path)
    found = cli("run", "--models", "vade", *options, *(["--eager"] if eager else []))
    assert found.returncode == 0, found.stderr
    (path,) = tmp_path.glob("runs/digits/vade/*/seed-0/record.json")
    mode = json.loads(path.read_text())["provenance"]["mode"]
    assert mode == ({"all": "eager: --eager"} if eager else {"pretrain": "graph", "train": "graph"})


def bad_folder(tmp_path, *shapes, **more):
    for i, shape in enumerate(shapes):
        Image.fromarray(np.full(shape, 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    for name, content in more.items():
        (tmp_path / name.replace("_", ".")).write_text(content)
    return tmp_path


BAD_DATA = {
    "unreadable": (lambda at: bad_folder(at, a_png="no image", b_jpg=""), "no file that can be decoded"),
    "empty": (lambda at: at, "has no PNG or JPEG files"),
    "mixed kinds": (lambda at: bad_folder(at, (4, 4), b_csv="1,2"), "data of other kinds besides: b.csv"),
    "mixed colours": (lambda at: bad_folder(at, (4, 4), (4, 4, 3)), "--colour grey or --colour rgb"),
    "two sizes": (lambda at: bad_folder(at, (4, 4), (5, 5)), "`run --size N` makes all N x N"),
    "text": (lambda at: bad_folder(at, b_csv="a,b\n1,x\n2,y\n") / "b.csv", "column b holds no numbers"),
    "few": (lambda at: bad_folder(at, b_csv="1,2\n3,4\n") / "b.csv", "fewer than the 3 clusters"),
    "missing": (lambda at: at / "nowhere", "there is no file or folder"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_own_data_that_can_not_be_used_are_one_sentence_and_nothing_is_written(
    tmp_path, capsys, monkeypatch, case
):
    make, message = BAD_DATA[case]
    # in this process, which has imported everything
    monkeypatch.setattr(
        planning, "make_plan", lambda *requests: planning.join([*map(planning.plan, requests)])
    )
    (tmp_path / "own").mkdir()
    command = ["run", "--dataset", str(make(tmp_path / "own")), "--clusters", "3", "--models", "kmeans"]
    assert main([*command, "--results", str(tmp_path / "results")]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("error: ") == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "results").exists()


def test_an_option_of_own_data_is_refused_for_a_data_set_of_the_suite(capsys):
    assert main(["info", "digits", "--size", "8"]) == 1
    assert (
        "--size was given for the data set digits, and is for data of your own: a folder"
        in capsys.readouterr().err
    )


def test_a_range_of_clusters_is_planned_as_runs_like_any_other(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "make_plan", planning.plan)
    words = [
        "run",
        "--models",
        "kmeans,nmf",
        "--clusters",
        "4:8:2",
        "--set",
        "nmf.max_iter=9",
        "--dry-run",
    ]
    assert main([*words, "--results", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "30 runs, 0 of them done" in said.err  # two models, three numbers, five seeds
    assert re.findall(r"(\w+) \w+: n_clusters = (\d)", said.out) == [
        (model, k) for model in ("kmeans", "nmf") for k in "468"
    ]


def test_what_another_sweep_has_made_during_the_forecast_is_not_made_again(monkeypatch, cli, tmp_path):
    def meanwhile(todo, results, jobs):
        write_record(todo[0].folder(results), todo[0].record("failed", error="in the other sweep"))
        return Forecast({})

    monkeypatch.setattr(planning, "make_plan", planning.plan)
    monkeypatch.setattr("benchmark.running.cost.forecast", meanwhile)
    words = ("--models", "kmeans", "--seeds", 1, "--budget", "smoke", "--results", tmp_path)
    assert cli("run", *words).returncode == 2
    (path,) = tmp_path.glob("runs/*/*/*/seed-0/record.json")
    assert json.loads(path.read_text())["error"] == "in the other sweep"


def test_threads_share_the_cores_and_finished_runs_without_snapshots_are_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "make_plan", planning.plan)
    monkeypatch.setattr("benchmark.records.provenance.available_cores", lambda: 16)
    words = ["run", "--models", "kmeans", "--seeds", "1", "--threads", "4", "--device", "cpu", "--dry-run"]
    words += ["--snapshots", "20", "--results", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "1 run, 0 of them done, 4 at a time" in said
    assert "learning.csv" not in said
    (run,) = planning.plan(planning.Request("digits", ("kmeans",), 1, device="cpu", threads=4)).runs
    write_record(run.folder(tmp_path), run.record("ok"))
    assert main(words) == 0
    assert "note: 1 of the runs that are done have no learning.csv" in capsys.readouterr().err


def test_two_numbers_of_clusters_are_no_range_and_have_the_table_of_their_runs(tmp_path):
    runs = [(tmp_path, record(seed=s, config={"n_clusters": k})) for k in (2, 3, 4) for s in (0, 1, 2)]
    options = argparse.Namespace(paper=None, study=None, clusters=[2, 3, 4])
    plan = planning.Plan("MNIST", "quick", "cpu", [], {}, {})
    assert [table.name for table in _tables(plan, runs, options, NO_SEEDS)] == ["mnist-paper-clusters"]
    options.clusters = [2, 3]
    assert [table.name for table in _tables(plan, runs[:6], options, NO_SEEDS)] == ["mnist-paper"]


@pytest.mark.slow
def test_a_range_of_clusters_ends_with_a_recommendation_and_goes_on_where_it_was(cli, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4
    np.savez(tmp_path / "own.npz", X=rng.normal(size=(200, 5)) + 9 * np.eye(4, 5)[y])
    words = ("run", "--dataset", tmp_path / "own.npz", "--models", "kmeans", "--results", tmp_path)
    first = cli(*words, "--clusters", "2:5", "--seeds", 3)
    assert first.returncode == 0, first.stderr
    assert "12 runs, 0 of them done" in first.stderr
    assert "kmeans: K = " in first.stdout
    assert "with one of these numbers shows its runs, which are kept: --clusters K" in first.stdout
    assert {p.suffix for p in (tmp_path / "tables").glob("own-*-clusters.*")} == {
        ".md",
        ".tex",
        ".csv",
        ".png",
        ".pdf",
    }
    assert "18 runs, 12 of them done" in cli(*words, "--clusters", "2:7", "--seeds", 3).stderr
