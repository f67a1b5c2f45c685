"""Times of stages by some of their steps, and of models that misbehave none."""

import pytest

from benchmark.running.plan import Request, plan
from benchmark.running.rehearsal import REST, rehearse, time_run


@pytest.fixture
def runs(fakes):
    def planned(*models, **more):
        request = Request("digits", models, seeds=1, device="cpu", plugins=(fakes,), **more)
        return plan(request).runs

    return planned


def test_all_steps_of_a_stage_take_as_long_as_some_of_them_times_their_number(runs):
    # of two threads it is the wall's time that counts, and a step that sleeps takes none of the processor's
    (run,) = runs("fine", threads=2, overrides={"fine": {"steps": 1000, "pause": 0.01}})
    found = time_run(run)
    assert found.stages.keys() == {"train"}
    assert found.stages["train"] >= 10.0
    assert found.rest >= REST
    assert found.seconds == found.stages["train"] + found.rest
    assert 100 < found.memory < 10_000
    (run,) = runs("fine", overrides={"fine": {"steps": 1000, "pause": 0.01}})
    assert time_run(run).stages["train"] < 10.0


def test_models_that_raise_say_why_of_those_that_die_or_hang_nothing_is_known(runs, monkeypatch):
    monkeypatch.setattr("benchmark.running.rehearsal.LIMIT", 100.0)
    asked = runs("fine", "raises", "exits")
    found = rehearse(asked, jobs=3)
    said = {run.key["model"]: found[run.digest] for run in asked if run.digest in found}
    assert said.keys() == {"fine", "raises"}
    assert said["raises"].startswith("it fails: RuntimeError: this model is broken")
    monkeypatch.setattr("benchmark.running.rehearsal.LIMIT", 0.5)
    assert rehearse(runs("hangs"), jobs=1) == {}
