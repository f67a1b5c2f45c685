"""Times a few steps of every stage of a run, in a process of its own, to tell what the run will take.

The parent's side is `rehearse`, the child's side `serve`.
"""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import Diverged, UserError, explained
from benchmark.records.run import Run
from benchmark.running import processes
from benchmark.running.executors.child import settle

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.api import ClusteringModel, Stage

LIMIT = 20.0  # seconds for all rehearsals of a sweep; then they end,
GRACE = 3.0  # or are ended
WINDOW = 0.5  # seconds for which the steps of a stage are timed, or
LEAST = 4  # steps, if they take longer
PATIENCE = 1.0  # seconds of the processor that an action has, and all rules of assignment
POINTS = 1000  # that all of it is timed on
# What is not timed: reading the data, pictures, metrics, samples for FID; as measured on digits.
REST = 3.0  # seconds
REST_MEMORY = 100.0  # MiB


@dataclass(frozen=True)
class Rehearsal:
    """What a run will take.

    Attributes:
        stages: {name: seconds} of all steps of each stage whose number of steps is fixed.
        rest: seconds of everything else.
        memory: at its peak, in MiB.
    """

    stages: dict[str, float]
    rest: float
    memory: float

    @property
    def seconds(self) -> float:
        return sum(self.stages.values()) + self.rest


def rehearse(runs: Sequence[Run], jobs: int) -> dict[str, Rehearsal | str]:
    """{digest: what such a run will take, or why it will fail}, of those that could be timed in time; `jobs`
    at a time.
    """
    end = time.monotonic() + LIMIT
    queue, found = list(runs), dict[str, Rehearsal | str]()
    running: dict[Connection, tuple[Run, int]] = {}  # with the number of its process
    try:
        while running or queue:
            left = end - time.monotonic()
            while queue and len(running) < jobs and left > 0:
                run = queue.pop(0)
                answer, end_of_child = Pipe(duplex=False)
                environment = {**os.environ, **dict.fromkeys(processes.THREADS, str(run.threads))}
                process = processes.start(serve, run, end_of_child, environment, left)
                end_of_child.close()
                assert process.pid is not None
                running[answer] = (run, process.pid)
            ended = wait(list(running), timeout=max(0.0, left) + GRACE)
            if not ended:
                break
            for ready in ended:
                assert isinstance(ready, Connection)
                run, _ = running.pop(ready)
                with contextlib.suppress(EOFError):  # it died, or the time was over
                    found[run.digest] = ready.recv()
    finally:
        for _, pid in running.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
    return found


def serve(run: Run, answer: Connection, environment: Mapping[str, str], limit: float) -> None:
    """Send what `time_run` says, or what it raises; nothing if it takes longer than `limit` seconds."""
    settle(Path(os.devnull), environment)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        with explained("it fails"):
            answer.send(time_run(run))
    except UserError as error:
        answer.send(str(error))


def time_run(run: Run) -> Rehearsal:
    """Time some steps of every stage, and each action and rule of assignment once, of a model of some of the
    points; what is no step is taken to grow with their number. What patience ends takes more than is said, a
    stage that may end early perhaps less.

    Raises:
        UserError: what the model assigns is no distribution, which would be seen after the training only.
    """
    # Not above: the parent imports this module, and is to stay small.
    import torch

    from benchmark import config, seeding
    from benchmark.api import Stage
    from benchmark.data.opening import open_dataset
    from benchmark.evaluation.distribution import assigned
    from benchmark.registry import Registry
    from benchmark.running.execute import peak_memory_mb

    registry = Registry(run.plugins)
    opened = open_dataset(registry, run.dataset, run.key["protocol"], run.reading)
    points = [len(opened.divided.x(split)) for split in opened.divided.splits]
    x = torch.from_numpy(opened.divided.x(opened.divided.splits[0])).to(run.device)
    model_class = registry.model(run.key["model"])
    values = config.from_dict(model_class, run.key["config"])
    plan = list(model_class(opened.spec, values).to(run.device).stages(x))
    times: Counter[str] = Counter()  # steps of each stage, calls of each action
    for item in plan:
        times[item.name] += item.steps if isinstance(item, Stage) else 1
    batch = max((item.batch_size for item in plan if isinstance(item, Stage)), default=0)
    few = x[torch.linspace(0, len(x) - 1, min(len(x), max(POINTS, batch))).long()]
    seeding.start(run.seed, "init")
    model = model_class(replace(opened.spec, n=len(few)), values).to(run.device)

    read = time.process_time if run.device == "cpu" and run.threads == 1 else time.monotonic
    stages: dict[str, float] = {}
    rest, whole = REST, True
    for item in model.stages(few):
        if item.name not in times:
            continue  # it was timed before
        count = times.pop(item.name)
        if isinstance(item, Stage):
            seconds = count * _step_seconds(run, model, few, item, read)
            if item.until is None:
                stages[item.name] = seconds
            else:
                rest += seconds
        else:
            model.eval()
            seconds = _call_seconds(item.run, read)
            whole = whole and seconds < PATIENCE
            rest += count * seconds * len(x) / len(few)
    model.eval()
    # of what was hardly trained no numbers follow, of an action that patience ended nothing at all
    with contextlib.suppress(Diverged if whole else Exception):
        rest += _call_seconds(lambda: list(assigned(model, few)), read) * sum(points) / len(few)
    return Rehearsal(stages, rest, peak_memory_mb(run.device)["process"] + REST_MEMORY)


def _step_seconds(
    run: Run, model: "ClusteringModel", x: "Tensor", stage: "Stage", read: Callable[[], float]
) -> float:
    """Seconds of one step: the mean over the later half of those that are made, for libraries choose their
    algorithms in the first ones.

    Args:
        read: the clock.
    """
    from benchmark.running.capture import CudaGraph
    from benchmark.running.timing import run_item, synchronise

    marks: list[float] = []
    began = time.monotonic()

    def stop() -> bool:
        synchronise(run.device)
        marks.append(read())
        return len(marks) > LEAST and time.monotonic() - began > WINDOW

    run_item(model, x, run.seed, stage, stop, CudaGraph if x.is_cuda and not run.eager else None)
    later = marks[len(marks) // 2 :]
    return (later[-1] - later[0]) / (len(later) - 1)


def _call_seconds(function: Callable[[], object], read: Callable[[], float]) -> float:
    """Seconds of a call, or those after which patience ended."""
    began = read()
    before = signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        with contextlib.suppress(_GaveUp):
            function()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
    return read() - began


class _GaveUp(BaseException):
    """Not an Exception: a model must not take it for an error of its own."""


def _give_up(*_: object) -> None:
    raise _GaveUp
