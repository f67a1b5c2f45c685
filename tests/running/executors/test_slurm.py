"""What needs no SLURM: arrays, the queue's answers, following jobs, and a sweep through stand-ins for its
programs.
"""

import json
import os
import sys

import pytest

from benchmark.cli.status import states
from benchmark.errors import UserError
from benchmark.records.run import Run
from benchmark.records.store import read_record, write_record
from benchmark.running import submissions
from benchmark.running.executors import slurm, slurm_queue
from benchmark.running.executors.slurm import SlurmExecutor
from benchmark.running.executors.slurm_options import SlurmOptions

KEY = {
    "dataset": "digits",
    "model": "fine",
    "budget": "quick",
    "protocol": "neutral",
    "device": "cpu",
    "threads": 1,
}


def runs(count, model="fine"):
    return [Run({**KEY, "model": model}, seed, "digits", ()) for seed in range(count)]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Writes shell scripts that stand in for SLURM's programs, first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/bash\n{script}\n")
            (folder / name).chmod(0o755)

    return write


def options(*pairs, file=None, per_gpu=None, device=None):
    return SlurmOptions.read(file, pairs, per_gpu, device)


def test_arrays_hold_cells_of_one_model_per_job_and_no_more_jobs_than_slurm_takes(tmp_path, programs):
    programs(scontrol="echo 'MaxArraySize            = 3'")
    executor = SlurmExecutor(tmp_path, options("gpus=1", per_gpu=2), None)
    arrays = executor.arrays([*runs(5, "a"), *runs(3, "b")])
    seeds = [[[(run["key"]["model"], run["seed"]) for run, _ in task] for task in array] for array in arrays]
    assert seeds == [
        [[("a", 0), ("a", 1)], [("a", 2), ("a", 3)], [("a", 4)]],
        [[("b", 0), ("b", 1)], [("b", 2)]],
    ]


def test_without_slurm_or_submitit_the_error_says_which(monkeypatch, programs):
    monkeypatch.setitem(sys.modules, "submitit", None)
    programs(sbatch="", squeue="", srun="", scontrol="")
    with pytest.raises(UserError, match=r"pip install '\.\[slurm\]'"):
        slurm.require_slurm()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="there is no sbatch on PATH"):
        slurm.require_slurm()


def hand_out(results, count):
    found = runs(count)
    sweep = submissions.new(results, "slurm", [[run.folder(results)] for run in found])
    return found, sweep


def test_states_of_cells_come_from_queue_and_records(tmp_path, programs):
    found, sweep = hand_out(tmp_path, 6)
    programs(
        squeue=(
            f"echo '{sweep.name}|1|12_1|RUNNING|None'; echo '{sweep.name}|2|12_2|PENDING|Resources'\n"
            f"echo '{sweep.name}|4|12_4|PENDING|BeginTime'; echo '{sweep.name}|5|12_5|PENDING|a|b'"
        )
    )
    folders = [run.folder(tmp_path) for run in found]
    write_record(folders[0], found[0].record("diverged", error="loss is nan"))
    folders[1].mkdir(parents=True)
    sign = {"host": "n1", "stage": "train", "done": 30, "total": 60, "losses": {"elbo": 1.5}}
    (folders[1] / "progress.json").write_text(json.dumps(sign))
    write_record(folders[4], found[4].record("interrupted", error="requeued"))
    by_seed = {state.folder: (state.kind, state.detail) for state in states(tmp_path)}
    assert by_seed[folders[0]] == ("diverged", "loss is nan")
    assert by_seed[folders[1]][0] == "running"
    assert by_seed[folders[1]][1].startswith(" 50% train, elbo 1.5; job 12_1 on n1")
    assert by_seed[folders[2]] == ("pending", "job 12_2: Resources")
    assert by_seed[folders[3]][0] == "lost"
    assert by_seed[folders[4]] == ("pending", "job 12_4: BeginTime")  # its record is of an earlier sitting
    assert by_seed[folders[5]] == ("pending", "job 12_5: a|b")


def test_a_queue_that_does_not_answer_proves_nothing(tmp_path, programs):
    found, _ = hand_out(tmp_path, 1)
    programs(squeue="echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert [state.kind for state in states(tmp_path)] == ["pending"]
    with pytest.raises(UserError, match="Unable to contact slurm controller"):
        slurm.queued_folders(tmp_path)
    assert read_record(found[0].folder(tmp_path)) is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("CANCELLED by 0", "interrupted"),
        ("NODE_FAIL", "interrupted"),
        ("TIMEOUT", "timed_out"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("FAILED", "failed"),
    ],
)
def test_a_job_that_left_no_record_gets_slurms_reason(tmp_path, programs, monkeypatch, state, status):
    monkeypatch.setattr(slurm, "UNSEEN_SECONDS", 0.0)
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.0)
    found, sweep = hand_out(tmp_path, 1)
    submissions.Submission(**{**vars(sweep), "job": "12"}).write(tmp_path)
    programs(squeue="", sacct=f"echo '{state}|1:0'")
    ended = []
    SlurmExecutor(tmp_path, options(), None)._follow(
        found, lambda *_: None, lambda *_: None, lambda *a: ended.append(a)
    )
    ((run, record),) = ended
    assert record["status"] == status
    assert record["error"] == f"SLURM job 12 ended as {state}, exit code 1:0, and left no record"
    assert read_record(run.folder(tmp_path))["status"] == status
    assert record["started"] > "2026"  # by which the newest code counts, also where it crashes
    assert submissions.read_all(tmp_path) == []


