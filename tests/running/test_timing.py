"""Times of a plan's stages and actions, on a model made for it."""

import json
import time
from dataclasses import dataclass

import torch

from benchmark.api import Action, ClusteringModel, ModelConfig, Stage, batches_per_epoch, hard_assignment
from benchmark.running.timing import (
    SKIPPED,
    Form,
    Timing,
    is_timed,
    main,
    measure,
    measure_together,
    plan_totals,
)

FORM = Form("smoke", 50, 0.05, 2, 1)
CALLS = []


class Model(ClusteringModel):
    """Two stages, the second one twice, and an action before it and after it."""

    name = "model"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def __init__(self, data, config):
        super().__init__(data, config)
        self.layer = torch.nn.Linear(2, 2)
        CALLS.clear()

    def stages(self, x):
        yield Stage("short", lambda batch: self.step("short", batch), 3, 10)
        yield Action("before", lambda: CALLS.append("before"))
        for _ in range(2):
            steps = batches_per_epoch(x, 10)
            yield Stage("long", lambda batch: self.step("long", batch), steps, 10)
        yield Action("after", lambda: CALLS.append("after"))

    def step(self, name, batch):
        assert batch.shape == (10, 1, 28, 28)
        CALLS.append(name)
        time.sleep(0.004)
        return {"loss": torch.zeros(())}

    def log_assign(self, x):
        return hard_assignment(x[:, 0, 0, 0].long(), 2)


def test_steps_and_calls_are_those_of_a_run_on_all_of_mnist():
    assert plan_totals(Model, FORM) == {"short": 3, "before": 1, "long": 12_000, "after": 1}


def test_everything_in_the_plan_is_timed_once_in_its_order():
    timings = list(measure(Model, "cpu", FORM))
    eager, again = timings[:4], timings[4:]
    assert [t.item for t in eager] == ["short", "before", "long", "after"]
    assert [(t.item, t.mode) for t in again] == [("short", "eager: no CUDA"), ("long", "eager: no CUDA")]
    assert [t.batch_size for t in eager] == [10, 0, 10, 0]
    assert all(t.total == plan_totals(Model, FORM)[t.item] for t in timings)


def test_the_time_of_a_step_is_that_of_steps_after_the_first():
    short = next(measure(Model, "cpu", FORM))
    assert short.seconds > 0.004
    measured = CALLS.count("short") - SKIPPED
    assert measured >= 1
    assert short.seconds * measured >= FORM.window
    assert short.seconds * (measured - 1) < FORM.window + 0.5
    assert short.busy < 0.9  # it sleeps


def test_seeds_side_by_side_wait_for_each_other_before_the_longest_stage_is_measured():
    seen = []
    timing = measure_together(Model, "cpu", FORM, 1, begin=lambda: seen.extend(CALLS))
    assert seen == ["before", *["long"] * SKIPPED]
    assert (timing.item, timing.total) == ("long", 12_000)
    assert "after" not in CALLS


def test_models_without_steps_are_not_timed():
    class Fitted(Model):
        def stages(self, x):
            yield Action("fit", lambda: None)

    assert is_timed(Model, FORM)
    assert not is_timed(Fitted, FORM)


def test_the_program_prints_a_timing_a_line(capsys):
    assert main('{"model": "gmvae", "device": "cpu"}') == 0
    eager, again = [Timing(**json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    assert (eager.item, eager.mode, again.mode) == ("train", "eager", "eager: no CUDA")
