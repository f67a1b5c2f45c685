"""What the user sees while a sweep runs."""

from benchmark.records.run import Run
from benchmark.running.progress import Progress


def test_the_time_left_is_by_what_runs_take_and_by_what_was_done_in_this_sitting(capsys, monkeypatch):
    """An hour's run, of which an earlier sitting had done nine tenths, and one of a minute."""
    hour, minute = (Run({"dataset": "digits", "model": "vade"}, seed, "digits", ()) for seed in range(2))
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress({hour: 3540.0, minute: 60.0}, 2)
    progress.start(hour)
    progress.update(hour, {"stage": "train", "done": 90, "total": 100, "losses": {}})
    now[0] += 60
    progress.end(minute, {"status": "ok"})
    progress.close()
    assert capsys.readouterr().err == "digits vade seed 1: ok (1 of 2 runs, about 6 minutes left)\n"


def test_in_a_log_every_run_that_ends_is_one_line(capsys, monkeypatch):
    runs = [Run({"dataset": "digits", "model": "vade"}, seed, "digits", ()) for seed in range(3)]
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress(dict.fromkeys(runs, 1.0), 2)
    for run in runs:
        progress.start(run)
        progress.update(run, {"stage": "train", "done": 0, "total": 2, "losses": {"loss": 0.7}})
        progress.update(run, {"stage": "train", "done": 1, "total": 2, "losses": {"loss": 0.5}})
    now[0] += 260  # for one run and twice a half
    progress.end(runs[0], {"status": "ok", "wall_seconds": 12.3})
    progress.end(runs[1], {"status": "diverged", "error": "loss is nan"})
    progress.end(runs[2], {"status": "ok", "wall_seconds": 1.0, "outputs_error": "OSError: disk full"})
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "digits vade seed 0: ok, 12 s (1 of 3 runs, about 2 minutes left)",
        "digits vade seed 1: diverged: loss is nan (2 of 3 runs, about 1 minute left)",
        "digits vade seed 2: ok, 1 s; warning: files are missing, OSError: disk full, see log.txt (3 of 3"
        " runs)",
    ]
