"""The papers' tables made again: every published number, ours beside it, and a difference only where it means
something.

A difference is shown only when the published number was seen at its source, and metric, split, protocol,
assignment rule, budget, statistic and selection are known and the same; of a best run also the number of runs
that it was chosen from. Otherwise a footnote says what differs.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.papers.measured import Measured, made_for, measured, neighbouring
from benchmark.papers.published import Number, Paper, numbers
from benchmark.papers.texts import MEMORY, metric_text, published_text, value
from benchmark.protocols import PROTOCOLS
from benchmark.records.run import Record
from benchmark.records.select import rules_on
from benchmark.tables import statistics
from benchmark.tables.significance import LEVEL, verdict
from benchmark.tables.table import DASH, Table, Value

ASIDE = "in italics: runs of a neighbouring protocol or budget, never compared; footnotes say what differs"


def paper_tables(paper: Paper, records: Sequence[Record]) -> list[Table]:
    """The paper's table, once per budget that there are runs at; once without runs of ours if there are
    none.
    """
    wanted = [number for number in numbers() if number.paper == paper]
    mine = [r for r in records if r["key"]["model"] == paper.model]
    budgets = sorted({r["key"]["budget"] for r in mine if any(made_for(r, number) for number in wanted)})
    return [_paper_table(paper, wanted, mine, budget) for budget in budgets or [None]]


def _paper_table(paper: Paper, wanted: list[Number], records: list[Record], budget: str | None) -> Table:
    rows, notes = [], _Notes()
    for number in wanted:
        mine, differs = Measured(), ""
        if number.model is not None:
            mine = measured(
                records,
                number.model,
                number.dataset,
                paper.protocol,
                number.set,
                budget,
                number.split,
                number.rule,
                number.metric,
            )
            if not mine.seeds:
                mine, differs = neighbouring(records, number, number.model, budget)
        rows.append(_compare(number, mine, budget, differs))
    tested = [row for row in rows if not math.isnan(row["p"])]
    for row, p in zip(tested, statistics.holm([row["p"] for row in tested]), strict=True):
        row["p"] = p
    # Rows with a number of ours first, those under the paper's own protocol before those under another.
    rows.sort(key=lambda row: (math.isnan(row["ours"]), bool(row["differs"])))
    shown = pd.DataFrame([_shown(row, notes) for row in rows])
    values = pd.DataFrame(rows).drop(columns="number")
    values[["why_not", "failures"]] = values[["why_not", "failures"]].map("; ".join)
    lines = [
        f"protocol of the paper ({paper.protocol}): {PROTOCOLS[paper.protocol]}",
        *paper.notes,
        f"{MEMORY} from memory, not seen at the source: shown in grey and never compared with",
        *_rule_notes(wanted, records),
        (
            "ours: mean ± standard deviation (n - 1) over seeds, or the best run where the published number"
            " is one; a difference is ours minus published"
        ),
        *([ASIDE] if any(row["aside"] and row["n"] for row in rows) else []),
        (
            "not separable: the two-sided p (Welch against a published mean and deviation, a prediction"
            " interval against a single run or a bare mean), corrected for the number of differences in this"
            f" table (Holm), is above {LEVEL}"
        ),
        *notes.lines(),
    ]
    heading = f"### {paper.title}: published numbers and ours, " + (
        f"{budget} budget" if budget else "no runs of ours"
    )
    name = f"paper-{paper.name}" + (f"-{budget}" if budget else "")
    return Table(name, heading, shown, values, lines, numbers_from=5)


def _rule_notes(wanted: Iterable[Number], records: Iterable[Record]) -> list[str]:
    """Which assignment rule our numbers are by, where a model has several; elsewhere the first is shown."""
    known = {
        number.model: rules
        for number in wanted
        for record in records
        if record["key"]["model"] == number.model and len(rules := list(rules_on(record, "test"))) > 1
    }
    asked = {
        (n.model, n.rule if n.rule != "default" else known[n.model][0]) for n in wanted if n.model in known
    }
    return [
        f"ours of {model}: by its assignment rule"
        f" {' or '.join(sorted(rule for m, rule in asked if m == model))};"
        f" tables of the neutral protocol show {rules[0]}"
        for model, rules in known.items()
    ]


def _compare(number: Number, mine: Measured, budget: str | None, differs: str) -> dict[str, Any]:
    """One row as numbers; `why_not` lists why no difference is shown.

    Args:
        differs: how the protocol of our runs differs from the paper's, empty where it does not.
    """
    asked = number.paper.runs
    values = np.array(list(mine.values.values()))
    mean, std = (
        (values.mean(), values.std(ddof=1) if len(values) > 1 else math.nan)
        if len(values)
        else (math.nan, math.nan)
    )
    why_not = [differs] if differs else []
    if number.caveat:
        why_not.append(number.caveat)
    if number.model is not None and len(values):
        why_not += _not_comparable(number, budget)
        if mine.older:
            why_not.append("records of older versions of the model, its presets or the data are left out")
    if number.statistic.startswith("best") and differs:
        why_not.append(f"mean of our runs, the published number is the {number.statistic}")
    elif number.statistic.startswith("best") and len(values):
        tried = sorted(mine.values)[: number.n]
        chosen = sorted(tried, key=lambda seed: mine.chosen_by[seed])[
            -3 if number.statistic == "best 3" else -1 :
        ]
        mean, std = np.mean([mine.values[s] for s in chosen]), math.nan
        if number.n != len(tried):
            published_n = number.n or "an unknown number"
            why_not.append(
                f"best of {len(tried)} runs of ours, the published number is the best of {published_n}"
            )
    difference = mean - number.value if number.seen and not why_not and len(values) else math.nan
    tests = not math.isnan(difference) and not number.statistic.startswith("best")
    p = statistics.published_p_value(values, number.value, number.std, number.n or 1) if tests else math.nan
    return {
        "number": number,
        "table": number.table,
        "dataset": number.dataset,
        "method": number.method,
        "metric": number.metric,
        "split": number.split,
        "rule": number.rule,
        "statistic": number.statistic,
        "published_n": number.n,
        "selection": number.selection,
        "source": number.source,
        "seen": number.seen,
        "published": number.value,
        "published_std": number.std,
        "ours": mean,
        "ours_std": std,
        "aside": bool(differs) or budget != "paper",
        "n": len(values),
        "seeds": mine.seeds,
        "asked": asked,
        "difference": difference,
        "p": p,
        "differs": differs,
        "why_not": why_not,
        "failures": mine.failures,
    }


def _not_comparable(number: Number, budget: str | None) -> Iterator[str]:
    """Why runs of ours at a budget, under the paper's protocol, are no match for a number."""
    if budget != "paper":
        yield f"our runs are at the {budget} budget, not the paper's number of steps"
    if number.split == "unknown":
        yield "the split that the source evaluates on is not known"
    if number.caveat:
        return  # it says the rest
    if number.statistic == "unknown":
        yield "whether the source's number is a mean, a best or a single run is not known"
    if number.selection == "unknown":
        yield "how the source chose among its runs is not known"
    if number.selection == "by labels" and not number.statistic.startswith("best"):
        yield "the source chose its runs by labels, ours are all that were made"
    if number.statistic == "mean" and number.n is None:
        yield "of how many runs the published mean is, is not known"


