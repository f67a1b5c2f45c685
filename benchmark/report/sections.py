"""What the page has of one data set under one protocol and budget: tables, and pictures. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import plots
from benchmark.records.assignments import seeds_together
from benchmark.records.run import Record
from benchmark.records.select import clocks, newest_per_config, row_names, score
from benchmark.records.store import LEARNING, read_curves
from benchmark.report.cells import Shown, shown
from benchmark.report.commands import run_command, tables_command
from benchmark.report.pictures import Album, Gallery, Picture
from benchmark.tables import significance
from benchmark.tables.cluster_numbers import cluster_number_tables
from benchmark.tables.means import build
from benchmark.tables.table import Table


@dataclass(frozen=True)
class Section:
    """One choice of the page's selector; `id` is what links lead to."""

    id: str
    title: str
    dataset: str
    protocol: str
    budget: str
    tables: list[Shown]
    figures: list[Picture]
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
    commands = f"{run_command(dataset, protocol, budget, newest, album.results)}\n{again}"
    tables = [
        shown(table, "Results", commands, anchors) for table in build(records, seeds=seeds_together(group))
    ]
    ranges = cluster_number_tables(group)
    tables += [shown(table, "How many clusters?", again, anchors) for table in ranges]
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
    figures = [_clusters(album, where, table) for table in ranges]
    figures += [_cost(album, id_, where, newest, names), _learning(album, id_, where, of_rows)]
    found = [picture for picture in figures if picture is not None]
    return Section(id_, where, title, protocol, budget, tables, found, galleries)


def _clusters(album: Album, where: str, table: Table) -> Picture | None:
    path = album.draw(table.name, {"values": table.values.to_csv()}, lambda: table.figure, pdf=True)
    caption = "how far seeds agree, and the silhouette, over the number of clusters"
    return None if path is None else album.picture(path, caption, f"stability over K on {where}")


def _cost(
    album: Album, id_: str, where: str, records: Sequence[Record], names: Mapping[str, str]
) -> Picture | None:
    costs = run_costs(records, names)
    path = album.draw(f"{id_}-cost", {"cost": costs}, lambda: plots.cost(costs), pdf=True) if costs else None
    caption = "quality against cost: every run, and the models' means"
    return (
        None if path is None else album.picture(path, caption, f"ACC against seconds of every run on {where}")
    )


def _learning(
    album: Album, id_: str, where: str, runs: Mapping[str, Sequence[tuple[Path, Record]]]
) -> Picture | None:
    on_gpu = any(record["key"].get("device") == "cuda" for of_row in runs.values() for _, record in of_row)
    clock = "wall" if on_gpu else "processor"
    curves = learning_curves(runs, "seconds" if clock == "wall" else "cpu_seconds")
    if not curves:
        return None
    shows = {"learning": curves, "clock": clock}
    path = album.draw(f"{id_}-learning", shows, lambda: plots.learning(curves, clock), pdf=True)
    caption = "accuracy over training, measured afterwards: mean and range over the seeds"
    return None if path is None else album.picture(path, caption, f"ACC over {clock} time on {where}")


def learning_curves(
    runs: Mapping[str, Sequence[tuple[Path, Record]]], seconds: str
) -> dict[str, list[list[tuple[float, float]]]]:
    """{row name: for each run that has one, its [(seconds, ACC)] at the steps that all runs of the row
    have}.
    """
    found: dict[str, list[dict[str, tuple[float, float]]]] = {}
    for name, of_row in runs.items():
        for folder, record in of_row:
            rows = read_curves(folder, LEARNING) if record["status"] == "ok" else []
            if rows and rows[0].get("accuracy"):
                curve = {row["step"]: (float(row[seconds]), float(row["accuracy"])) for row in rows}
                found.setdefault(name, []).append(curve)
    return {
        name: [[curve[step] for step in curve if all(step in other for other in curves)] for curve in curves]
        for name, curves in found.items()
    }


def run_costs(records: Sequence[Record], names: Mapping[str, str]) -> dict[str, list[tuple[float, float]]]:
    """{row name: [(seconds, ACC)]} of the runs that have both."""
    found: dict[str, list[tuple[float, float]]] = {}
    timed = clocks(records)
    for record in records:
        if (value := score(record)) is not None:
            seconds = sum(record[timed[record["digest"]]].values())
            found.setdefault(names[record["digest"]], []).append((seconds, value))
    return found
