"""Steps that are replayed from a graph: on the CPU against a graph that records and replays operations."""

from dataclasses import dataclass

import pytest
import torch

from benchmark.api import Action, ClusteringModel, DataSpec, ModelConfig, Stage, hard_assignment
from benchmark.errors import Interrupted
from benchmark.running.capture import WARM_UP, CudaGraph, capture_step
from benchmark.running.train import Trainer
from tests.recorded_graph import RecordedGraph

X = torch.arange(23 * 4, dtype=torch.float32).reshape(23, 4) / 92


class Model(ClusteringModel):
    """Adam with a schedule, noise, batch statistics, and a last stage of smaller batches."""

    name = "model"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def __init__(self, x=X, wait=False):
        super().__init__(DataSpec("toy", (4,), None, len(x)), self.Config(n_clusters=2))
        self.norm, self.layer, self.wait = torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 4), wait
        torch.nn.init.eye_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.1, fused=True)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.5)
        self.python_calls = 0

    def stages(self, x):
        yield Stage("first", self.step, steps=12, batch_size=5, each_epoch=self.schedule.step)
        yield Action("between", lambda: self.layer.bias.data.add_(torch.rand(4, device=x.device)))
        yield Stage("second", self.step, steps=9, batch_size=3)

    def step(self, x):
        self.python_calls += 1
        loss = (self.layer(self.norm(x)) - x - torch.rand_like(x)).square().mean()
        if self.wait and loss.item() > 0:
            pass
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss, "first": x[0, 0]}

    def log_assign(self, x):
        return hard_assignment(x[:, 0].long(), 2)


def train(graph=None, model=None, x=X, **more):
    model = model or Model()
    trainer = Trainer(model.to(x.device), x, 3, graph=graph, **more)
    trainer.run()
    return model, trainer


def assert_close(a, b, rtol=1e-5):
    for name, value in a.state_dict().items():
        torch.testing.assert_close(b.state_dict()[name], value, rtol=rtol, atol=1e-6, msg=name)


def test_replayed_steps_train_as_eager_ones_do_with_schedule_noise_and_smaller_batches():
    eager, expected = train()
    graphs = []
    captured, found = train(lambda: graphs.append(RecordedGraph()) or graphs[-1])
    assert_close(eager, captured)
    assert captured.python_calls == 2 * (WARM_UP + 1)
    assert [g.replays for g in graphs] == [12, 9]
    assert found.modes == {"first": "graph", "second": "graph"}
    assert expected.modes == {"first": "eager", "second": "eager"}
    for a, b in zip(expected.curves, found.curves, strict=True):
        assert a.pop("stage") == b.pop("stage")
        assert a == pytest.approx(b, rel=1e-4)


def test_a_capture_leaves_weights_statistics_optimiser_and_random_state_as_they_were():
    model = Model()
    torch.manual_seed(7)
    model.step(X[:5])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    moments = [v.clone() for s in model.optimizer.state.values() for v in s.values()]
    rng = torch.get_rng_state()
    capture_step(model, model.step, [X[:5]], RecordedGraph())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    after = [v for s in model.optimizer.state.values() for v in s.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))
    assert torch.equal(torch.get_rng_state(), rng)


def test_losses_are_copies_and_the_batch_is_copied_in():
    model = Model()
    step = capture_step(model, model.step, [X[:5]], RecordedGraph())
    batch = X[5:10].clone()
    first = step(batch)
    kept = first["loss"].clone()
    second = step(X[10:15])
    assert torch.equal(first["loss"], kept)
    assert (first["first"], second["first"]) == (X[5, 0], X[10, 0])
    assert torch.equal(batch, X[5:10])


class Indexed(Model):
    """Looks a target up for every point, and moves it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("targets", torch.linspace(0, 1, len(X)), persistent=False)

    def step(self, x, index):
        losses = super().step(x + self.targets[index, None])
        self.targets[index] += losses["loss"].detach()
        return losses


def test_rows_of_the_points_reach_replayed_steps():
    eager, _ = train(model=Indexed())
    captured, trainer = train(RecordedGraph, Indexed())
    assert trainer.modes == {"first": "graph", "second": "graph"}
    assert_close(eager, captured)
    torch.testing.assert_close(eager.targets, captured.targets, rtol=1e-4, atol=1e-6)


def test_a_step_that_waits_for_the_device_is_made_eagerly_with_the_reason(caplog):
    eager, _ = train(model=Model(wait=True))
    model, trainer = train(RecordedGraph, model=Model(wait=True))
    assert trainer.modes["first"] == "eager: waits for the device while a graph is captured"
    assert "stage first can't be captured" in caplog.text
    assert_close(eager, model)


@pytest.mark.parametrize(
    ("before", "after"), [(None, RecordedGraph), (RecordedGraph, None), (RecordedGraph,) * 2]
)
@pytest.mark.parametrize("steps", [3, 7, 15])
def test_a_stopped_run_continues_in_either_mode(tmp_path, before, after, steps):
    check_resume(tmp_path, before, after, steps, X)


def check_resume(tmp_path, before, after, steps, x):
    whole, _ = train(x=x)
    asked, path = iter(range(100)), tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(before, x=x, checkpoint=path, stop=lambda: next(asked) == steps)
    torch.manual_seed(99)
    resumed, _ = train(after, x=x, checkpoint=path)
    assert_close(whole, resumed)
    assert float(resumed.optimizer.param_groups[0]["lr"]) == pytest.approx(0.1 * 0.5**3)


@pytest.mark.gpu
def test_on_cuda_captured_equals_eager():
    eager, _ = train(x=X.cuda())
    captured, trainer = train(CudaGraph, x=X.cuda())
    assert trainer.modes == {"first": "graph", "second": "graph"}
    assert_close(eager, captured)


@pytest.mark.gpu
@pytest.mark.parametrize(("before", "after"), [(None, CudaGraph), (CudaGraph, None), (CudaGraph, CudaGraph)])
def test_on_cuda_a_stopped_run_continues_in_either_mode(tmp_path, before, after):
    check_resume(tmp_path, before, after, 7, X.cuda())
