"""The Markdown page of `gpu-check`: measurements in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from benchmark.running.timing import MNIST_IMAGES, Form, Timing
from benchmark.tables.table import DASH, markdown

TAIL = 40  # lines of a failed part's log that the page has


@dataclass(frozen=True)
class Done:
    """A part that has ended.

    Attributes:
        kind: "tests", "alone" or "together".
        model: whose; empty for the tests.
        failure: why it did not end well; empty: it did. What was measured until then is kept.
        timings: alone: everything eagerly, then the stages as graphs; together: one of each seed.
        log: its last words: of the tests always, else if it failed.
    """

    name: str
    kind: str
    model: str
    seconds: float
    failure: str = ""
    timings: Sequence[Timing] = ()
    log: Sequence[str] = ()

    def line(self) -> str:
        """What is printed as it ends."""
        if self.kind == "tests":
            found = [] if self.failure else [self.log[-1].strip("= ")]
        elif self.kind == "together":
            found = [f"{t.item} {_ms(t)} ms" for t in self.timings]
        else:
            found = [
                f"{eager.item} {_ms(eager)} ms eager, {_graph(graph)}" for eager, graph in pairs(self.timings)
            ]
        if self.failure:
            found.append(f"FAILED: {self.failure}")
        return f"{self.name:<20} {self.seconds:4.0f} s  {'; '.join(found)}"


@dataclass
class Check:
    """Everything on the page; `machine` is what `describe_machine` says."""

    device: str
    form: Form
    machine: dict[str, Any]
    limit: float
    done: list[Done] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, Done]:
        return {done.model: done for done in self.done if done.kind == kind}


def pairs(timings: Sequence[Timing]) -> list[tuple[Timing, Timing | None]]:
    """(eager, as a graph) of every stage; None where it did not come to that."""
    found: dict[str, list[Timing]] = {}
    for timing in timings:
        if timing.batch_size:
            found.setdefault(timing.item, []).append(timing)
    return [(both[0], both[1] if len(both) > 1 else None) for both in found.values()]


def page(check: Check) -> str:
    """The whole page, of as many parts as have ended."""
    form = check.form
    taken = sum(done.seconds for done in check.done)
    parts = [
        {"part": d.name, "seconds": f"{d.seconds:.0f}", "ended": d.failure or "well"} for d in check.done
    ]
    sections = [
        f"# Check of {check.device}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; parts of {taken:.0f} s, of at most {check.limit:.0f} s. "
        f"Random images of MNIST's shape, not MNIST; preset `{form.budget}`; threads per process: "
        f"{form.threads}. Times are of whole steps of the Trainer, batches and sums of losses included.",
        _table([{"": name, "value": _text(value)} for name, value in check.machine.items()]),
        "## Parts",
        _table(parts),
        "## A step, eager and as one CUDA graph",
        _table(steps_rows(check)),
        "Busy: share of the time in which the device worked: the GPU by nvidia-smi, over a second or less; "
        "the CPU by its time. MiB: what torch held at most.",
        f"## {form.seeds} seeds side by side",
        _table(together_rows(check)),
        "Of the stage with the most steps; of the seeds, the slowest. MiB: in use on the whole device.",
        "## A whole run on MNIST, projected",
        _table(projection_rows(check)),
        f"Steps of the preset `{form.budget}` for {MNIST_IMAGES:,} images times the seconds above. Actions "
        f"stand between stages; they took the seconds below on {form.images:,} random images, and are taken "
        "to grow in proportion to the images. Evaluation and FID are not in it.",
        _table(action_rows(check)),
    ]
    for done in check.done:
        if done.log and (done.failure or done.kind == "tests"):
            lines = done.log[-TAIL:] if done.failure else done.log[-1:]
            sections += [f"## Log of {done.name}", "```\n" + "\n".join(lines) + "\n```"]
    return "\n\n".join(section for section in sections if section) + "\n"


def steps_rows(check: Check) -> list[dict[str, str]]:
    rows = []
    for model, done in check.of("alone").items():
        for eager, graph in pairs(done.timings):
            captured = graph if graph is not None and graph.mode == "graph" else None
            rows.append(
                {
                    "model": model,
                    "stage": eager.item,
                    "batch": str(eager.batch_size),
                    "eager, ms": _ms(eager),
                    "graph, ms": _ms(captured),
                    "times as fast": number(eager.seconds / captured.seconds if captured else None),
                    "busy, eager": _percent(eager.busy),
                    "busy, graph": _percent(captured.busy if captured else None),
                    "MiB, eager": number(eager.peak_mb),
                    "MiB, graph": number(captured.peak_mb if captured else None),
                    "no graph because": "" if captured else _why_not(graph),
                }
            )
    return rows


def together_rows(check: Check) -> list[dict[str, str]]:
    rows = []
    for model, done in check.of("together").items():
        if not done.timings:
            continue
        slowest, alone = max(done.timings, key=lambda t: t.seconds), _alone(check, model, done)
        used = [t.device_mb for t in done.timings if t.device_mb is not None]
        busy = [t.busy for t in done.timings if t.busy is not None]
        rows.append(
            {
                "model": model,
                "stage": slowest.item,
                "mode": slowest.mode.partition(":")[0],
                "seeds": str(len(done.timings)),
                "alone, ms": _ms(alone),
                "each, ms": _ms(slowest),
                "times as long": number(_slowdown(check, model)),
                "busy": _percent(max(busy, default=None) if check.device == "cuda" else sum(busy)),
                "MiB": number(max(used, default=None)),
            }
        )
    return rows


def projection_rows(check: Check) -> list[dict[str, str]]:
    rows = []
    for model, done in check.of("alone").items():
        both = pairs(done.timings)
        rest = sum(t.seconds * t.total for t in done.timings if not t.batch_size)
        rest *= MNIST_IMAGES / check.form.images
        # the second pass begins when the first is whole
        whole = bool(both) and (both[0][1] is not None or not done.failure)
        eager = sum(e.seconds * e.total for e, _ in both) if whole else None
        graphs = [g.seconds * g.total for _, g in both if g is not None]
        graph = sum(graphs) if both and len(graphs) == len(both) else None
        slowdown = _slowdown(check, model)
        at_once = graph * slowdown if graph is not None and slowdown is not None else None
        rows.append(
            {
                "model": model,
                "steps": f"{sum(e.total for e, _ in both):,}",
                "eager, h": _hours(eager, rest),
                "as a run goes, h": _hours(graph, rest),
                "of it actions, h": _hours(0.0 if whole else None, rest),
                f"{check.form.seeds} seeds at once, h": _hours(at_once, rest),
            }
        )
    return rows


def action_rows(check: Check) -> list[dict[str, str]]:
    return [
        {"model": model, "action": t.item, "times": str(t.total), "seconds": number(t.seconds)}
        for model, done in check.of("alone").items()
        for t in done.timings
        if not t.batch_size
    ]


def number(value: float | None) -> str:
    """Three digits that count, or a dash."""
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _alone(check: Check, model: str, done: Done) -> Timing | None:
    """The graph's timing of the stage that was measured side by side, by one process alone."""
    alone = check.of("alone").get(model)
    found = [graph for _, graph in pairs(alone.timings if alone else ()) if graph is not None]
    return next((graph for graph in found if graph.item == done.timings[0].item), None)


def _slowdown(check: Check, model: str) -> float | None:
    """Time of a step beside others, of the slowest, over that of one alone; None if some seed failed."""
    done = check.of("together").get(model)
    if done is None or done.failure or (alone := _alone(check, model, done)) is None:
        return None
    return max(t.seconds for t in done.timings) / alone.seconds


def _why_not(graph: Timing | None) -> str:
    return graph.mode.removeprefix("eager: ") if graph else "not measured"


def _graph(graph: Timing | None) -> str:
    if graph is not None and graph.mode == "graph":
        return f"{_ms(graph)} ms as a graph"
    return f"no graph ({_why_not(graph)})"


def _ms(timing: Timing | None) -> str:
    return number(1000 * timing.seconds if timing else None)


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.0f}%"


def _hours(steps: float | None, actions: float) -> str:
    return number(None if steps is None else (steps + actions) / 3600)


def _text(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _table(rows: list[dict[str, str]]) -> str:
    return markdown(pd.DataFrame(rows)) if rows else "Nothing yet."
