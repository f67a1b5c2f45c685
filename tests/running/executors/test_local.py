"""The local executor against models that misbehave in every way: each run ends with its status, and nothing
is lost.
"""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli.parser import main
from benchmark.running.executors import local
from benchmark.running.executors.local import LocalExecutor
from benchmark.running.plan import Request, plan

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path, fakes):
    """Runs one seed each of some fake models; returns {model: record}."""

    def run(*models, time_limit=None, jobs=2, **overrides):
        request = Request(
            "digits", models, seeds=1, plugins=(fakes,), overrides=dict.fromkeys(models, overrides)
        )
        records, starts, progress = {}, [], []
        executor = LocalExecutor(
            jobs,
            time_limit,
            starts.append,
            lambda run, message: progress.append(message),
            lambda run, record: records.update({run.key["model"]: record}),
        )
        executor.run([(run, run.folder(tmp_path)) for run in plan(request).runs])
        assert len(starts) == len(models)
        run.progress = progress
        return records

    return run


def folder_of(results, model):
    return next((results / "runs" / "digits" / model).glob("*/seed-0"))


def test_every_way_to_fail_becomes_a_status_with_its_reason(run, tmp_path):
    records = run(
        "fine", "raises", "nan", "memory", "exits", "killed", "crashes", "tensor", "vector_loss", "half"
    )
    assert {model: record["status"] for model, record in records.items()} == {
        "fine": "ok",
        "raises": "failed",
        "nan": "diverged",
        "memory": "out_of_memory",
        "exits": "failed",
        "killed": "interrupted",  # the next run goes on with it
        "crashes": "failed",
        "tensor": "failed",
        "vector_loss": "failed",
        "half": "ok",
    }
    assert records["raises"]["error"] == "RuntimeError: this model is broken on purpose"
    assert any("broken on purpose" in line for line in records["raises"]["log_tail"])
    assert "loss is nan in stage train" in records["nan"]["error"]
    assert "code 3" in records["exits"]["error"]
    assert "SIGKILL" in records["killed"]["error"]
    assert "SIGSEGV" in records["crashes"]["error"]
    expected = 'the step of stage train must return a dict of scalar tensors such as {"loss": loss}'
    assert records["tensor"]["error"] == f"{expected}, not a tensor of shape ()"
    assert records["vector_loss"]["error"] == f"{expected}, its 'loss' is a tensor of shape (3,)"
    for model, record in records.items():
        written = json.loads((folder_of(tmp_path, model) / "record.json").read_text())
        assert written["status"] == record["status"]
        assert written["started"] > "2026"  # by which the newest code counts, also where it crashes
    assert records["fine"]["metrics"]["all"]["default"]["n"] == 1797
    assert run.progress[0]["stage"] == "train"
    half = folder_of(tmp_path, "half")
    pictures = {"clusters.png", "curves.png", "embedding.png", "samples.png", "reconstructions.png"}
    assert {path.name for path in half.glob("*.png")} == pictures
    assert np.load(half / "embedding.npz")["z"].dtype == np.float32
    with open(half / "assignments.csv") as file:
        assert all(0 < float(row["probability"]) <= 1 for row in csv.DictReader(file))


def test_the_time_limit_ends_a_hanging_cell_that_ignores_the_request(run, monkeypatch):
    monkeypatch.setattr(local, "GRACE_SECONDS", 1.0)
    started = time.monotonic()
    records = run("hangs", "fine", time_limit=20)
    assert records["hangs"]["status"] == "timed_out"
    assert records["hangs"]["error"] == "did not end within the time limit of 20 s"
    assert records["fine"]["status"] == "ok"
    assert time.monotonic() - started < 60


def test_a_timed_out_cell_that_listens_keeps_its_checkpoint(run, tmp_path):
    records = run("fine", time_limit=12, pause="0.05", steps="100000")
    assert records["fine"]["status"] == "timed_out"
    assert (folder_of(tmp_path, "fine") / "checkpoint.pt").exists()


def test_what_a_cell_leaves_running_is_ended_with_it(run, tmp_path):
    assert run("spawns")["spawns"]["status"] == "ok"
    log = (folder_of(tmp_path, "spawns") / "log.txt").read_text()
    pid = int(log.split("spawned ")[1].split()[0])
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def test_a_full_disk_is_a_failed_cell_that_says_so(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local, "write_record", full)
    record = run("exits")["exits"]
    assert record["status"] == "failed"
    assert "could not be written either: [Errno 28] No space left on device" in record["error"]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


SWEEP = ["run", "--models", "fine", "--seeds", "1"]
SETTINGS = ["--set", "steps=200", "--set", "pause=0.02", "--set", "when=0"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The final state of a sweep that nobody stopped."""
    results = tmp_path_factory.mktemp("whole")
    plugin = ["--plugin", str(ROOT / "tests" / "plugins" / "fakes.py")]
    assert main([*SWEEP, *plugin, *SETTINGS, "--results", str(results)]) == 0
    return final_state(results)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_sweep_goes_on_where_it_was(cli, tmp_path, fakes, uninterrupted, how):
    """Stop the whole program in the middle, start it again: the result is that of an uninterrupted run."""
    words = [*SWEEP, "--plugin", fakes, *SETTINGS, "--results", tmp_path]
    command = [sys.executable, "-m", "benchmark", *words]
    # A shell has its background jobs ignore SIGINT, and the tests may be one of them: here the sweep must
    # listen.
    listen = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, preexec_fn=listen)
    log = _wait_for(lambda: list(tmp_path.glob("runs/digits/fine/*/seed-0/log.txt")))[0]
    _wait_for(lambda: "in training" in log.read_text())
    run = _wait_for(lambda: _pid_of_run(log.parent))
    process.send_signal(how)
    assert process.wait(60) == (130 if how != signal.SIGKILL else -9)
    # a killed parent's run saves its checkpoint and ends
    _wait_for(lambda: not _alive(run))
    assert (log.parent / "record.json").exists(), log.read_text()
    record = json.loads((log.parent / "record.json").read_text())
    assert record["status"] == "interrupted"
    assert 10 <= int(record["error"].split(" at step ")[1].split()[0]) < 200
    assert cli(*words).returncode == 0
    assert final_state(tmp_path) == uninterrupted
    assert uninterrupted["step_count"] == 200


def final_state(results):
    path = next(results.glob("runs/digits/fine/*/seed-0/model.pt"))
    return {name: value.item() for name, value in torch.load(path).items()}


def _wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def _pid_of_run(folder):
    """The process of a run in progress."""
    sign = folder / "progress.json"
    return json.loads(sign.read_text())["pid"] if sign.exists() else None
