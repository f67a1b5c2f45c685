"""One run from its plan to its record, also where something of it goes wrong."""

import pytest

from benchmark.errors import Diverged, Interrupted
from benchmark.records.store import LEARNING, read_curves
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


@pytest.mark.parametrize(
    ("where", "name"),
    [("running.outputs.write", "outputs_error"), ("running.execute.diagnose", "diagnostics_error")],
)
def test_a_picture_or_a_measurement_that_fails_loses_no_training(tmp_path, monkeypatch, where, name):
    def broken(*args):
        raise RuntimeError("no such font")

    monkeypatch.setattr(f"benchmark.{where}", broken)
    (run,) = plan(Request("digits", ("kmeans",), budget="smoke", seeds=1)).runs
    run.write(run.folder(tmp_path))
    record = execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)
    assert record["status"] == "ok"
    assert record["metrics"]["all"]
    assert record[name] == "RuntimeError: no such font"


def test_what_fails_after_the_training_leaves_the_trained_model(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.running.execute.evaluate", lambda *_: 1 / 0)
    (run,) = plan(Request("digits", ("kmeans",), budget="smoke", seeds=1)).runs
    run.write(run.folder(tmp_path))
    record = execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)
    assert (record["status"], record["error"]) == ("failed", "ZeroDivisionError: division by zero")
    assert (run.folder(tmp_path) / "model.pt").is_file()


@pytest.mark.parametrize(
    ("error", "status", "kept"),
    [
        (OSError(28, "No space left on device"), "failed", True),
        (MemoryError(), "out_of_memory", True),
        (Interrupted("stopped"), "interrupted", True),
        (Diverged("loss is nan"), "diverged", False),
        (None, "ok", False),
    ],
)
def test_a_checkpoint_stays_where_another_try_may_end_otherwise(tmp_path, monkeypatch, error, status, kept):
    def train(*_):
        if error:
            raise error
        return {}

    monkeypatch.setattr("benchmark.running.execute._train_and_evaluate", train)
    (run,) = plan(Request("digits", ("kmeans",), budget="smoke", seeds=1)).runs
    folder = run.folder(tmp_path)
    run.write(folder)
    (folder / "checkpoint.pt").touch()
    (folder / "snapshots").mkdir()
    assert execute(run, folder, lambda *_: None, lambda: False)["status"] == status
    assert (folder / "checkpoint.pt").exists() == (folder / "snapshots").exists() == kept


def test_a_stop_while_the_learning_curve_is_measured_loses_no_training(tmp_path):
    (run,) = plan(Request("digits", ("ae_kmeans",), budget="smoke", seeds=1, snapshots=3)).runs
    folder = run.folder(tmp_path)
    run.write(folder)
    stages = []
    asked = lambda: stages[-1:] == ["learning curve, 1 of 3"]  # noqa: E731
    record = execute(run, folder, lambda stage, *_: stages.append(stage), asked)
    assert record["status"] == "interrupted"
    assert record["error"] == "stopped with 1 of 3 states of its learning curve measured"
    assert "autoencoder" in stages

    again = []
    record = execute(run, folder, lambda stage, *_: again.append(stage), lambda: False)
    assert record["status"] == "ok"
    assert "outputs_error" not in record
    assert "autoencoder" not in again
    assert again[-3:] == [f"learning curve, {i} of 3" for i in (1, 2, 3)]
    assert len(read_curves(folder, LEARNING)) == 3


RANDOM = """
import numpy as np
from benchmark.api import Dataset

class Noise(Dataset):
    name = title = "noise"
    splits, shape, n_classes = ("all",), (2,), None
    def x(self, split): return np.random.default_rng().random((50, 2), dtype=np.float32)
    def y(self, split): return None
"""


def test_data_that_are_others_each_time_are_told_from_edited_ones(tmp_path):
    plugin = tmp_path / "noise.py"
    plugin.write_text(RANDOM)
    request = Request("noise", ("kmeans",), budget="smoke", clusters=2, plugins=(str(plugin),), seeds=1)
    (run,) = plan(request).runs
    run.write(run.folder(tmp_path))
    record = execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)
    assert "gives other values each time it is read: seed its randomness" in record["error"]
