"""Which runs a paper's table or a named study needs, as requests for `benchmark.running.plan`."""

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, unknown
from benchmark.papers.published import METRIC_NAMES, Paper, check_keys, numbers, paper
from benchmark.records.select import as_typed
from benchmark.running.plan import Request

FOLDER = Path(__file__).with_name("studies")


@dataclass(frozen=True)
class Study:
    """A named study: one model in several variants, as its file in benchmark/papers/studies/ says.

    Attributes:
        paper: whose protocol and assignment rule it has; the neutral protocol and the model's first rule
            where the file names none.
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
def studies() -> dict[str, Study]:
    """All named studies."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}


def study(name: str) -> Study:
    if name not in studies():
        raise unknown("study", name, studies())
    return studies()[name]


def _read(path: Path) -> Study:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the study {path.name} is not TOML: {error}") from None
    optional = ("title", "paper", "tables", "metrics", "grid", "variants")
    check_keys(f"the study {path.name}", values, ("model", "datasets", "seeds"), optional)
    values = {"title": path.stem, "tables": [], "metrics": ["accuracy", "nmi", "ari"], **values}
    nobody = Paper("", "", values["model"], "neutral", "default", values["seeds"], ())
    for key in ("tables", "datasets", "metrics"):
        if not isinstance(values[key], list):  # a string would be taken for a list of letters
            raise UserError(
                f"the study {path.name}: {key} is {values[key]!r}, expected a list, [{values[key]!r}]"
            )
    of = paper(values.pop("paper")) if "paper" in values else nobody
    grid = values.pop("grid", {})
    variants = values.pop("variants", None) or [
        dict(zip(grid, combination, strict=True)) for combination in itertools.product(*grid.values())
    ]
    for metric in values["metrics"]:
        if metric not in METRIC_NAMES:
            raise unknown(f"metric of the study {path.name}:", metric, METRIC_NAMES)
    lists: dict[str, Any] = {key: tuple(values.pop(key)) for key in ("tables", "datasets", "metrics")}
    return Study(path.stem, paper=of, variants=tuple(variants), **lists, **values)


def study_requests(
    wanted: Study, common: Mapping[str, Any], dataset: str | None, seeds: int | None
) -> list[Request]:
    """The requests of a named study.

    Args:
        common: further arguments of every `Request`, e.g. budget.
        dataset, seeds: instead of the study's own.
    """
    return [
        Request(
            name,
            (wanted.model,),
            seeds or wanted.seeds,
            protocol=wanted.paper.protocol,
            variants=tuple(map(_as_text, wanted.variants)),
            **common,
        )
        for name in ([dataset] if dataset else wanted.datasets)
    ]


def paper_requests(
    wanted: Paper, common: Mapping[str, Any], dataset: str | None, seeds: int | None
) -> list[Request]:
    """The requests that a paper's table needs, under its protocol.

    Args:
        common: further arguments of every `Request`, e.g. budget.
        dataset: only this one of the paper's.
        seeds: instead of the paper's own number of runs.
    """
    needed: dict[str, list[Mapping[str, Any]]] = {}
    for number in numbers():
        if number.paper == wanted and number.model is not None:
            variants = needed.setdefault(number.dataset, [])
            if number.set not in variants:
                variants.append(number.set)
    if dataset is not None and dataset not in needed:
        raise UserError(
            f"{wanted.title} has no numbers for {dataset}; it has some for {', '.join(sorted(needed))}"
        )
    return [
        Request(
            name,
            (wanted.model,),
            seeds or wanted.runs,
            protocol=wanted.protocol,
            variants=tuple(map(_as_text, variants)),
            **common,
        )
        for name, variants in needed.items()
        if dataset in (None, name)
    ]


def _as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Hyper-parameters as a user would type them."""
    return {name: as_typed(value) for name, value in values.items()}
