"""What every registered model must do. Runs over all of them at the smoke budget; `pytest --plugin FILE` adds
yours.
"""

import hashlib
import json
import traceback
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from benchmark import config
from benchmark.api import Action, DataSpec, Stage
from benchmark.errors import Interrupted, Unsupported
from benchmark.evaluation.collapse import diagnose
from benchmark.registry import Registry
from benchmark.running import outputs
from benchmark.running.capture import CudaGraph
from benchmark.running.train import Trainer
from benchmark.seeding import start
from tests.recorded_graph import RecordedGraph

K = 3
IMAGES = torch.from_numpy(load_digits().images[:203, None].astype(np.float32) / 16)
VECTORS = torch.from_numpy(np.random.default_rng(0).normal(size=(211, 5)).astype(np.float32))
DATA = {
    "image": (DataSpec("some", (1, 8, 8), (0.0, 1.0), len(IMAGES)), IMAGES),
    "vector": (DataSpec("some", (5,), None, len(VECTORS)), VECTORS),
}


def pytest_generate_tests(metafunc):
    if "model_class" in metafunc.fixturenames:
        plugins = metafunc.config.getoption("--plugin")
        registry = Registry(plugins)
        registry.require(plugins)
        cases = [
            (m, kind)
            for m in registry.models.values()
            for kind in DATA
            if m.skip_reason(DATA[kind][0]) is None
        ]
        metafunc.parametrize(("model_class", "kind"), cases, ids=[f"{m.name}-{kind}" for m, kind in cases])


def build(model_class, kind, seed=0):
    spec, x = DATA[kind]
    start(seed, "init")
    return model_class(spec, config.resolve(model_class, spec, K, "smoke", {})), x


def train(model_class, kind, seed=0, **more):
    model, x = build(model_class, kind, seed)
    trainer = Trainer(model, x, seed, **more)
    trainer.run()
    return model.eval(), x, trainer


@pytest.fixture(scope="module")
def trained():
    """Each model is trained once for all tests that only look at the outcome."""
    found = {}

    def get(model_class, kind):
        if (model_class, kind) not in found:
            found[model_class, kind] = train(model_class, kind)
        return found[model_class, kind]

    return get


def outcome(model, x):
    return {name: assign(x) for name, assign in model.assignments().items()} | dict(model.state_dict())


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0, equal_nan=True, msg=name)


