"""Planning: what is run, what is done, what is stale, and why."""

import json

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.records.store import write_record
from benchmark.running.plan import Request, make_plan, plan, remaining, why_not_done


def test_every_registered_model_is_planned_with_every_seed():
    found = plan(Request("digits", seeds=2, device="cpu"))
    assert found.budget == "quick"
    assert {(c.key["model"], c.seed) for c in found.runs} >= {
        ("vade", 0),
        ("vade", 1),
        ("kmeans", 1),
        ("nmf", 0),
    }
    assert len({c.digest for c in found.runs}) == len(found.runs) / 2  # seeds share a digest, models do not


def test_what_does_not_suit_the_data_is_skipped_with_its_reason():
    found = plan(Request("modes3", seeds=1))
    assert "without negative values" in found.skipped["nmf"]
    assert "nmf" not in {c.key["model"] for c in found.runs}


def test_planning_in_a_process_of_its_own_gives_the_same_plan_and_passes_errors_on():
    request = Request("digits", ("kmeans", "vade"))
    assert [vars(c) for c in make_plan(request).runs] == [vars(c) for c in plan(request).runs]
    with pytest.raises(UserError, match="did you mean vade"):
        make_plan(Request("digits", ("vad",)))


def test_the_digest_covers_what_determines_the_result(tmp_path, monkeypatch):
    def digest(**more):
        return plan(Request(**{"dataset": "digits", "models": ("kmeans",), **more})).runs[0].digest

    first = digest()
    assert digest() == first
    assert digest(overrides={"kmeans": {"restarts": "11"}}) != first
    assert digest(clusters=9) != first
    assert digest(budget="paper") != first
    assert digest(threads=2) != first  # sums over two threads round differently
    monkeypatch.setattr("benchmark.evaluation.metrics.METRICS_VERSION", 99)
    assert digest() == first  # metrics can be measured again, `evaluate`
    monkeypatch.setattr("benchmark.running.train.TRAINING_VERSION", 99)
    assert digest() != first


def test_a_seed_more_or_another_model_leaves_finished_cells_alone(tmp_path):
    small, large = (
        plan(Request("digits", ("kmeans",), seeds=1)),
        plan(Request("digits", ("kmeans", "gmm"), seeds=2)),
    )
    write_record(small.runs[0].folder(tmp_path), small.runs[0].record("ok"))
    assert remaining(small, tmp_path, retry=False) == []
    assert {(c.key["model"], c.seed) for c in remaining(large, tmp_path, retry=False)} == {
        ("kmeans", 1),
        ("gmm", 0),
        ("gmm", 1),
    }


@pytest.mark.parametrize(
    ("status", "again", "on_request"),
    [
        ("ok", 0, 0),
        ("interrupted", 1, 1),
        ("failed", 0, 1),
        ("diverged", 0, 1),
        ("timed_out", 0, 1),
        ("out_of_memory", 0, 1),
    ],
)
def test_which_statuses_are_run_again(tmp_path, status, again, on_request):
    found = plan(Request("digits", ("kmeans",), seeds=1))
    write_record(found.runs[0].folder(tmp_path), found.runs[0].record(status))
    assert len(remaining(found, tmp_path, retry=False)) == again
    assert len(remaining(found, tmp_path, retry=True)) == on_request


def test_why_a_cell_is_to_be_run(tmp_path):
    run = plan(Request("digits", ("kmeans",), seeds=1)).runs[0]
    assert why_not_done(run, tmp_path) == "has never been run"
    other = plan(Request("digits", ("kmeans",), seeds=1, overrides={"kmeans": {"restarts": "3"}})).runs[0]
    write_record(other.folder(tmp_path), other.record("ok"))
    assert why_not_done(run, tmp_path) == f"{other.digest} differs in restarts (3, now 10)"
    edited = {"key": json.loads(json.dumps(other.key))}
    edited["key"]["source"] = "0"
    write_record(other.folder(tmp_path), {**other.record("ok"), "key": edited["key"]})
    assert "the model's source" in why_not_done(run, tmp_path)
    (run.folder(tmp_path)).mkdir(parents=True)
    (run.folder(tmp_path) / "checkpoint.pt").touch()
    assert why_not_done(run, tmp_path) == "continues from its checkpoint"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            Request("digits", ("kmeans",), overrides={"vade": {"lr": "1"}}),
            "vade, which is not among the models",
        ),
        (Request("digits", ("kmeans",), overrides={"kmeans": {"restart": "1"}}), "did you mean restarts"),
        (Request("digits", clusters=1), "expected at least 2"),
        (Request("digits", ("kmeans",), device="cuda"), "no CUDA device"),
    ],
)
def test_bad_requests(request_, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=message):
        plan(request_)


def test_own_data_without_labels_needs_a_number_of_clusters(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, X=np.random.default_rng(0).normal(size=(30, 3)))
    with pytest.raises(UserError, match="CLUSTERS=K"):
        plan(Request(str(path), ("kmeans",)))
    with pytest.raises(UserError, match="fewer than the 40 clusters"):
        plan(Request(str(path), ("kmeans",), clusters=40))
    assert plan(Request(str(path), ("kmeans",), clusters=4)).runs[0].key["config"]["n_clusters"] == 4
