"""The Trainer: order of the data, curves, checkpoints, and its guards."""

import itertools
import math
from dataclasses import dataclass, replace

import pytest
import torch

from benchmark import seeding
from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, hard_assignment
from benchmark.errors import Diverged, Interrupted, UserError
from benchmark.running.train import Trainer

X = torch.arange(23 * 4, dtype=torch.float32).reshape(23, 4) / 92


class Model(ClusteringModel):
    """Two stages of Adam with a scheduler and noise, and something in between: everything a checkpoint must
    hold.
    """

    name = "model"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def __init__(self, x=X, fail_at=None):
        super().__init__(DataSpec("toy", (4,), None, len(x)), self.Config(n_clusters=2))
        self.weight = torch.nn.Parameter(torch.zeros(4))
        self.register_buffer("middle", torch.zeros(4))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.9)
        self.batches, self.epochs, self.modes, self.fail_at = [], 0, [], fail_at

    def stages(self, x):
        yield Stage("first", self.step, steps=12, batch_size=5)
        yield Action("between", self.between)
        yield Stage("second", self.step, steps=9, batch_size=5, each_epoch=self.epoch)

    def between(self):
        self.modes.append(self.training)
        self.middle.copy_(self.weight.detach() + torch.rand(4))

    def epoch(self):
        self.epochs += 1
        self.schedule.step()

    def step(self, x):
        self.modes.append(self.training)
        self.batches.append(x)
        loss = (self.weight - self.middle - x.mean(dim=0) - torch.rand(4)).square().sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if len(self.batches) == self.fail_at:
            loss = loss * float("nan")
        return {"loss": loss, "first": x[0, 0]}

    def log_assign(self, x):
        return hard_assignment(x[:, 0].long(), 2)


def train(model, x=X, seed=3, **more):
    trainer = Trainer(model, x, seed, **more)
    trainer.run()
    return trainer


def test_an_epoch_shows_every_point_at_most_once_and_drops_the_remainder():
    model = Model()
    train(model)
    for epoch in range(3):  # 23 points in batches of 5: four steps an epoch, in both stages
        seen = torch.cat(model.batches[4 * epoch : 4 * epoch + 4])
        assert len(seen) == 20
        assert len(seen.unique(dim=0)) == 20
        assert all(any(torch.equal(row, point) for point in X) for row in seen)
    orders = [torch.cat(model.batches[4 * e : 4 * e + 4]) for e in range(5)]
    assert not any(torch.equal(a, b) for i, a in enumerate(orders) for b in orders[:i])


def test_modes_epochs_and_stage_names():
    model = Model()
    trainer = train(model)
    assert model.modes == [True] * 12 + [False] + [True] * 9
    assert model.epochs == 2  # of the second stage: 9 steps are two epochs and one step
    assert list(trainer.seconds) == ["first", "between", "second"]


def test_uint8_points_are_scaled_in_the_step_and_small_data_are_used_whole():
    model = Model()
    x = torch.arange(12, dtype=torch.uint8).reshape(3, 4) * 20
    train(model, x=x)
    assert all(batch.shape == (3, 4) and batch.dtype == torch.float32 for batch in model.batches)
    torch.testing.assert_close(model.batches[0].sort(dim=0).values, x.float() / 255)


def test_curves_are_means_between_readings(monkeypatch):
    monkeypatch.setattr("benchmark.running.train.CURVE_POINTS", 4)
    model = Model()
    trainer = train(model)
    first = [row for row in trainer.curves if row["stage"] == "first"]
    assert [row["step"] for row in first] == [3, 6, 9, 12]
    for i, row in enumerate(first):
        assert row["first"] == pytest.approx(
            torch.stack([b[0, 0] for b in model.batches[3 * i : 3 * i + 3]]).mean().item()
        )
    assert [row["step"] for row in trainer.curves if row["stage"] == "second"] == [
        12 + s for s in (2, 4, 6, 8, 9)
    ]


@pytest.mark.parametrize("stop_after", [0, 3, 7, 12, 13, 20])
def test_a_stopped_run_continues_to_exactly_the_same_end(tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr("benchmark.running.train.CURVE_POINTS", 4)
    whole = Model()
    expected = train(whole)

    stopped, path = Model(), tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted, match="stopped in stage"):
        train(stopped, checkpoint=path, stop=lambda: len(stopped.batches) == stop_after)
    torch.manual_seed(99)  # the state of the generators must come from the checkpoint
    resumed = Model()
    found = train(resumed, checkpoint=path)
    assert len(stopped.batches) + len(resumed.batches) == 21
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert found.curves == expected.curves
    assert resumed.schedule.get_last_lr() == whole.schedule.get_last_lr()


