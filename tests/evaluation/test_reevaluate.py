"""Runs that have ended, measured again."""

import numpy as np
import pytest

from benchmark.cli.parser import main
from benchmark.evaluation.metrics import METRICS, Metric
from benchmark.evaluation.reevaluate import finished, is_current, reevaluate
from benchmark.records.store import read_record, write_record
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan


@pytest.fixture
def folder(tmp_path):
    """A finished run of k-means."""
    (run,) = plan(Request("digits", ("kmeans",), seeds=1, budget="smoke")).runs
    run.write(run.folder(tmp_path))
    assert execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)["status"] == "ok"
    return run.folder(tmp_path)


def test_a_new_metric_is_added_to_old_runs_without_training(folder, monkeypatch, capsys):
    before = read_record(folder)
    monkeypatch.setitem(
        METRICS, "smallest", Metric("smallest", lambda m: float(m.sizes.min()), needs_labels=False)
    )
    assert not is_current(before)
    assert main(["evaluate", str(folder.parents[3])]) == 0
    assert "1 of 1 runs have every metric" in capsys.readouterr().err
    after = read_record(folder)
    found = after["metrics"]["all"]["default"]
    assert found["smallest"] == min(found["cluster_sizes"])
    assert {**after, "metrics": None} == {**before, "metrics": None}
    assert {k: v for k, v in found.items() if k != "smallest"} == before["metrics"]["all"]["default"]


def test_an_older_definition_is_measured_again_and_a_current_record_is_left_alone(folder):
    record = read_record(folder)
    record["metrics"]["all"]["default"]["accuracy"] = -1.0
    write_record(folder, record)
    assert reevaluate([folder], ()) == {}
    assert read_record(folder)["metrics"]["all"]["default"]["accuracy"] == -1.0
    write_record(folder, {**record, "metrics_version": 0})
    assert reevaluate([folder], ()) == {}
    assert read_record(folder)["metrics"]["all"]["default"]["accuracy"] > 0.5
    write_record(folder, record)
    reevaluate([folder], (), again=True)
    assert read_record(folder)["metrics"]["all"]["default"]["accuracy"] > 0.5


def test_what_others_add_to_a_record_while_it_is_measured_is_kept(folder, monkeypatch):
    fid = {"clf": {"value": 1.0}}

    def meanwhile(*_):
        write_record(folder, {**read_record(folder), "fid": fid})
        return {}

    monkeypatch.setattr("benchmark.evaluation.reevaluate.diagnose", meanwhile)
    assert reevaluate([folder], (), again=True) == {}
    assert read_record(folder)["fid"] == fid


def test_a_model_that_raises_an_error_is_named_and_the_others_are_measured(folder, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("benchmark.evaluation.reevaluate.diagnose", broken)
    found = reevaluate([folder], (), again=True)[folder]
    assert found.startswith("it can't be measured: RuntimeError: broken on purpose (")


def test_a_run_that_cannot_be_measured_is_named_and_its_record_kept(folder):
    record = read_record(folder)
    write_record(folder, {**record, "metrics_version": 0})
    (folder / "model.pt").write_bytes(np.zeros(9).tobytes())
    assert "can't be loaded" in reevaluate([folder], ())[folder]
    assert read_record(folder)["metrics"] == record["metrics"]
    assert finished([folder.parents[3]]) == [folder]
