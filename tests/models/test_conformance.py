"""What every registered model must do. Runs over all of them at the smoke budget; `pytest --plugin FILE` adds
yours.
"""

import hashlib
import json
import re
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
from benchmark.evaluation.distribution import check_distribution
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
    rules = {f"assignment rule {name}": assign(x) for name, assign in model.assignments().items()}
    return rules | model.state_dict()


def assert_same(a, b, usual_cause, rtol=0, atol=0):
    assert a.keys() == b.keys(), usual_cause
    close = partial(torch.testing.assert_close, rtol=rtol, atol=atol, equal_nan=True)
    for name in a:
        close(a[name], b[name], msg=lambda text, name=name: f"{name}: {text}\n{usual_cause}")


def test_assignments_are_distributions_over_the_clusters(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    rules = model.assignments()
    assert rules
    for name, assign in rules.items():
        log_q = assign(x)
        check_distribution(log_q.detach().numpy(), len(x), name)
        assert log_q.shape[1] == model.n_clusters, f"{name}: a column per cluster is expected"
        assert log_q.dtype == torch.float32, f"{name}: expected float32"


def test_points_are_assigned_one_by_one(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    with torch.no_grad():
        whole, alone = (
            model.log_assign(x).argmax(dim=1),
            [model.log_assign(p[None]).argmax().item() for p in x[:20]],
        )
    assert whole[:20].tolist() == alone, "a batch norm in training mode, or a mean over the batch?"


def test_losses_are_finite(trained, model_class, kind):
    _, _, trainer = trained(model_class, kind)
    for row in trainer.curves:
        assert all(np.isfinite(v) for k, v in row.items() if k != "stage"), row
    parameters = trainer.model.named_parameters()
    assert not [name for name, p in parameters if not p.isfinite().all()], "parameters that are not finite"


def test_every_parameter_is_trained(trained, model_class, kind):
    """It differs from what it was, or an optimiser has a state for it: the loss's own gradient can be zero,
    as that of the last bias under the hinge loss, where real and generated points cancel.
    """
    model, _, trainer = trained(model_class, kind)
    if not any(isinstance(item, Stage) and item.steps for item in trainer.plan):
        pytest.skip("has no stage of steps to be trained in")
    before = dict(build(model_class, kind)[0].named_parameters())
    stepped = {p for optimizer in model.optimizers() for p, state in optimizer.state.items() if state}
    unchanged = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and torch.equal(p, before[name]) and p not in stepped
    ]
    assert not unchanged, (
        f"training left {', '.join(unchanged)} unchanged. Does an optimizer have them, is its step() called,"
        " does a loss depend on them? What is fixed is a buffer, or has requires_grad_(False)"
    )


def test_stages_only_describes(model_class, kind):
    model, x = build(model_class, kind)
    before = {name: tensor.clone() for name, tensor in tensors(model).items()}
    list(model.stages(x))
    assert_same(before, tensors(model), "what changes the model belongs into an Action")


def tensors(model):
    """Everything that `stages` must leave alone."""
    return dict(model.named_parameters()) | dict(model.named_buffers()) | {"rng": torch.get_rng_state()}


def test_equal_seeds_give_equal_results_and_others_do_not_disturb(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    torch.manual_seed(12345)
    np.random.seed(12345)  # noqa: NPY002  (a model may still use it)
    again, _, _ = train(model_class, kind)
    usual_cause = "random numbers of numpy or Python, or something kept outside the model?"
    assert_same(outcome(model, x), outcome(again, x), usual_cause)


def test_the_state_dict_holds_the_whole_model(trained, model_class, kind, tmp_path):
    model, x, _ = trained(model_class, kind)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other, _ = build(model_class, kind, seed=1)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    usual_cause = "a tensor that is neither a parameter nor a buffer, or other Python state?"
    assert_same(outcome(model, x), outcome(other.eval(), x), usual_cause)


def test_a_resumed_run_equals_an_uninterrupted_one(trained, model_class, kind, tmp_path, monkeypatch):
    """One run, stopped after the first step of every stage and before the last: by then `each_epoch` and
    `until` have been called, where the stage has passes enough.
    """
    monkeypatch.setattr("benchmark.running.train.CHECKPOINT_SECONDS", 0)
    model, x, trainer = trained(model_class, kind)
    steps = {i: trainer._steps(i) for i, item in enumerate(trainer.plan) if isinstance(item, Stage)}
    places = sorted({(i, done) for i, n in steps.items() if n for done in (min(1, n - 1), n - 1)})
    if not places:
        pytest.skip("has no stage of steps to be stopped in")
    path = tmp_path / "checkpoint.pt"
    for place in places:
        stopped = Trainer(*build(model_class, kind), 0, path)
        stopped.stop = lambda t=stopped, place=place: t._position >= place
        with pytest.raises(Interrupted):
            stopped.run()
    resumed, _, _ = train(model_class, kind, checkpoint=path)
    usual_cause = (
        "a tensor that is no buffer, or a Python number that a step, `until` or an action remembers?"
    )
    assert_same(outcome(model, x), outcome(resumed, x), usual_cause)


def test_training_does_not_change_the_data(trained, model_class, kind):
    _, x, _ = trained(model_class, kind)
    untouched = {"image": load_digits().images[:203, None].astype(np.float32) / 16}
    untouched["vector"] = np.random.default_rng(0).normal(size=(211, 5)).astype(np.float32)
    digests = [hashlib.sha256(a.tobytes()).hexdigest() for a in (x.numpy(), untouched[kind])]
    assert digests[0] == digests[1], "an operation in place on the points that `stages` is given?"


def test_the_abilities_that_it_has(trained, model_class, kind):
    model, x, _ = trained(model_class, kind)
    spec = DATA[kind][0]
    with torch.no_grad():
        for ability in model.abilities():
            if ability == "embed":
                found = model.embed(x[:7])
                assert found.ndim == 2, f"embed: expected (B, J), got {tuple(found.shape)}"
                assert len(found) == 7, f"embed: expected 7 rows, got {tuple(found.shape)}"
            elif ability == "reconstruct":
                _check_points(ability, model.reconstruct(x[:7]), 7, spec)
            else:
                _check_points(ability, model.sample(6), 6, spec)
                _check_points(ability, model.sample(5, cluster=model.n_clusters - 1), 5, spec)


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
    assert all(meaning for *_, meaning in config.describe(model_class.Config)), (
        "a field of Config has no comment on its line or above it"
    )
    assert model_class.__doc__, "the class has no docstring"
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
    """Names of the stages, a new model, its points: smoke's on a CPU, the paper's for MNIST on CUDA.

    On a CPU optimisers are fused where they can be: others read their count of steps there, which no graph
    records.
    """
    if device == "cpu":
        model, x = build(model_class, kind)
        for group in (g for o in model.optimizers() for g in o.param_groups if "fused" in g):
            group["fused"], group["foreach"] = True, False
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
    """Losses of every step, weights as one vector, and on a CPU buffers, within RELATIVE.

    Parameters that are vectors are left out: a bias before a batch norm has gradients of nothing but
    rounding, of which Adam makes whole steps that change no output.
    """
    usual_cause = (
        f"the step of stage {stage} differs when it is replayed: a Python number that changes between steps,"
        " or a buffer that is assigned (self.b = ...) and not changed in place (self.b.copy_(...))?"
    )
    for one, other in zip(a.curves, b.curves, strict=True):
        losses = [{k: v for k, v in row.items() if k != "stage"} for row in (one, other)]
        assert losses[1] == pytest.approx(losses[0], rel=RELATIVE, abs=1e-6), usual_cause
    matrices = [[p.detach().double() for p in t.model.parameters() if p.ndim > 1] for t in (a, b)]
    squares = sum((one - other).square().sum() for one, other in zip(*matrices, strict=True))
    assert squares <= RELATIVE**2 * sum(one.square().sum() for one in matrices[0]), usual_cause
    if a.x.device.type == "cpu":
        assert_same(_followed(a.model), _followed(b.model), usual_cause, rtol=RELATIVE, atol=1e-6)


def _followed(model):
    """Buffers, without the means of batch norms, which go along with the biases before them."""
    return {name: buffer for name, buffer in model.named_buffers() if not name.endswith("running_mean")}


def _on_device(what, call):
    try:
        return call()
    except Exception as error:
        if not re.search(r"\b(meta|devices?)\b", str(error), re.IGNORECASE):
            raise  # another fault, which says itself what it is
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
        where = f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}"
        pytest.fail(f"{what} waits for the device, or makes a tensor elsewhere, at {where} ({error})")


def _check_points(ability, points, n, spec):
    assert points.shape == (n, *spec.shape), ability
    assert points.isfinite().all(), f"{ability}: not all values are finite"
    if spec.value_range is not None:
        low, high = spec.value_range
        what = f"{ability}: outside of the data's value range. A sigmoid, or clamp, is missing?"
        assert points.min() >= low - 1e-6, what
        assert points.max() <= high + 1e-6, what
