"""The same sweep on a real SLURM cluster: equal records, and every early end of a job is found, named and
made good.
"""

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
import torch

from benchmark.records.store import OUTCOME, all_records

pytestmark = pytest.mark.slurm

PLUGIN = str(Path(__file__).resolve().parents[1] / "plugins" / "fakes.py")
LONG = [
    "--models",
    "fine",
    "--plugin",
    PLUGIN,
    "--set",
    "steps=400",
    "--set",
    "pause=0.05",
    "--set",
    "when=0",
]
SLURM = ["--executor", "slurm", "--slurm", "time=10", "--slurm", "cpus=1", "--slurm", "partition=main"]


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


def record_of(results, seed, model="fine"):
    return json.loads(next(results.glob(f"runs/digits/{model}/*/seed-{seed}/record.json")).read_text())


def job_of(results):
    return json.loads(next(results.glob("submissions/dgc-*.json")).read_text())["job"]


def in_training(results, count):
    logs = list(results.glob("runs/digits/fine/*/seed-*/log.txt"))
    return sum("in training" in log.read_text() for log in logs) >= count


def test_a_sweep_gives_the_records_of_a_local_one(bench, tmp_path):
    """Four jobs, where an array may have three: two arrays, one after the other."""
    sweep = [
        "run",
        "--plugin",
        PLUGIN,
        "--models",
        "kmeans,fine",
        "--seeds",
        2,
        "--budget",
        "smoke",
        "--device",
        "cpu",
    ]
    here = bench(*sweep, "--results", tmp_path / "local")
    there = bench(*sweep, *SLURM, "--results", tmp_path / "slurm")
    assert there.stderr.count("submitted") == 2
    local, slurm = (dict(sorted(_outcomes(tmp_path / name))) for name in ("local", "slurm"))
    assert len(slurm) == 4
    assert slurm == local
    assert _without_seconds(here.stdout) == _without_seconds(there.stdout)
    record = record_of(tmp_path / "slurm", 0)
    assert record["provenance"]["slurm_job"]
    for path in tmp_path.glob("local/runs/digits/fine/*/seed-0/*"):
        twin = tmp_path / "slurm" / path.relative_to(tmp_path / "local")
        assert twin.exists(), path.name
    assert not list((tmp_path / "slurm" / "sweeps").glob("dgc-*"))  # nothing is left to follow
    assert "4 of them done" in bench(*sweep, *SLURM, "--results", tmp_path / "slurm").stderr


def _outcomes(results):
    for folder, record in all_records(results):
        outcome = {name: record.get(name) for name in OUTCOME}
        yield (
            str(folder.relative_to(results)),
            outcome | {"seconds": sorted(record["seconds"]), "fields": sorted(record)},
        )


def _without_seconds(table):
    return [line.split("|")[:-2] for line in table.splitlines() if line.startswith("|")]


def test_jobs_that_end_early_go_on_where_they_were(bench, cluster, tmp_path):
    """Of three running jobs one is requeued, one is cancelled, one is killed, and the front end is long
    gone.
    """
    run = ["run", *LONG, "--seeds", 3, *SLURM, "--results", tmp_path / "slurm"]
    bench(*run, "--detach")
    job = job_of(tmp_path / "slurm")
    wait_for(lambda: in_training(tmp_path / "slurm", 3))
    assert "3 running" in bench("status", "--results", tmp_path / "slurm").stdout

    cluster.run("scancel", "--signal=USR2", f"{job}_0")
    cluster.run("scancel", f"{job}_1")
    os.kill(_process(f"{job}_2"), signal.SIGKILL)
    wait_for(lambda: "PENDING" in cluster.run("squeue", "--noheader", "--format=%T", f"--jobs={job}_0"))
    # SLURM lets a requeued job wait two minutes
    cluster.run("scontrol", "update", f"jobid={job}_0", "StartTime=now")
    wait_for(lambda: not cluster.run("squeue", "--noheader", f"--jobs={job}_1,{job}_2"))
    record = wait_for(lambda: _try(record_of, tmp_path / "slurm", 1))
    assert record["status"] == "interrupted"
    assert int(record["error"].split(" at step ")[1].split()[0]) >= 10
    assert "SLURM ended the job by SIGTERM" in record["error"]
    # SLURM kills what a dead process leaves behind, perhaps before that could write its record.
    assert re.search(
        r"1 (interrupted.* 1 lost|lost)|2 interrupted",
        bench("status", "--results", tmp_path / "slurm").stdout,
    )

    again = bench(*run)  # follows 0, submits 1 and 2
    assert "submitted 2 jobs" in again.stderr
    bench("run", *LONG, "--seeds", 3, "--results", tmp_path / "local")
    for seed in range(3):
        assert record_of(tmp_path / "slurm", seed)["status"] == "ok"
        assert _state(tmp_path / "slurm", seed) == _state(tmp_path / "local", seed)
    assert "3 runs: 3 ok" in bench("status", "--results", tmp_path / "slurm").stdout


