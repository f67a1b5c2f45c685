"""The Trainer: runs a model's stages over minibatches, and can be stopped and continued at any step."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.api import Action, ClusteringModel, Stage, as_float, batches_per_epoch
from benchmark.errors import Diverged, Interrupted, UserError
from benchmark.files import whole_file
from benchmark.running.capture import Graph, Step, capture_step
from benchmark.running.learning import Snapshots
from benchmark.seeding import derive, start

TRAINING_VERSION = 1  # part of every record's key: raise it when a change here changes results
CURVE_POINTS = 200  # losses are averaged and read from the device about so often per stage name
CHECKPOINT_SECONDS = 60.0

# (stage, steps done in it, its steps, steps done in all, steps in all, losses)
Report = Callable[[str, int, int, int, int, dict[str, float]], None]


class Trainer:
    """Trains one model on one tensor of points.

    Args:
        model: already on its device.
        x: all training points as stored, (N, *shape), on the same device.
        seed: of the run; see `benchmark.seeding`.
        checkpoint: file for the training state. If it is there, training continues from it. None: keep none.
        report: called whenever losses are read.
        stop: asked before every step; when true, the state is saved and Interrupted is raised.
        graph: makes the graph that a stage's steps are replayed from, `CudaGraph` on CUDA; None: eager steps.
        snapshots: where states are kept for the learning curve.

    Attributes:
        curves: rows {"stage", "step" since the beginning, loss name: mean since the row before}.
        seconds: wall time spent per stage name, over all sittings.
        cpu_seconds: the same of processor time, of all threads of this process; not a number where a
            checkpoint of an earlier version lacks it.
        modes: {stage name: "graph", or "eager" with the reason}, of this sitting.
    """

    def __init__(
        self,
        model: ClusteringModel,
        x: Tensor,
        seed: int,
        checkpoint: Path | None = None,
        report: Report = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
        graph: Callable[[], Graph] | None = None,
        snapshots: Snapshots | None = None,
    ):
        self.model, self.x, self.seed = model, x, seed
        self.checkpoint, self.report, self.stop = checkpoint, report, stop
        self.graph, self.snapshots = graph, snapshots
        self.modes: dict[str, str] = {}
        self.curves: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        self.plan = list(model.stages(x))
        self._ended: dict[int, int] = {}  # {index of a stage that ended early: steps that it made}
        self._position = (0, 0)  # index into the plan, steps done there
        self._sums: dict[str, Tensor] = {}  # of the losses since they were last read
        self._count = 0
        self._saved_at = time.monotonic()

    def run(self) -> None:
        """Train to the end.

        Raises:
            Diverged: a loss is not finite.
            Interrupted: `stop` said so; the checkpoint is written.
        """
        start(self.seed, "noise")
        if self.checkpoint is not None and self.checkpoint.exists():
            self._restore(self.checkpoint)
        for index, item in enumerate(self.plan):
            if index < self._position[0]:
                continue
            self._clocks = time.monotonic(), time.process_time()
            if isinstance(item, Stage):
                self._run_stage(index, item)
            else:
                self._report(index, item, 0, {})
                self.model.eval()
                item.run()
            self._account(item)
            self._position = (index + 1, 0)
            self._save_if_due()
        self._save()

    def _run_stage(self, index: int, stage: Stage) -> None:
        batches = self._batches(index, stage, first=self._position[1])
        interval = max(1, sum(_steps(item) for item in self.plan if item.name == stage.name) // CURVE_POINTS)
        self.model.train()
        run_step: Step | None = None
        names: tuple[str, ...] = ()
        per_epoch = batches_per_epoch(self.x, stage.batch_size)
        for step, batch in enumerate(batches, start=self._position[1] + 1):
            if self.stop():
                self._account(stage)
                self._save()
                raise Interrupted(f"stopped in stage {stage.name} at step {step - 1} of {stage.steps}")
            run_step = run_step or self._prepared(stage, batch)
            losses = run_step(*batch)
            _check_losses(stage, losses, names)
            names = names or tuple(losses)
            for name, value in losses.items():
                self._sums[name] = self._sums.get(name, 0) + value.detach()
            self._count += 1
            if step % per_epoch == 0 and stage.each_epoch is not None:
                stage.each_epoch()
            if stage.until is not None and step % (stage.check_steps or per_epoch) == 0:
                self.model.eval()
                if stage.until():
                    self._ended[index] = step
                self.model.train()
            self._position = (index, step)
            if step % interval == 0 or step == self._steps(index):
                self._log(
                    index,
                    stage,
                    step,
                    {name: value.item() / self._count for name, value in self._sums.items()},
                )
                self._sums, self._count = {}, 0
                self._account(stage)
                self._save_if_due()
            self._keep_snapshot(index, stage, step)
            if index in self._ended:
                break

    def _prepared(self, stage: Stage, batch: Sequence[Tensor]) -> Step:
        """The stage's step, captured if that is wanted and can be done."""
        self.modes[stage.name] = "eager"
        if self.graph is None:
            return stage.step
        try:
            captured = capture_step(self.model, stage.step, batch, self.graph())
        except Exception as error:  # whatever it is, an eager step shows it again or does without
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self.modes[stage.name] = f"eager: {reason}"
            logging.getLogger(__name__).warning("stage %s can't be captured: %s", stage.name, reason)
            return stage.step
        self.modes[stage.name] = "graph"
        return captured

    def _batches(self, index: int, stage: Stage, first: int) -> Iterator[tuple[Tensor, ...]]:
        """What the steps from `first` on are called with: a float minibatch, and its rows if they ask."""
        size = min(stage.batch_size, len(self.x))
        per_epoch, takes_index = batches_per_epoch(self.x, size), stage.takes_index
        generator = torch.Generator(self.x.device)
        for step in range(first, self._steps(index)):
            epoch, i = divmod(step, per_epoch)
            if i == 0 or step == first:
                generator.manual_seed(derive(self.seed, "order", index, epoch))
                order = torch.randperm(len(self.x), generator=generator, device=self.x.device)
            rows = order[i * size : (i + 1) * size]
            batch = as_float(self.x[rows])
            yield (batch, rows) if takes_index else (batch,)

    def _log(self, index: int, stage: Stage, step: int, losses: dict[str, float]) -> None:
        self.curves.append({"stage": stage.name, "step": self._done(index, step), **losses})
        self._report(index, stage, step, losses)
        for name, value in losses.items():
            if not abs(value) < float("inf"):  # also true for NaN
                raise Diverged(
                    f"{name} is {value} in stage {stage.name}, at or before step {step} of {stage.steps}"
                )

    def _report(self, index: int, item: Stage | Action, step: int, losses: dict[str, float]) -> None:
        done, total = self._done(index, step), self._done(len(self.plan), 0)
        self.report(item.name, step, self._steps(index), done, total, losses)

    def _done(self, index: int, step: int) -> int:
        """Steps since the beginning of the training."""
        return sum(map(self._steps, range(index))) + step

    def _steps(self, index: int) -> int:
        """Steps of an item of the plan: those that it makes at most, until it has ended earlier."""
        return self._ended.get(index, _steps(self.plan[index]))

    def _account(self, item: Stage | Action) -> None:
        if self.x.is_cuda:
            torch.cuda.synchronize()
        then, self._clocks = self._clocks, (time.monotonic(), time.process_time())
        self.seconds[item.name] += self._clocks[0] - then[0]
        self.cpu_seconds[item.name] += self._clocks[1] - then[1]

    def _keep_snapshot(self, index: int, stage: Stage, step: int) -> None:
        done, most = self._done(index, step), sum(map(_steps, self.plan))
        if self.snapshots is not None and self.snapshots.due(done, most):
            self._account(stage)
            seconds, cpu_seconds = sum(self.seconds.values()), sum(self.cpu_seconds.values())
            self.snapshots.keep(self.model, index, stage.name, done, seconds, cpu_seconds)
            self._clocks = time.monotonic(), time.process_time()  # writing it is no part of training

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
            self._save()

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        state = {
            "model": self.model.state_dict(),
            "training": self.model.training_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if self.x.is_cuda else None,
            "position": self._position,
            "ended": self._ended,
            "sums": self._sums,
            "count": self._count,
            "curves": self.curves,
            "seconds": dict(self.seconds),
            "cpu_seconds": dict(self.cpu_seconds),
        }
        with whole_file(self.checkpoint, binary=True) as file:
            torch.save(state, file)
        self._saved_at = time.monotonic()

    def _restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self.x.device, weights_only=True)
        except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
            raise UserError(f"{path} can't be read: {error}; delete it to begin the run anew") from error
        self.model.load_state_dict(state["model"])
        self.model.load_training_state(state["training"])
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda_rng"] is not None and self.x.is_cuda:
            torch.cuda.set_rng_state(state["cuda_rng"].cpu())
        self._position = (state["position"][0], state["position"][1])
        self._ended = state.get("ended", {})  # older checkpoints have none
        self._sums, self._count = state["sums"], state["count"]
        self.curves = state["curves"]
        self.seconds = defaultdict(float, state["seconds"])
        unknown = dict.fromkeys(self.seconds, float("nan"))
        self.cpu_seconds = defaultdict(float, state.get("cpu_seconds", unknown))


def _check_losses(stage: Stage, losses: Any, names: Sequence[str]) -> None:
    """Raise if a step did not return what the contract says, with the names of an earlier one, if any."""
    expected = f'the step of stage {stage.name} must return a dict of scalar tensors such as {{"loss": loss}}'
    if not isinstance(losses, Mapping):
        raise UserError(f"{expected}, not {_kind(losses)}")
    for name, value in losses.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise UserError(f"{expected}, its {name!r} is {_kind(value)}")
    if names and losses.keys() != set(names):
        raise UserError(
            f"{expected}, with the same names at every step: it has {', '.join(losses)}, the one before"
            f" {', '.join(names)}. A loss that is not computed at every step can be returned as it last was"
        )


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"the {type(value).__name__} {value!r:.80}"


def _steps(item: Stage | Action) -> int:
    return item.steps if isinstance(item, Stage) else 0
