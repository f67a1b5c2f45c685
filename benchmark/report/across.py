"""What the page has across data sets: rankings, and papers' tables beside ours. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark import plots
from benchmark.papers import published
from benchmark.papers.runs import studies
from benchmark.papers.study_tables import study_tables
from benchmark.papers.tables import paper_tables
from benchmark.records.run import Record
from benchmark.report.cells import Shown, shown
from benchmark.report.commands import results_variable, tables_command
from benchmark.report.pictures import Album, Picture
from benchmark.tables import significance, statistics
from benchmark.tables.comparable import comparable
from benchmark.tables.statistics import DIAGRAM_DATASETS


@dataclass(frozen=True)
class Ranking:
    """Models over all data sets at one budget; `reason` says in words why there is no table."""

    title: str
    tables: list[Shown]
    reason: str = ""
    diagram: Picture | None = None


def ranking(album: Album, records: Sequence[Record], budget: str) -> Ranking:
    """The ranking of one budget."""
    table = significance.overall_table(records, budget)
    title = f"Ranking, {budget} budget"
    if isinstance(table, str):
        return Ranking(title, [], table)
    again = tables_command(album.results)
    tables = [shown(table, title, again)]
    if (pairs := significance.pairwise_table(records, budget)) is not None:
        tables.append(shown(pairs, f"Pairs of models, {budget} budget", again, opened=False))
    return Ranking(title, tables, diagram=_diagram(album, records, budget, table.values))


def _diagram(album: Album, records: Sequence[Record], budget: str, values: object) -> Picture | None:
    scores, _ = comparable(records, budget)
    datasets = len(next(iter(scores.values())))
    if datasets < DIAGRAM_DATASETS or len(scores) < 3:
        return None
    ranks = dict(zip(values["model"], values["rank"], strict=True))  # type: ignore[index]
    width = statistics.critical_difference(len(ranks), datasets)
    p = statistics.friedman_test(
        np.array([[x.mean() for x in by_dataset.values()] for by_dataset in scores.values()])
    )
    path = album.draw(
        f"overall-{budget}-critical-difference",
        {"ranks": ranks, "width": width, "datasets": datasets},
        lambda: plots.critical_difference_diagram(ranks, width, datasets),
        pdf=True,
    )
    caption = f"critical-difference diagram (Friedman test: p = {p:.2g}; Nemenyi test at 5 %)"
    alt = f"mean ranks of {', '.join(ranks)} over {datasets} data sets"
    return None if path is None else album.picture(path, caption, alt)


def papers(album: Album, records: Sequence[Record]) -> list[Shown]:
    """Every paper's tables, then the studies; open where they have numbers of ours."""
    found, where = [], results_variable(album.results)
    for paper in published.papers().values():
        datasets = list(dict.fromkeys(n.dataset for n in published.numbers() if n.paper == paper and n.model))
        runs = "\n".join(f"make bench PAPER={paper.name} DATASET={d}{where}" for d in datasets)
        for table in paper_tables(paper, records):
            command = f"{runs}\n{tables_command(album.results, f'--paper {paper.name}')}"
            ours = bool(table.values["n"].sum())
            found.append(shown(table, table.heading.strip("# "), command, opened=ours))
    for study in studies().values():
        for table in study_tables(study, records):
            again = tables_command(album.results, f"--study {study.name}")
            command = f"make bench STUDY={study.name}{where}\n{again}"
            found.append(shown(table, table.heading.strip("# "), command))
    return found