def test_a_run_killed_between_checkpoints_repeats_the_lost_steps_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.running.train.CHECKPOINT_SECONDS", 0)
    whole = Model()
    train(whole)
    killed, path = Model(), tmp_path / "checkpoint.pt"
    with pytest.raises(RuntimeError, match="kill"):
        train(killed, checkpoint=path, stop=lambda: len(killed.batches) == 17 and kill())
    resumed = Model()
    train(resumed, checkpoint=path)
    assert torch.equal(resumed.weight, whole.weight)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half of one")
    with pytest.raises(UserError, match=r"checkpoint\.pt can't be read: .*; delete it to begin the run anew"):
        train(Model(), checkpoint=tmp_path / "checkpoint.pt")


def test_seconds_of_the_processor_go_on_where_a_checkpoint_left_them(tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("time.process_time", lambda: float(next(ticks)))  # one more with every reading
    stopped, path = Model(), tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(stopped, checkpoint=path, stop=lambda: len(stopped.batches) == 17)
    # read at each of 12 + 9 steps, at the end of a stage and of an action, and at the stop
    assert train(Model(), checkpoint=path).cpu_seconds == {"first": 13, "between": 1, "second": 11}

    state = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "cpu_seconds"}, path)
    assert all(math.isnan(value) for value in train(Model(), checkpoint=path).cpu_seconds.values())


def kill():
    raise RuntimeError("kill")


def test_seeds_decide():
    a, b, c = Model(), Model(), Model()
    train(a, seed=1), train(b, seed=1), train(c, seed=2)
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, c.weight)
    assert not torch.equal(a.batches[0], c.batches[0])


def test_a_loss_that_is_not_finite_ends_training(monkeypatch):
    monkeypatch.setattr("benchmark.running.train.CURVE_POINTS", 4)
    with pytest.raises(Diverged, match="loss is nan in stage first, at or before step 6 of 12"):
        train(Model(fail_at=5))


def test_reports_tell_stage_and_overall_progress():
    reports = []
    train(Model(), report=lambda *r: reports.append(r[:5]))
    assert reports[0] == ("first", 1, 12, 1, 21)
    assert ("between", 0, 0, 12, 21) in reports
    assert reports[-1] == ("second", 9, 9, 21, 21)


class Watched(Model):
    """Its second stage keeps a loss for every point, which its steps look up, and ends once it is told to."""

    def __init__(self, x=X, end=3):
        super().__init__(x)
        self.register_buffer("seen", torch.zeros(len(x)), persistent=False)
        self.register_buffer("checks", torch.zeros((), dtype=torch.long), persistent=False)
        self.end, self.checked = end, []

    def stages(self, x):
        first, between, _ = super().stages(x)
        yield first
        yield between
        yield Stage("second", self.look_up, 9, 5, self.epoch, until=self.enough, check_steps=2)
        yield Stage("third", self.step, steps=4, batch_size=5)

    def look_up(self, x, index):
        assert torch.equal(x, X[index])
        self.seen[index] += 1
        losses = self.step(x + self.seen[index, None])
        return {"loss": losses["loss"]}

    def enough(self):
        self.checked.append((len(self.batches), self.training))
        self.checks += 1
        self.seen.mul_(0.5)
        return bool(self.checks >= self.end)


def test_a_stage_ends_early_and_the_steps_after_it_are_counted_from_there():
    model, reports = Watched(), []
    trainer = train(model, report=lambda *r: reports.append(r[:5]))
    assert model.checked == [(14, False), (16, False), (18, False)]  # every 2 steps, in evaluation mode
    assert len(model.batches) == 12 + 6 + 4
    assert reports[-1] == ("third", 4, 4, 22, 22)
    assert ("second", 6, 6, 18, 22) in reports
    assert [row["step"] for row in trainer.curves] == list(range(1, 23))
    assert model.epochs == 1


def test_a_stage_that_is_never_told_to_end_makes_all_its_steps_and_asks_after_every_pass_by_default():
    model = Watched(end=99)
    plan = list(model.stages(X))
    plan[2] = replace(plan[2], check_steps=0)
    model.stages = lambda x: iter(plan)
    train(model)
    assert len(model.batches) == 12 + 9 + 4
    assert model.checked == [(16, False), (20, False)]  # 23 points in batches of 5: four steps a pass