def test_without_accounting_the_controller_is_asked(programs):
    programs(sacct="echo 'Slurm accounting storage is disabled' >&2; exit 1")
    programs(scontrol="echo 'JobId=3 JobState=NODE_FAIL ExitCode=0:9'")
    assert slurm_queue.why_ended("3") == ("interrupted", "SLURM job 3 ended as NODE_FAIL, exit code 0:9")
    programs(scontrol="exit 1")
    assert slurm_queue.why_ended("3") == ("interrupted", "SLURM job 3 ended, and SLURM no longer knows why")


def test_a_record_that_comes_late_is_not_overruled(tmp_path):
    from benchmark.records.store import write_first_record

    run = runs(1)[0]
    write_record(tmp_path, run.record("ok"))
    assert not write_first_record(tmp_path, run.record("interrupted", error="lost"))
    assert read_record(tmp_path)["status"] == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_local_run_leaves_cells_alone_that_slurm_has(tmp_path, programs):
    from benchmark.running.executors.local import only_local_sweep

    found, sweep = hand_out(tmp_path, 2)
    programs(squeue=f"echo '{sweep.name}|0|12_0|PENDING|Resources'")
    with (
        pytest.raises(UserError, match="1 of these runs are in SLURM's queue"),
        only_local_sweep(tmp_path, found),
    ):
        pass
    with only_local_sweep(tmp_path, found[1:]):
        assert len(submissions.read_all(tmp_path)) == 2
    assert len(submissions.read_all(tmp_path)) == 1


def test_what_another_sweep_has_made_meanwhile_is_not_submitted_again(tmp_path, monkeypatch):
    probed = []
    monkeypatch.setattr(slurm, "require_slurm", lambda: None)
    monkeypatch.setattr(slurm_queue, "probe", lambda *terms: probed.append(terms))
    (run,) = runs(1)
    write_record(run.folder(tmp_path), run.record("ok"))
    SlurmExecutor(tmp_path, options(), None).submit([run])
    assert probed == []
    assert read_record(run.folder(tmp_path))["status"] == "ok"


SBATCH = """
script="${@: -1}"
value() { sed -n "s/^#SBATCH --$1=//p" "$script"; }
export SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0
export SLURM_PROCID=0 SLURM_LOCALID=0
export SLURM_JOB_NODELIST=here
last=$(value array | sed 's/.*-//; s/%.*//')
for i in $(seq 0 "$last"); do echo "$(value job-name)|$i|7_$i|RUNNING|None" > "$QUEUE/job-$i"; done
(for i in $(seq 0 "$last"); do
    SLURM_ARRAY_TASK_ID=$i bash "$script"; rm "$QUEUE/job-$i"
done) > /dev/null 2>&1 &
echo "Submitted batch job 7"
"""
SQUEUE = 'cat "$QUEUE"/job-* 2> /dev/null; true'
SRUN = 'while [[ "$1" == -* ]]; do [[ "$1" == --output ]] && shift; shift; done; exec "$@"'


def test_a_whole_sweep_through_stand_ins(cli, tmp_path, programs, fakes, monkeypatch):
    """Submission, submitit's side on the node, records and tables, where there is no SLURM."""
    pytest.importorskip("submitit")
    programs(sbatch=SBATCH, srun=SRUN, squeue=SQUEUE, scontrol="exit 1", sacct="exit 1")
    command = [
        "run",
        "--plugin",
        fakes,
        "--models",
        "fine,raises",
        "--seeds",
        "1",
        "--results",
        tmp_path / "results",
        "--executor",
        "slurm",
    ]
    dry = cli(*command, "--dry-run")
    assert "#SBATCH --array=0-1%2" in dry.stdout
    assert not (tmp_path / "results").exists()
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.2)
    monkeypatch.setenv("QUEUE", str(tmp_path))
    found = cli(*command)
    assert found.returncode == 2, found.stderr
    assert "submitted 2 jobs as 7" in found.stderr
    assert "digits fine seed 0: ok" in found.stderr
    assert "digits raises seed 0: failed" in found.stderr
    assert "broken on purpose" in found.stderr