def _shown(row: dict[str, Any], notes: "_Notes") -> dict[str, str | Value]:
    number: Number = row["number"]
    n = f" ({number.n} runs)" if number.n and number.statistic != "single" else ""
    how = {
        "mean": f"mean{n}",
        "best": f"best{n}",
        "best 3": f"best 3{n}",
        "single": "single run",
        "unknown": "not known",
    }
    source = notes.mark(f"source: {number.source}")
    seeds = DASH
    if row["seeds"] or number.model is not None:
        seeds = (
            f"{row['n']}/{max(row['asked'], row['seeds'])}"
            if row["n"] < max(row["asked"], row["seeds"])
            else str(row["n"])
        )
    if row["failures"]:
        seeds += notes.mark(f"{number.method} on {number.dataset}: {'; '.join(row['failures'])}")
    if math.isnan(row["difference"]):
        after = "".join(notes.mark(why) for why in row["why_not"])
    else:
        after = "" if number.statistic.startswith("best") else f", {verdict(row['p'], row['n'])}"
    ours = value(row["ours"], row["ours_std"], number.metric)
    difference = value(row["difference"], None, number.metric)
    return {
        "table": number.table_title,
        "data set": number.dataset,
        "method": number.method,
        "metric": metric_text(number),
        "statistic": (
            how[number.statistic] + (", chosen by labels" if number.selection == "by labels" else "")
        ),
        "published": published_text(number) + ("" if number.seen else f" {MEMORY}") + source,
        "ours": dataclasses.replace(ours, aside=row["aside"]),
        "seeds": seeds,
        "difference": dataclasses.replace(difference, after=after, sign=True),
    }


class _Notes:
    """Footnotes: equal ones share a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f" [{self.texts.index(text) + 1}]"

    def lines(self) -> list[str]:
        return [f"[{i}] {text}" for i, text in enumerate(self.texts, 1)]
