"""Learning curves: which states are kept, that keeping them changes nothing, and what they are worth."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmark.api import Action, ClusteringModel, Dataset, DataSpec, ModelConfig, Stage, hard_assignment
from benchmark.records.store import LEARNING, read_curves
from benchmark.running.learning import Snapshots
from benchmark.running.train import Trainer

X = torch.arange(40)[:, None] + 0.5


class Threshold(ClusteringModel):
    """Cuts at a weight that grows by 2 a step, once an action after the first stage has switched it on."""

    name = "threshold"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def __init__(self):
        super().__init__(DataSpec("toy", (1,), None, len(X)), self.Config(n_clusters=2))
        self.register_buffer("cut", torch.zeros(()))
        self.register_buffer("on", torch.zeros(()))

    def stages(self, x):
        yield Stage("first", self.step, steps=6, batch_size=10)
        yield Action("switch on", lambda: self.on.fill_(1))
        yield Stage("second", self.step, steps=4, batch_size=10)

    def step(self, x):
        torch.rand(())  # the state of the random streams matters
        self.cut += 2
        return {"cut": self.cut + torch.rand(())}

    def log_assign(self, x):
        return hard_assignment(((x[:, 0] < self.cut) & (self.on > 0)).long(), 2)


class Halves(Dataset):
    name, title, splits, shape, n_classes = "toy", "Toy", ("train", "test"), (1,), 2

    def x(self, split):
        return X.numpy()

    def y(self, split):
        return np.arange(len(X)) // 20


def train(folder=None, count=5):
    snapshots = None if folder is None else Snapshots(folder / "snapshots", count)
    trainer = Trainer(Threshold(), X, seed=3, snapshots=snapshots)
    trainer.run()
    return trainer, snapshots


@pytest.mark.parametrize(("count", "total"), [(1, 7), (3, 10), (10, 10), (20, 7)])
def test_states_are_evenly_spaced_and_the_last_is_that_of_the_end(count, total):
    snapshots = Snapshots(None, count)
    kept = [done for done in range(1, total + 1) if snapshots.due(done, total)]
    assert len(kept) == min(count, total)
    assert kept[-1] == total
    assert len(Counter(np.diff([0, *kept]))) <= 2  # steps between them differ by one at most


def test_keeping_states_changes_nothing(tmp_path):
    with_them, _ = train(tmp_path)
    without, _ = train()
    assert with_them.curves == without.curves


def test_a_state_is_measured_as_if_training_had_ended_there(tmp_path):
    trainer, snapshots = train(tmp_path)
    snapshots.measure(Threshold, X, Halves(tmp_path), seed=3)
    rows = read_curves(tmp_path, LEARNING)
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8, 10]
    assert [row["stage"] for row in rows] == ["first"] * 3 + ["second"] * 2
    assert {row["split"] for row in rows} == {"test"}
    # with the action done, which in the first stage was still to come
    assert [float(row["accuracy"]) for row in rows] == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0])
    times = [float(row["cpu_seconds"]) for row in rows]
    assert times == sorted(times)
    assert 0 < times[-1] <= sum(trainer.cpu_seconds.values())
    assert not (tmp_path / "snapshots").exists()


class Rounds(Threshold):
    """Has two rounds; the action after each counts itself, and moves the cut away from where the steps left
    it by its count.
    """

    def stages(self, x):
        self.on.fill_(1)
        for _ in range(2):
            yield Stage("round", self.step, steps=4, batch_size=10)
            yield Action("assign", self.assign)

    def assign(self):
        self.on += 1
        self.cut += 4 * (self.on - 1)


def test_an_action_of_every_round_is_done_once(tmp_path):
    snapshots = Snapshots(tmp_path / "snapshots", 4)
    Trainer(Rounds(), X, seed=3, snapshots=snapshots).run()
    snapshots.measure(Rounds, X, Halves(tmp_path), seed=3)
    rows = read_curves(tmp_path, LEARNING)
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8]
    # cuts 4 + 4 and 8 + 4, where both rounds' actions would make 16 and 20; then, after the first round's, of
    # which 12 is left, 16 + 8 and 20 + 8, where no action would make 16 and 20
    assert [float(row["accuracy"]) for row in rows] == pytest.approx([0.7, 0.8, 0.9, 0.8])


def test_a_run_without_steps_has_no_learning_curve(tmp_path):
    Snapshots(tmp_path / "snapshots", 5).measure(Threshold, X, Halves(tmp_path), seed=3)
    assert read_curves(tmp_path, LEARNING) == []
