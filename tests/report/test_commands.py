"""The commands below a table: they plan the same runs again."""

import shlex
import subprocess
from pathlib import Path

import numpy as np

from benchmark.cli.parser import _parser
from benchmark.cli.requests import requests
from benchmark.reading import Reading
from benchmark.report.commands import run_command, tables_command
from benchmark.running.plan import Request, plan
from tests.conftest import ROOT
from tests.helpers import record

RESULTS = Path("results")


def test_settings_made_by_hand_are_part_of_the_command():
    overrides = {"hidden": [5, 6], "decode": True}
    assert (
        run_command("mnist", "neutral", "quick", [record("m", seed=4, overrides=overrides)], RESULTS)
        == "make bench DATASET=mnist MODELS=m SEEDS=5 BUDGET=quick ARGS='--set m.hidden=5,6 --set"
        " m.decode=true'"
    )


def test_models_with_other_numbers_of_seeds_have_a_command_of_their_own():
    records = [record(m, seed=s) for m, n in (("a", 3), ("b", 5), ("c", 3)) for s in range(n)]
    assert run_command("mnist", "neutral", "quick", records, RESULTS).splitlines() == [
        "make bench DATASET=mnist MODELS=a,c SEEDS=3 BUDGET=quick",
        "make bench DATASET=mnist MODELS=b SEEDS=5 BUDGET=quick",
    ]


def test_what_the_runs_were_made_on_is_part_of_the_command():
    cpu, cuda = record("m", digest="cpu"), record("m", digest="cuda")
    cpu["key"] |= {"device": "cpu", "threads": 4}
    cuda["key"] |= {"device": "cuda", "threads": 4}
    assert run_command("mnist", "neutral", "quick", [cpu, cuda], RESULTS).splitlines() == [
        "make bench DATASET=mnist MODELS=m SEEDS=1 BUDGET=quick DEVICE=cpu ARGS='--threads 4'",
        "make bench DATASET=mnist MODELS=m SEEDS=1 BUDGET=quick DEVICE=cuda",
    ]


def test_own_files_and_plugins_are_part_of_the_command():
    asked = {"dataset": "/my data/own.npz", "plugins": ["/a/m.py", "/b/d e.py"], "standardise": False}
    found = run_command(
        "own-123abc", "neutral", "quick", [record("m", config={"n_clusters": 7}, asked=asked)], Path("r 2")
    )
    assert found == (
        "make bench DATASET='/my data/own.npz' MODELS=m SEEDS=1 BUDGET=quick CLUSTERS=7 PLUGIN=/a/m.py"
        """ ARGS='--plugin '"'"'/b/d e.py'"'"' --no-standardise' RESULTS='r 2'"""
    )


def test_the_command_of_an_own_file_with_a_plugin_plans_the_same_runs(tmp_path, fakes):
    """As make passes it on, from its variables to the options of `run`."""
    folder = tmp_path / "my data"
    folder.mkdir()
    np.savez(folder / "own.npz", X=np.random.default_rng(0).normal(size=(60, 3)))
    request = Request(
        str(folder / "own.npz"),
        ("fine",),
        clusters=4,
        plugins=(fakes,),
        reading=Reading(standardise=False),
        budget="smoke",
    )
    planned = plan(request).runs
    records = [run.record("ok", metrics={}) for run in planned]
    command = run_command(planned[0].key["dataset"], "neutral", "smoke", records, RESULTS)
    made = subprocess.run(
        [*shlex.split(command), "-n", "-o", ".venv/.installed", f"RESULTS={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in made.stdout.replace("\\\n", " ").splitlines() if "benchmark run" in line]
    options = _parser().parse_args(shlex.split(line)[3:])
    (asked,) = requests(options, None)
    again = plan(asked).runs
    assert [(r.digest, r.seed) for r in again] == [(r.digest, r.seed) for r in planned]


def test_the_results_folder_is_part_of_the_command():
    assert tables_command(Path("results")) == "make tables"
    assert (
        tables_command(Path("my results"), "--paper vade")
        == "make tables RESULTS='my results' ARGS=\"--paper vade\""
    )