def _try(function, *arguments):
    with contextlib.suppress(StopIteration, ValueError):
        return function(*arguments)


def _state(results, seed):
    state = torch.load(next(results.glob(f"runs/digits/fine/*/seed-{seed}/model.pt")))
    return {name: value.item() for name, value in state.items()}


def _process(job):
    """The process on the node that runs an array task."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            env = (path / "environ").read_bytes().split(b"\0")
            array, _, task = job.partition("_")
            if {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()} <= set(
                env
            ) and (
                b"submitit.core._submit" in (path / "cmdline").read_bytes().split(b"\0")
                and b"srun" not in (path / "cmdline").read_bytes()
            ):
                return int(path.name)
    raise AssertionError(f"no process of {job}")


def test_a_job_is_started_again_only_so_often(bench, cluster, tmp_path):
    run = ["run", *LONG, "--seeds", 1, *SLURM, "--slurm", "requeues=0", "--results", tmp_path]
    bench(*run, "--detach")
    job = job_of(tmp_path)
    wait_for(lambda: in_training(tmp_path, 1))
    cluster.run("scancel", "--signal=USR2", job)
    wait_for(lambda: not cluster.run("squeue", "--noheader", f"--jobs={job}"))
    record = record_of(tmp_path, 0)
    assert record["status"] == "interrupted"
    assert "the job was preempted, and it was started again 0 times already" in record["error"]
    assert list(tmp_path.glob("runs/digits/fine/*/seed-0/checkpoint.pt"))


def test_a_job_that_vanishes_without_a_word_gets_a_record_with_slurms_reason(bench, cluster, tmp_path):
    """Python is not where it was: nothing of the suite ever runs on the node."""
    run = ["run", *LONG, "--seeds", 1, *SLURM, "--results", tmp_path]
    (tmp_path / "setup.toml").write_text('setup = ["exit 7"]\n')
    found = bench(*run, "--slurm-file", tmp_path / "setup.toml", check=2)
    record = record_of(tmp_path, 0)
    assert record["status"] == "failed"
    assert "ended as FAILED, exit code 7:0, and left no record" in record["error"]
    assert "FAILED" in found.stderr


def test_cells_that_share_a_gpu_are_one_job(bench, tmp_path):
    run = [
        "run",
        *LONG,
        "--set",
        "pause=0",
        "--seeds",
        3,
        *SLURM,
        "--device",
        "cpu",
        "--slurm",
        "gpus=1",
        "--per-gpu",
        2,
    ]
    assert "submitted 2 jobs" in bench(*run, "--results", tmp_path).stderr
    records = [record_of(tmp_path, seed) for seed in range(3)]
    assert {record["status"] for record in records} == {"ok"}
    assert records[0]["provenance"]["slurm_job"] == records[1]["provenance"]["slurm_job"]
    assert [record["provenance"]["runs_at_a_time"] for record in records] == [2, 2, 1]


def test_what_slurm_refuses_is_an_error_and_nothing_is_queued(bench, cluster, tmp_path):
    run = ["run", *LONG, "--seeds", 2, "--executor", "slurm", "--results", tmp_path]
    assert "invalid partition specified: nope" in bench(*run, "--slurm", "partition=nope", check=1).stderr
    assert "SLURM refused 2 jobs: sbatch: error:" in bench(*run, "--slurm", "time=10:00:00", check=1).stderr
    assert cluster.run("squeue", "--noheader", "--name=none") == ""
    assert not list(tmp_path.glob("submissions/dgc-*.json"))


def test_a_results_folder_that_the_nodes_do_not_see_is_found_before_anything_is_queued(bench, tmp_path):
    """The front end has a file system mounted over its results folder that the node does not have."""
    hidden = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {tmp_path} && exec "$@"', "sh"]
    run = ["run", *LONG, "--seeds", 1, *SLURM, "--results", tmp_path]
    assert f"does not see the results folder {tmp_path}" in bench(*run, prefix=hidden, check=1).stderr


def test_a_dying_node_costs_a_restart_and_nothing_else(bench, cluster, tmp_path):
    run = ["run", *LONG, "--seeds", 1, *SLURM, "--results", tmp_path]
    bench(*run, "--detach")
    job = job_of(tmp_path)
    wait_for(lambda: in_training(tmp_path, 1))
    cluster.die()
    wait_for(lambda: "PENDING" in cluster.run("squeue", "--noheader", "--format=%T", f"--jobs={job}"))
    cluster.spawn("slurmd", "-D")
    cluster.run("scontrol", "update", f"jobid={job}", "StartTime=now")
    bench(*run)
    assert record_of(tmp_path, 0)["status"] == "ok"
