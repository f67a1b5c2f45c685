"""What is told before a sweep: of equal runs by their records, of others by steps that were timed."""

import pytest

from benchmark.records.run import Run
from benchmark.records.store import write_record
from benchmark.running import cost, rehearsal
from benchmark.running.cost import Cost, Forecast, duration, forecast
from benchmark.running.rehearsal import Rehearsal


def run(model="vade", seed=0, threads=1, **config):
    key = {"dataset": "digits", "model": model, "budget": "quick", "protocol": "neutral", "source": "new"}
    return Run({**key, "config": config, "device": "cpu", "threads": threads}, seed, "digits", ())


def write(results, of, seed, train, whole, digest=None, **more):
    record = of.record(
        "ok",
        seconds={"train": 9 * train, "evaluate": 9.0},
        cpu_seconds={"train": train, "evaluate": 1.0},
        wall_seconds=9 * whole,
        run_cpu_seconds=whole,
        peak_memory_mb={"process": 500.0 + seed},
        **{"last_losses": {"loss": 1.0}, **more},
    )
    digest = digest or of.digest
    write_record(results / f"runs/digits/{of.key['model']}/{digest}/seed-{seed}", record | {"digest": digest})


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Which models were rehearsed; every one takes 44 s."""
    models = []

    def rehearse(runs, jobs):
        models.extend(run.key["model"] for run in runs)
        found = {run.digest: Rehearsal({"train": 40.0}, 4.0, 300.0) for run in runs}
        misbehaving = {"bad": None, "broken": "it fails: no such layer"}
        found |= {r.digest: misbehaving[r.key["model"]] for r in runs if r.key["model"] in misbehaving}
        return {digest: said for digest, said in found.items() if said}

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    monkeypatch.setattr(cost, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(cost, "available_cores", lambda: 2)
    return models


def test_records_of_equal_runs_count_and_the_newest_where_the_code_has_changed(asked, tmp_path):
    old, new = run(lr=0.1), run(lr=0.1)
    write(tmp_path, old, 0, 10.0, 12.0, "older", started="2026-01-01")
    write(tmp_path / "reference", old, 0, 15.0, 17.0, "newer", started="2026-02-01")
    write(tmp_path, run(lr=0.2), 0, 1.0, 1.0)
    write(tmp_path, run(lr=0.1, threads=2), 0, 1.0, 1.0)
    assert forecast([new], tmp_path, 2).costs[new.digest] == Cost(17.0, 500.0, recorded=True)
    for seed, whole in ((0, 20.0), (1, 22.0), (2, 50.0)):
        write(tmp_path, new, seed, 10.0, whole)
    assert forecast([new], tmp_path, 2).costs[new.digest] == Cost(22.0, 502.0, recorded=True)
    assert asked == []  # so short a sweep is not calibrated


def test_of_several_threads_the_walls_seconds_count(asked, tmp_path):
    write(tmp_path, of := run(threads=2), 0, 2.0, 5.0)
    assert forecast([of], tmp_path, 2).costs[of.digest].seconds == 45.0


def test_records_are_corrected_by_the_pace_of_those_models_that_take_the_most(asked, tmp_path):
    long, short = run("vade"), run("kmeans")
    write(tmp_path, long, 0, 80.0, 90.0)
    write(tmp_path, short, 0, 1.0, 2.0, last_losses=None)  # it has no steps to time
    (tmp_path / "runs/digits/kmeans" / short.digest / "seed-1").mkdir()
    (tmp_path / "runs/digits/kmeans" / short.digest / "seed-1" / "record.json").write_text("{")
    found = forecast([long, short], tmp_path, 2)
    assert (found.pace, asked) == (0.5, ["vade"])
    assert [found.costs[r.digest].seconds for r in (long, short)] == [45.0, 1.0]


@pytest.mark.parametrize(("stage", "pace"), [("train", 0.5), ("warm_up", None)])
def test_the_pace_is_of_the_stages_that_the_records_code_had_too(asked, tmp_path, monkeypatch, stage, pace):
    of = run()
    write(tmp_path, of, 0, 80.0, 90.0)
    stages = {stage: 40.0, "new": 7.0}
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: {of.digest: Rehearsal(stages, 4.0, 300.0)})
    assert forecast([of], tmp_path, 1).pace == pace


def test_models_without_a_record_are_timed(asked, tmp_path):
    mine, bad, smoke = run("mine"), run("bad"), run("smoke")
    smoke.key["budget"] = "smoke"
    found = forecast([mine, run("mine", seed=1), bad, smoke], tmp_path, 2)
    assert asked == ["mine", "bad"]
    assert found.costs == {mine.digest: Cost(44.0, 300.0, recorded=False)}
    assert list(found.weights([mine, bad]).values()) == [44.0, 44.0]
    assert found.summary([mine, run("mine", seed=1), bad], 2) == (
        "expected: less than a minute if nothing else runs here, 0.6 GB of memory"
        " (by some timed steps: mine; not known, so not counted: bad)"
    )
    assert found.summary([bad], 2) == "expected: not known for bad"
    broken = run("broken")
    found = forecast([bad, broken], tmp_path, 2)
    assert found.summary([bad, broken], 2) == "expected: not known for bad, broken (it fails: no such layer)"


def test_a_sweep_takes_until_its_last_run_ends_and_longer_where_cores_are_shared(asked):
    runs = [run(model) for model in ("a", "b", "c")]
    seconds = dict(zip([r.digest for r in runs], (60.0, 600.0, 660.0), strict=True))
    found = Forecast({d: Cost(s, 512.0, recorded=True) for d, s in seconds.items()}, 0.9)
    times = {1: "22", 2: "12", 4: "16"}  # four at a time on two cores
    for jobs, minutes in times.items():
        text = found.summary(runs, jobs)
        assert f"about {minutes} minutes" in text
        assert "by records, whose seconds take 0.90 here" in text
    assert "1.0 GB" in found.summary(runs, 2)


def test_durations_are_in_words():
    texts = {
        10: "less than a minute",
        70: "about 1 minute",
        800: "about 13 minutes",
        5400: "about 1.5 hours",
        90_000: "about 25 hours",
        900_000: "about 10 days",
    }
    assert {seconds: duration(seconds) for seconds in texts} == texts
