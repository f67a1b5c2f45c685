"""Times a model's training on random images of MNIST's shape, with the Trainer that real runs have.

As a program, in a process of its own: python -m benchmark.running.timing JSON, with the fields of `Task`. It
prints one `Timing` a line, as JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmark import config, seeding
from benchmark.api import Action, ClusteringModel, DataSpec, Stage
from benchmark.errors import Interrupted
from benchmark.registry import Registry
from benchmark.running.capture import CudaGraph
from benchmark.running.train import Trainer

SHAPE, CLASSES, MNIST_IMAGES = (1, 28, 28), 10, 60_000
SKIPPED = 5  # steps before the clock starts: libraries choose algorithms, and a capture is made
ENDLESS = 10**9
READY, GO = "ready-", "go"  # files by which processes begin to measure at the same time


@dataclass(frozen=True)
class Form:
    """How much is measured.

    Attributes:
        budget: whose preset for MNIST the models have.
        images: that there are; actions are measured on so many.
        window: seconds for which a stage is timed.
        seeds: side by side.
        threads: per process.
    """

    budget: str
    images: int
    window: float
    seeds: int
    threads: int


FORMS = {"cuda": Form("paper", 5000, 3.0, 5, 4), "cpu": Form("smoke", 200, 0.1, 2, 1)}


@dataclass(frozen=True)
class Task:
    """What a process of its own does: `measure` if `together` is empty, else `measure_together`.

    Attributes:
        together: the folder in which the processes of several seeds wait for each other.
    """

    model: str
    device: str
    seed: int = 0
    together: str = ""


@dataclass(frozen=True)
class Timing:
    """What was measured of a stage or an action.

    Attributes:
        item: its name.
        batch_size: of a stage; 0: an action.
        total: steps of the stage at most, or calls of the action, in a whole run on MNIST's training images.
        mode: "eager", "graph", or "eager: why no graph" where one was wanted.
        seconds: of one step, or of the action on `Form.images` images.
        busy: share of the time in which the device worked: the GPU by nvidia-smi, of a CPU by its time.
        peak_mb: memory that torch held at most, in MiB; of the GPU only.
        device_mb: memory in use on the whole GPU, in MiB, at the end of the measurement.
    """

    item: str
    batch_size: int
    total: int
    mode: str
    seconds: float
    busy: float | None = None
    peak_mb: float | None = None
    device_mb: float | None = None


class Clock:
    """The Trainer's `stop`: lets some steps pass, measures for `window` seconds, and stops.

    Args:
        begin: called when the steps before are done, e.g. to wait for others.
    """

    def __init__(self, form: Form, device: str, begin: Callable[[], object] = lambda: None):
        self.form, self.device, self.begin = form, device, begin
        self.steps = -SKIPPED - 1  # measured so far
        self.seconds = 0.0
        self.busy: float | None = None
        self._asked: subprocess.Popen[str] | None = None

    def __call__(self) -> bool:
        self.steps += 1
        if self.steps < 0:
            return False
        if self.steps == 0:
            synchronise(self.device)
            self.begin()
            self._began, self._cpu = time.monotonic(), time.process_time()
            return False
        elapsed = time.monotonic() - self._began
        if self.device == "cuda" and self._asked is None and elapsed > self.form.window / 3:
            self._asked = _ask_utilisation()
        if elapsed < self.form.window:
            return False
        synchronise(self.device)
        self.seconds = time.monotonic() - self._began
        if self.device == "cpu":
            self.busy = (time.process_time() - self._cpu) / self.seconds / self.form.threads
        elif self._asked is not None:
            self.busy = _answer(self._asked)
        return True


def measure(model_class: type[ClusteringModel], device: str, form: Form) -> Iterator[Timing]:
    """Time everything in the plan of a training once: all of it eagerly, then the stages as graphs. On a CPU
    runs are eager, so there the second time is the first.
    """
    totals = plan_totals(model_class, form)
    model, x = _build(model_class, form, seed=0).to(device), _images(form, device)
    items = list({item.name: item for item in reversed(list(model.stages(x)))}.values())[::-1]
    eager = []
    for item in items:
        if isinstance(item, Stage):
            eager.append(_time_stage(model, x, 0, item, totals, Clock(form, device), None))
            yield eager[-1]
        else:
            seconds = run_item(model, x, 0, item).seconds[item.name]
            yield Timing(item.name, 0, totals[item.name], "eager", seconds)
    if device == "cpu":
        yield from (replace(timing, mode="eager: no CUDA") for timing in eager)
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    for item in items:
        if isinstance(item, Stage):
            yield _time_stage(model, x, 0, item, totals, Clock(form, device), CudaGraph)


def measure_together(
    model_class: type[ClusteringModel], device: str, form: Form, seed: int, begin: Callable[[], object]
) -> Timing:
    """Time the stage with the most steps as a run makes it, beside other processes that do the same.

    Args:
        begin: returns when all of them are ready.
    """
    totals = plan_totals(model_class, form)
    model, x = _build(model_class, form, seed).to(device), _images(form, device)
    plan = list(model.stages(x))
    longest = max((item for item in plan if isinstance(item, Stage)), key=lambda item: totals[item.name])
    for item in plan[: plan.index(longest)]:
        if isinstance(item, Action):
            run_item(model, x, seed, item)
    graph = CudaGraph if device == "cuda" else None
    return _time_stage(model, x, seed, longest, totals, Clock(form, device, begin), graph)


def plan_totals(model_class: type[ClusteringModel], form: Form) -> dict[str, int]:
    """{name: steps of the stage, or calls of the action} in a training on all of MNIST."""
    model = _build(model_class, replace(form, images=MNIST_IMAGES), seed=0)
    x = torch.empty(MNIST_IMAGES, *SHAPE, dtype=torch.uint8)  # only counted
    totals: dict[str, int] = {}
    for item in model.stages(x):
        totals[item.name] = totals.get(item.name, 0) + (item.steps if isinstance(item, Stage) else 1)
    return totals


def is_timed(model_class: type[ClusteringModel], form: Form) -> bool:
    """Whether the model can be used on such images and has steps to time."""
    if model_class.skip_reason(DataSpec("mnist", SHAPE, (0.0, 1.0), form.images)) is not None:
        return False
    model, x = _build(model_class, form, seed=0), _images(form, "cpu")
    return any(isinstance(item, Stage) for item in model.stages(x))


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _build(model_class: type[ClusteringModel], form: Form, seed: int) -> ClusteringModel:
    spec = DataSpec("mnist", SHAPE, (0.0, 1.0), form.images)
    seeding.start(seed, "init")
    return model_class(spec, config.resolve(model_class, spec, CLASSES, form.budget, {}))


def _images(form: Form, device: str) -> Tensor:
    return torch.randint(256, (form.images, *SHAPE), dtype=torch.uint8).to(device)


def run_item(
    model: ClusteringModel,
    x: Tensor,
    seed: int,
    item: Stage | Action,
    stop: Callable[[], bool] = lambda: False,
    graph: type[CudaGraph] | None = None,
) -> Trainer:
    """Have a Trainer do nothing but this item."""
    trainer = Trainer(model, x, seed, stop=stop, graph=graph)
    trainer.plan = [_endless(item) if isinstance(item, Stage) else item]
    with suppress(Interrupted):
        trainer.run()
    return trainer


def _endless(stage: Stage) -> Stage:
    """The stage without its ends; what it asks in between takes its time all the same."""
    until = stage.until
    return replace(stage, steps=ENDLESS, until=until and (lambda: until() and False))


def _time_stage(
    model: ClusteringModel,
    x: Tensor,
    seed: int,
    stage: Stage,
    totals: dict[str, int],
    clock: Clock,
    graph: type[CudaGraph] | None,
) -> Timing:
    trainer = run_item(model, x, seed, stage, clock, graph)
    peak = used = None
    if x.is_cuda:
        free, whole = torch.cuda.mem_get_info()
        peak, used = torch.cuda.max_memory_reserved() / 2**20, (whole - free) / 2**20
    return Timing(
        stage.name,
        stage.batch_size,
        totals[stage.name],
        trainer.modes[stage.name],
        clock.seconds / clock.steps,
        clock.busy,
        peak,
        used,
    )


def _ask_utilisation() -> "subprocess.Popen[str] | None":
    """Ask nvidia-smi for the share of the last second or less in which the GPU worked."""
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    command = ["nvidia-smi", "-i", uuid, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    except OSError:
        return None


def _answer(asked: "subprocess.Popen[str]") -> float | None:
    """The share, or None where it can't be had, as of a part of a GPU."""
    try:
        return float(asked.communicate(timeout=5)[0]) / 100
    except (ValueError, subprocess.TimeoutExpired):
        asked.kill()
        return None


def _meet(folder: Path, seed: int) -> None:
    """Wait until `go` is in the folder, which it is as soon as all seeds are ready."""
    (folder / f"{READY}{seed}").touch()
    while not (folder / GO).exists():
        time.sleep(0.002)


def main(text: str) -> int:
    task = Task(**json.loads(text))
    form = FORMS[task.device]
    torch.set_num_threads(form.threads)
    model_class, folder = Registry().model(task.model), Path(task.together)
    timings = (
        [measure_together(model_class, task.device, form, task.seed, partial(_meet, folder, task.seed))]
        if task.together
        else measure(model_class, task.device, form)
    )
    for timing in timings:
        print(json.dumps(asdict(timing)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
