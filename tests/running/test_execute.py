"""One run from its plan to its record, also where something of it goes wrong."""

from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


def test_a_picture_that_fails_loses_no_training(tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("no such font")

    monkeypatch.setattr("benchmark.running.outputs.write", broken)
    (run,) = plan(Request("digits", ("kmeans",), budget="smoke", seeds=1)).runs
    run.write(run.folder(tmp_path))
    record = execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)
    assert record["status"] == "ok"
    assert record["metrics"]["all"]
    assert record["outputs_error"] == "RuntimeError: no such font"
