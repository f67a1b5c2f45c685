"""What the page has of one data set under one protocol and budget: tables, and pictures. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import plots
from benchmark.records.assignments import seeds_together
from benchmark.records.run import Record
from benchmark.records.select import clocks, newest_per_config, row_names, score
from benchmark.report.cells import Shown, shown
from benchmark.report.commands import run_command, tables_command
from benchmark.report.pictures import Album, Gallery, Picture
from benchmark.tables import significance
from benchmark.tables.means import build


@dataclass(frozen=True)
class Section:
    """One choice of the page's selector; `id` is what links lead to."""

    id: str
    title: str
    dataset: str
    protocol: str
    budget: str
    tables: list[Shown]
    cost: Picture | None
    galleries: list[Gallery]


def section(
    album: Album, name: tuple[str, str, str], title: str, group: Sequence[tuple[Path, Record]]
) -> Section:
    """Tables and pictures.

    Args:
        name: data set, protocol and budget.
        title: of the data set.
        group: every run of it.
    """
    dataset, protocol, budget = name
    records = [record for _, record in group]
    newest, _ = newest_per_config(records)
    names = row_names(newest)
    anchors = {row: f"record-{digest}" for digest, row in names.items()}
    again = tables_command(album.results)
    commands = f"{run_command(dataset, protocol, budget, newest)}\n{again}"
    tables = [
        shown(table, "Results", commands, anchors) for table in build(records, seeds=seeds_together(group))
    ]
    tables += [
        shown(table, "Which models can be told apart", again, anchors)
        for table in significance.comparison_tables(records)
    ]
    id_ = f"{dataset}-{protocol}-{budget}"
    where = f"{title}, {protocol} protocol, {budget} budget"
    of_rows: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in group:
        if record["digest"] in names:
            of_rows.setdefault(names[record["digest"]], []).append((folder, record))
    galleries = album.galleries(where, id_, of_rows)
    return Section(
        id_, where, title, protocol, budget, tables, _cost(album, id_, where, newest, names), galleries
    )


def _cost(
    album: Album, id_: str, where: str, records: Sequence[Record], names: Mapping[str, str]
) -> Picture | None:
    costs = run_costs(records, names)
    path = album.draw(f"{id_}-cost", {"cost": costs}, lambda: plots.cost(costs), pdf=True) if costs else None
    caption = "quality against cost: every run, and the models' means"
    return (
        None if path is None else album.picture(path, caption, f"ACC against seconds of every run on {where}")
    )


def run_costs(records: Sequence[Record], names: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    """{row name: [(seconds, ACC)]} of the runs that have both."""
    found: dict[str, list[tuple[float, float]]] = {}
    timed = clocks(records)
    for record in records:
        if (value := score(record)) is not None:
            seconds = sum(record[timed[record["digest"]]].values())
            found.setdefault(names[record["digest"]], []).append((seconds, value))
    return found
