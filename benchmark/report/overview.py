"""The answer first: models x data sets, each number a link to the table that it is from. Imports no torch.

A column has one data set at one budget: the one with the most training of those that at least two models ran
at, since numbers of different budgets are not compared. Runs with settings made by hand take no part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.protocols import BUDGETS
from benchmark.records.run import Record
from benchmark.records.select import groups, most_seeds, newest_per_config, score
from benchmark.report.cells import Cell, Column, Shown
from benchmark.tables.table import DASH

PROTOCOL = "neutral"
FEW = 3  # seeds; a mean over fewer is shown in a lighter type


@dataclass(frozen=True)
class Result:
    """Scores of one model on one data set at one budget, of the seeds that ended well, and how many ran."""

    scores: np.ndarray
    seeds: int

    @property
    def mean(self) -> float:
        return float(self.scores.mean())

    def small(self) -> str:
        """Deviation and number of seeds, as text."""
        good = len(self.scores)
        n = f"{good}/{self.seeds} seeds" if good < self.seeds else f"{good} seed{'s' if good > 1 else ''}"
        return f"± {self.scores.std(ddof=1):.3f}, {n}" if good > 1 else n


def overview(records: Sequence[Record], titles: Mapping[str, str]) -> Shown | None:
    """ACC of every model on every data set; None where no run has one.

    Args:
        titles: {data set: how it is called}.
    """
    budgets = {(d, b): _by_model(group) for (d, p, b), group in groups(records).items() if p == PROTOCOL}
    columns: dict[str, tuple[str, dict[str, Result]]] = {}
    for dataset in dict.fromkeys(d for d, _ in budgets):
        known = {b: budgets[dataset, b] for b in BUDGETS if budgets.get((dataset, b))}
        if known:
            budget = next((b for b, results in known.items() if len(results) > 1), next(iter(known)))
            columns[dataset] = (budget, known[budget])
    if not columns:
        return None
    order = sorted(columns, key=lambda d: (-len(columns[d][1]), d))
    models = sorted(
        {model for _, results in columns.values() for model in results},
        key=lambda m: [-columns[d][1][m].mean if m in columns[d][1] else 1.0 for d in order] + [m],
    )
    ranks = {d: sorted(columns[d][1], key=lambda m: -columns[d][1][m].mean) for d in order}
    rows = [[Cell(m), *(_cell(m, d, *columns[d], ranks[d]) for d in order)] for m in models]
    heads = [Column("model"), *(Column(titles.get(d, d), "high", f"{columns[d][0]} budget") for d in order)]
    absent = sorted({r["key"]["dataset"] for r in records} - set(columns))
    notes = [
        "ACC, the one-to-one (Hungarian) accuracy, on the test split where there is one: mean ± standard"
        " deviation over seeds; the colour goes by the rank within a column, from the best to the worst",
        "one budget a column: the one with the most training that at least two models ran at. A rank is"
        " that of a mean, and no verdict: the tables below say which models can be told apart",
        f"in grey: fewer than {FEW} seeds",
    ]
    if absent:
        names = ", ".join(titles.get(d, d) for d in absent)
        notes.append(
            f"only with settings made by hand, under another protocol or without ACC, so not here: {names}"
        )
    return Shown("Overview", heads, rows, notes)


def _by_model(records: Sequence[Record]) -> dict[str, Result]:
    """{model: its result with the presets}."""
    by_model: dict[str, list[Record]] = {}
    for record in newest_per_config([r for r in records if not r.get("overrides")])[0]:
        by_model.setdefault(record["key"]["model"], []).append(record)
    found: dict[str, Result] = {}
    for model, several in by_model.items():
        runs = most_seeds(several)
        scores = np.array([value for run in runs if (value := score(run)) is not None])
        if len(scores):
            found[model] = Result(scores, len({run["seed"] for run in runs}))
    return found


def _cell(
    model: str, dataset: str, budget: str, results: Mapping[str, Result], ranked: Sequence[str]
) -> Cell:
    if model not in results:
        return Cell(DASH, "number")
    result, rank = results[model], ranked.index(model)
    return Cell(
        f"{result.mean:.3f}",
        "number" + (" few" if len(result.scores) < FEW else ""),
        link=f"#{dataset}-{PROTOCOL}-{budget}",
        key=result.mean,
        small=result.small(),
        hint=f"{model}: rank {rank + 1} of {len(ranked)}",
        shade=1 - rank / (len(ranked) - 1) if len(ranked) > 1 else None,
    )
