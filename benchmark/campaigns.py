"""Which runs a paper's table or a named sweep needs, as requests for `benchmark.sweep`."""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, unknown
from benchmark.published import Paper, numbers, paper
from benchmark.sweep import Request

FOLDER = Path(__file__).with_name("sweeps")


@dataclass(frozen=True)
class Sweep:
    """A named sweep: one model in several variants, as its file in benchmark/sweeps/ says.

    Attributes:
        paper: whose protocol and assignment rule it has.
        tables: of published numbers that stand beside ours.
        datasets, seeds: unless the user asks for others.
        metrics: columns of its table.
        variants: hyper-parameters by name, one row of the table each.
    """

    name: str
    title: str
    paper: Paper
    tables: tuple[str, ...]
    model: str
    datasets: tuple[str, ...]
    seeds: int
    metrics: tuple[str, ...]
    variants: tuple[Mapping[str, Any], ...]


@cache
def sweeps() -> dict[str, Sweep]:
    """All named sweeps."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}


def sweep(name: str) -> Sweep:
    if name not in sweeps():
        raise unknown("sweep", name, sweeps())
    return sweeps()[name]


def _read(path: Path) -> Sweep:
    values = tomllib.loads(path.read_text())
    grid = values.pop("grid", {})
    variants = values.pop("variants", None) or [
        dict(zip(grid, combination, strict=True)) for combination in itertools.product(*grid.values())
    ]
    lists: dict[str, Any] = {key: tuple(values.pop(key)) for key in ("tables", "datasets", "metrics")}
    return Sweep(path.stem, paper=paper(values.pop("paper")), variants=tuple(variants), **lists, **values)


def sweep_requests(wanted: Sweep, common: Mapping[str, Any], dataset: str | None, seeds: int | None) -> list[Request]:
    """The requests of a named sweep.

    Args:
        common: further arguments of every `Request`, e.g. budget.
        dataset, seeds: instead of the sweep's own.
    """
    return [
        Request(name, (wanted.model,), seeds or wanted.seeds, protocol=wanted.paper.protocol,
                variants=tuple(map(_as_text, wanted.variants)), **common)
        for name in ([dataset] if dataset else wanted.datasets)
    ]  # fmt: skip


def paper_requests(dataset: str, models: Sequence[str], common: Mapping[str, Any], seeds: int | None) -> list[Request]:
    """The requests that the papers' tables on a data set need, each under its paper's protocol.

    Args:
        models: only the papers of these; empty for all.
    """
    needed: dict[Paper, list[Mapping[str, Any]]] = {}
    for number in numbers():
        wanted = number.dataset == dataset and number.model is not None and (not models or number.model in models)
        if wanted and number.set not in needed.setdefault(number.paper, []):
            needed[number.paper].append(number.set)
    if not needed:
        known = sorted({number.dataset for number in numbers() if number.model and (not models or number.model in models)})
        whose = f" on {', '.join(models)}" if models else ""
        raise UserError(f"no paper{whose} has numbers for {dataset}; there are some for {', '.join(known) or 'no data set'}")
    return [
        Request(dataset, (p.model,), seeds or p.runs, protocol=p.protocol, variants=tuple(map(_as_text, sets)), **common)
        for p, sets in needed.items()
    ]


def _as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Hyper-parameters as a user would type them."""

    def text(value: Any) -> str:
        if isinstance(value, list):
            return ",".join(map(str, value))
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {name: text(value) for name, value in values.items()}


