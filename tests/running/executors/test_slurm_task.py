import time

import pytest

from benchmark.records.run import Run
from benchmark.records.store import read_record
from benchmark.running.executors.slurm_task import NodeTask

KEY = {"dataset": "digits", "model": "fine", "budget": "quick", "device": "cpu", "threads": 1}
RUN = Run(KEY, 0, "digits", ())


class Executor:
    """Stands in for the LocalExecutor whose runs are asked to stop."""

    def __init__(self):
        self.calls = []

    def stop(self):
        self.calls.append("stop")

    def wait_for_processes(self):
        self.calls.append("wait")


def started(seconds_ago):
    """A task that has been running for so long, of a job of ten minutes that may start three times again."""
    task = NodeTask(None, requeues=3, minutes=10)
    task._started, task._status, task._reason = time.monotonic() - seconds_ago, "interrupted", ""
    task._executor = Executor()
    return task


def test_a_job_that_was_started_too_often_gives_up(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "4")
    NodeTask(None, requeues=3, minutes=10)([(vars(RUN), str(tmp_path / "run"))])
    record = read_record(tmp_path / "run")
    assert record["status"] == "timed_out"
    assert record["error"] == "its job was started again 3 times and did not end; --retry continues it"


@pytest.mark.parametrize(
    ("seconds", "why"), [(590, "the job's time (10 min) is over"), (60, "the job was preempted")]
)
def test_a_signal_stops_the_runs_and_asks_for_another_sitting(seconds, why):
    submitit = pytest.importorskip("submitit")
    task, work = started(seconds), [(vars(RUN), "folder")]
    again = task.checkpoint(work)
    assert task._executor.calls == ["stop", "wait"]
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert (again.function.requeues, again.function.minutes, again.args) == (3, 10, (work,))
    assert task._reason == f"{why}; it is started again from here"


def test_the_last_sitting_ends_as_what_ended_it(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    for seconds, status in ((590, "timed_out"), (60, "interrupted")):
        task = started(seconds)
        with pytest.raises(TimeoutError, match="started again 3 times already"):
            task.checkpoint([])
        task._end(tmp_path, RUN.record("interrupted", error="stopped"))
        record = read_record(tmp_path)
        assert record["status"] == status
        assert record["error"].startswith("stopped; the job")