def test_assignments_are_distributions_over_the_clusters(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    rules = model.assignments()
    assert rules
    for name, assign in rules.items():
        log_q = assign(x)
        assert log_q.shape == (len(x), model.n_clusters), name
        assert not log_q.isnan().any(), name
        torch.testing.assert_close(log_q.exp().sum(dim=1), torch.ones(len(x)), rtol=1e-4, atol=1e-4, msg=name)


def test_points_are_assigned_one_by_one(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    with torch.no_grad():
        whole, alone = (
            model.log_assign(x).argmax(dim=1),
            [model.log_assign(p[None]).argmax().item() for p in x[:20]],
        )
    assert whole[:20].tolist() == alone


def test_losses_are_finite(trained, model_class, kind):
    _, _, trainer = trained(model_class, kind)
    for row in trainer.curves:
        assert all(np.isfinite(v) for k, v in row.items() if k != "stage")
    assert all(p.isfinite().all() for p in trainer.model.parameters())


def test_equal_seeds_give_equal_results_and_others_do_not_disturb(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    torch.manual_seed(12345)
    np.random.seed(12345)  # noqa: NPY002  (a model may still use it)
    again, _, _ = train(model_class, kind)
    assert_same(outcome(model, x), outcome(again, x))


def test_the_state_dict_holds_the_whole_model(trained, model_class, kind, tmp_path):
    model, x, _ = trained(model_class, kind)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other, _ = build(model_class, kind, seed=1)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert_same(outcome(model, x), outcome(other.eval(), x))


def test_a_resumed_run_equals_an_uninterrupted_one(trained, model_class, kind, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.running.train.CHECKPOINT_SECONDS", 0)
    model, x, trainer = trained(model_class, kind)
    stages = [index for index, item in enumerate(trainer.plan) if hasattr(item, "step")]
    if not stages:
        pytest.skip("has no stage of steps to be stopped in")
    for stage in {stages[0], stages[-1]}:
        path = tmp_path / f"checkpoint-{stage}.pt"
        partial, _ = build(model_class, kind)
        stopped = Trainer(partial, x, 0, path)
        stopped.stop = lambda t=stopped, s=stage: t._position[0] == s and t._position[1] >= 1
        with pytest.raises(Interrupted):
            stopped.run()
        resumed, _, _ = train(model_class, kind, checkpoint=path)
        assert_same(outcome(model, x), outcome(resumed, x))


def test_training_does_not_change_the_data(trained, model_class, kind):
    _, x, _ = trained(model_class, kind)
    untouched = {"image": load_digits().images[:203, None].astype(np.float32) / 16}
    untouched["vector"] = np.random.default_rng(0).normal(size=(211, 5)).astype(np.float32)
    digests = [hashlib.sha256(a.tobytes()).hexdigest() for a in (x.numpy(), untouched[kind])]
    assert digests[0] == digests[1]


def test_the_abilities_that_it_has(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    spec = DATA[kind][0]
    with torch.no_grad():
        for ability in model.abilities():
            if ability == "embed":
                found = model.embed(x[:7])
                assert found.ndim == 2
                assert len(found) == 7
            elif ability == "reconstruct":
                _check_points(model.reconstruct(x[:7]), 7, spec)
            else:
                _check_points(model.sample(6), 6, spec)
                _check_points(model.sample(5, cluster=model.n_clusters - 1), 5, spec)


def test_the_abilities_that_it_has_not(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    calls = {
        "embed": lambda: model.embed(x),
        "reconstruct": lambda: model.reconstruct(x),
        "sample": lambda: model.sample(3),
    }
    for ability in set(calls) - set(model.abilities()):
        with pytest.raises(Unsupported):
            calls[ability]()


def test_its_own_measurements_and_pictures(trained, model_class, kind, tmp_path):
    model, x, trainer = trained(model_class, kind)
    json.dumps(diagnose(model, x, seed=0), allow_nan=False)
    outputs.write(tmp_path, model, x, {}, trainer.curves, seed=0)
    assert (tmp_path / "curves.png").exists() == bool(trainer.curves)
    assert (tmp_path / "samples.png").exists() == (kind == "image" and "sample" in model.abilities())
    assert all((tmp_path / f"{name}.png").stat().st_size > 0 for name in model.draw(x))


def test_every_hyper_parameter_is_explained_and_every_preset_is_valid(model_class, kind):
    assert all(meaning for *_, meaning in config.describe(model_class.Config))
    assert model_class.__doc__
    for budget in config.BUDGETS:
        for name, shape in (
            ("mnist", (1, 28, 28)),
            ("digits", (1, 8, 8)),
            ("other", (3, 32, 32)),
            ("other", (9,)),
        ):
            spec = DataSpec(name, shape, (0.0, 1.0) if len(shape) == 3 else None, 1000)
            if model_class.skip_reason(spec) is None:
                config.resolve(model_class, spec, 10, budget, {})


def test_no_step_and_no_use_of_it_makes_tensors_elsewhere_or_waits_for_the_device(
    model_class, kind, monkeypatch
):
    """Torch's meta device has shapes and no values: `.item()`, `nonzero` or a tensor of the CPU raise
    there.
    """
    shape = (1, 28, 28) if kind == "image" else (50,)
    spec = DataSpec(
        "mnist" if kind == "image" else "other", shape, (0.0, 1.0) if kind == "image" else None, 2000
    )
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda *a, **more: adam(*a, **{**more, "fused": False}))
    model = model_class(spec, config.resolve(model_class, spec, 10, "paper", {})).to("meta")
    for optimizer in model.optimizers():
        optimizer.param_groups[0]["foreach"] = False
    x = torch.zeros(spec.n, *shape, device="meta")
    steps = {}
    for item in model.stages(x):
        if hasattr(item, "step"):
            steps.setdefault((item.name, item.batch_size), item)
    model.train()
    for (name, size), stage in steps.items():
        rows = torch.arange(len(x[:size]), device="meta")
        batch = (x[:size], rows) if stage.takes_index else (x[:size],)
        losses = _on_device(f"the step of stage {name}", partial(stage.step, *batch))
        for loss in losses.values():
            assert loss.device.type == "meta"
            assert loss.shape == ()
    model.eval()
    with torch.no_grad():
        uses = {"log_assign": lambda: model.log_assign(x[:7]), "embed": lambda: model.embed(x[:7])}
        uses |= {"reconstruct": lambda: model.reconstruct(x[:7]), "sample": lambda: model.sample(6)}
        for use in {"log_assign", *model.abilities()} - set(model.on_host):
            assert _on_device(use, uses[use]).device.type == "meta"


STEPS = {"cpu": 8, "cuda": 20}
RELATIVE = 1e-5
GRAPHS = {"cpu": RecordedGraph, "cuda": CudaGraph}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_steps_that_are_replayed_do_what_eager_ones_do(model_class, kind, device, full_precision):
    """On a CPU the graph records operations and replays them: a Python number that changes from step to step
    stays what it was, there as in a CUDA graph.
    """
    for stage in first_steps(model_class, kind, device)[0]:
        eager = train_first_steps(model_class, kind, device, stage, None)
        captured = train_first_steps(model_class, kind, device, stage, GRAPHS[device])
        if captured.modes != {stage: "graph"}:  # e.g. SGD that is not fused reads its learning rate
            reason = f"stage {stage} is not captured but made as {captured.modes[stage]}"
            assert not model_class.__module__.startswith("benchmark.models."), reason
            pytest.skip(reason)
        assert_near(eager, captured, stage)


@pytest.mark.gpu
@pytest.mark.parametrize("modes", [(None, CudaGraph), (CudaGraph, None)])
def test_a_run_stopped_in_one_mode_goes_on_in_the_other(model_class, kind, modes, full_precision, tmp_path):
    for stage in first_steps(model_class, kind, "cuda")[0][-1:]:
        whole = train_first_steps(model_class, kind, "cuda", stage, None)
        path, asked = tmp_path / "checkpoint.pt", iter(range(1000))
        more = {"checkpoint": path, "stop": lambda asked=asked: next(asked) == 9}
        with pytest.raises(Interrupted):
            train_first_steps(model_class, kind, "cuda", stage, modes[0], **more)
        resumed = train_first_steps(model_class, kind, "cuda", stage, modes[1], checkpoint=path)
        assert_near(whole, resumed, stage)


@pytest.fixture
def full_precision(monkeypatch):
    """No TF32, and the same algorithms each time."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


def first_steps(model_class, kind, device):
    """Names of the stages, a new model, its points: smoke's on a CPU, the paper's for MNIST on CUDA."""
    if device == "cpu":
        model, x = build(model_class, kind)
    else:
        shape = (1, 28, 28) if kind == "image" else (50,)
        name, values = ("mnist", (0.0, 1.0)) if kind == "image" else ("other", None)
        spec = DataSpec(name, shape, values, 1000)
        start(0, "init")
        model = model_class(spec, config.resolve(model_class, spec, 10, "paper", {}))
        x = torch.rand(1000, *shape)
    model, x = model.to(device), x.to(device)
    return list({item.name: 0 for item in model.stages(x) if isinstance(item, Stage)}), model, x


def train_first_steps(model_class, kind, device, stage, graph, **more):
    """A new model after the first steps of one stage, with the actions before it but no other stage."""
    _, model, x = first_steps(model_class, kind, device)
    trainer = Trainer(model, x, 0, graph=graph, **more)
    (place, *_) = (i for i, item in enumerate(trainer.plan) if item.name == stage)
    actions = [item for item in trainer.plan[:place] if isinstance(item, Action)]
    trainer.plan = [*actions, replace(trainer.plan[place], steps=STEPS[device])]
    trainer.run()
    return trainer


def assert_near(a, b, stage):
    """Losses of every step, and weights as one vector, within RELATIVE.

    Vectors are left out: a bias before a batch norm has gradients of nothing but rounding, of which Adam
    makes whole steps that change no output.
    """
    for one, other in zip(a.curves, b.curves, strict=True):
        losses = [{k: v for k, v in row.items() if k != "stage"} for row in (one, other)]
        assert losses[1] == pytest.approx(losses[0], rel=RELATIVE, abs=1e-6), stage
    weights = [
        torch.cat([p.detach().double().flatten() for p in t.model.parameters() if p.ndim > 1]) for t in (a, b)
    ]
    assert (weights[0] - weights[1]).norm() <= RELATIVE * weights[0].norm(), stage


def _on_device(what, call):
    try:
        return call()
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
        where = f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}"
        pytest.fail(f"{what} waits for the device, or makes a tensor elsewhere, at {where} ({error})")


def _check_points(points, n, spec):
    assert points.shape == (n, *spec.shape)
    assert points.isfinite().all()
    if spec.value_range is not None:
        low, high = spec.value_range
        assert points.min() >= low - 1e-6
        assert points.max() <= high + 1e-6