@pytest.mark.parametrize("stop_after", [13, 16, 18, 20])
def test_a_run_with_a_stage_that_ends_early_continues_to_exactly_the_same_end(tmp_path, stop_after):
    whole = Watched()
    expected = train(whole)
    stopped, path = Watched(), tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(stopped, checkpoint=path, stop=lambda: len(stopped.batches) == stop_after)
    assert set(stopped.state_dict()) == {"weight", "middle"}  # what only training needs is not in model.pt
    resumed = Watched()
    found = train(resumed, checkpoint=path)
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.seen, whole.seen)
    assert found.curves == expected.curves


def test_a_run_killed_right_after_a_stage_has_ended_early_does_not_go_on_in_it(tmp_path, monkeypatch):
    killed, path = Watched(), tmp_path / "checkpoint.pt"
    monkeypatch.setattr(Trainer, "_save_if_due", lambda self: self._ended and (self._save(), kill()))
    with pytest.raises(RuntimeError, match="kill"):
        train(killed, checkpoint=path)
    monkeypatch.undo()
    whole, resumed = Watched(), Watched()
    train(whole), train(resumed, checkpoint=path)
    assert len(resumed.batches) == 4  # of the third stage
    assert torch.equal(resumed.weight, whole.weight)


def test_streams_are_independent_and_reproducible():
    seeds = [
        seeding.derive(s, stream, i) for s in (0, 1) for stream in ("init", "noise", "order") for i in (0, 1)
    ]
    assert len(set(seeds)) == len(seeds)
    assert seeding.derive(0, "order", 1, 2) == seeding.derive(0, "order", 1, 2)
    assert DataSpec("x", (2,), None, 3).dim == 2


class Scattered(Model):
    """Its training parts lie in a list, in a dictionary, and in a module."""

    def __init__(self):
        super().__init__()
        del self.optimizer, self.schedule
        self.inner = torch.nn.Module()
        self.inner.optimizer = torch.optim.Adam([self.weight], lr=0.1)
        self.optimizers = [torch.optim.SGD([self.weight], lr=0.01, momentum=0.9), self.inner.optimizer]
        self.schedules = {"a": torch.optim.lr_scheduler.StepLR(self.optimizers[0], step_size=1, gamma=0.9)}
        self.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)

    def epoch(self):
        self.schedules["a"].step()

    def step(self, x):
        loss = (self.weight - self.middle - x.mean(dim=0) - torch.rand(4)).square().sum()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.batches.append(x)
        return {"loss": loss, "scale": torch.tensor(self.scaler.get_scale())}


def test_optimisers_in_collections_and_modules_and_a_scaler_are_in_the_checkpoint(tmp_path):
    whole = Scattered()
    expected = train(whole)
    assert whole.scaler.get_scale() == 8.0 * 2 ** (21 // 3)
    stopped, path = Scattered(), tmp_path / "checkpoint.pt"
    assert set(stopped.training_state()) == {
        "inner.optimizer",
        "optimizers.0",
        "optimizers.1",
        "schedules.a",
        "scaler",
    }
    with pytest.raises(Interrupted):
        train(stopped, checkpoint=path, stop=lambda: len(stopped.batches) == 17)
    resumed = Scattered()
    found = train(resumed, checkpoint=path)
    assert torch.equal(resumed.weight, whole.weight)
    assert found.curves == expected.curves


def test_an_optimiser_that_is_made_after_init_is_named_when_a_run_is_continued(tmp_path):
    class Late(Model):
        def between(self):
            self.late = torch.optim.SGD([self.weight], lr=0.1)

    stopped, path = Late(), tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(stopped, checkpoint=path, stop=lambda: len(stopped.batches) == 17)
    with pytest.raises(
        UserError, match=r"differ in late: optimisers, .* must be attributes from __init__ on"
    ):
        train(Late(), checkpoint=path)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (torch.zeros(()), r"not a tensor of shape \(\)"),
        (None, "not None"),
        ([torch.zeros(())], "not the list"),
        ({"loss": 0.5}, "its 'loss' is the float 0.5"),
        ({"loss": torch.zeros(2)}, r"its 'loss' is a tensor of shape \(2,\)"),
    ],
)
def test_a_step_that_returns_something_else_is_told_what_is_expected(returned, words):
    model = Model()
    model.step = lambda x: returned
    with pytest.raises(
        UserError, match=f"step of stage first must return a dict of scalar tensors .*{words}"
    ):
        train(model)


def test_a_loss_that_only_some_steps_return_is_refused():
    """Its mean would be over steps that it was not computed at."""
    model, losses = (
        Model(),
        iter([{"critic": torch.zeros(())}, {"critic": torch.zeros(()), "generator": torch.ones(())}]),
    )
    model.step = lambda x: next(losses)
    with pytest.raises(
        UserError, match="same names at every step: it has critic, generator, the one before critic"
    ):
        train(model)
