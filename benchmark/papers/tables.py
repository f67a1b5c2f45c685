"""The papers' tables made again: every published number, ours beside it, and a difference only where it means
something.

A difference is shown only when the published number was seen at its source, and metric, split, protocol,
assignment rule, budget, selection and number of runs are the same. Otherwise a footnote says what differs.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.evaluation.metrics import METRICS
from benchmark.papers.measured import (
    Measured,
    made_for,
    matches,
    measured,
    neighbouring,
    undivided_datasets,
)
from benchmark.papers.published import Number, Paper, numbers
from benchmark.protocols import PROTOCOLS
from benchmark.records.run import Record
from benchmark.records.select import rules_on
from benchmark.tables import statistics
from benchmark.tables.significance import LEVEL, verdict
from benchmark.tables.table import DASH, Table, Value

if TYPE_CHECKING:
    from benchmark.papers.runs import Study

MEMORY = "†"
ASIDE = "in italics: runs of a neighbouring protocol or budget, never compared; footnotes say what differs"
METRIC_NAMES = {
    **{name: metric.title for name, metric in METRICS.items()},
    "nmi_geometric": "NMI",
    "kde_log_likelihood": "log-likelihood",
    "kde_of_data": "of the data itself",
    "fid": "FID",
    "inception_score": "IS",
    "fid_of_the_paper": "FID",
    "unknown_nmi": "NMI",
    "unknown_fid": "FID",
    "unknown": "ACC",
}
UNBOUNDED = ("fid", "kde_log_likelihood", "kde_of_data", "inception_score")


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
            " interval against a single run), corrected for the number of differences in this table (Holm),"
            f" is above {LEVEL}"
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
        if budget != "paper":
            why_not.append(f"our runs are at the {budget} budget, not the paper's number of steps")
        if number.split == "unknown":
            why_not.append("the split that the source evaluates on is not known")
        if number.selection == "unknown" and not number.caveat:
            why_not.append("how the source chose among its runs is not known")
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
    p = statistics.published_p_value(values, number.value, number.std, number.n) if tests else math.nan
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
    ours = _value(row["ours"], row["ours_std"], number.metric)
    difference = _value(row["difference"], None, number.metric)
    return {
        "table": number.table_title,
        "data set": number.dataset,
        "method": number.method,
        "metric": _metric_text(number),
        "statistic": (
            how[number.statistic] + (", chosen by labels" if number.selection == "by labels" else "")
        ),
        "published": published_text(number) + ("" if number.seen else f" {MEMORY}") + source,
        "ours": dataclasses.replace(ours, aside=row["aside"]),
        "seeds": seeds,
        "difference": dataclasses.replace(difference, after=after, sign=True),
    }


def _metric_text(number: Number) -> str:
    """The metric by our name, the split, and the assignment rule where it is not the model's first."""
    name = METRIC_NAMES[number.metric] + (" (kind not stated)" if number.metric.startswith("unknown") else "")
    rule = "" if number.rule == "default" else f", rule {number.rule}"
    return name + ("" if number.split == "unknown" else f", {number.split}") + rule


def study_tables(wanted: "Study", records: Sequence[Record]) -> list[Table]:
    """A table per budget: rows are variants on data sets, columns the study's metrics and the published
    number.
    """
    mine = [r for r in records if r["key"]["model"] == wanted.model]
    protocol, undivided = wanted.paper.protocol, undivided_datasets(mine)
    runs = [
        r
        for r in mine
        if any(matches(r, wanted.model, r["key"]["dataset"], protocol, v, undivided) for v in wanted.variants)
    ]
    return [_study_table(wanted, mine, budget) for budget in sorted({r["key"]["budget"] for r in runs})]


def _study_table(wanted: "Study", records: list[Record], budget: str) -> Table:
    published = [n for n in numbers() if n.paper == wanted.paper and n.table in wanted.tables]
    protocol, rule = wanted.paper.protocol, wanted.paper.rule
    split = "all" if protocol == "pooled" else "test"
    found = {r["key"]["dataset"] for r in records if r["key"]["budget"] == budget}
    datasets = [*wanted.datasets, *sorted(found - set(wanted.datasets))]
    parameters = list(dict.fromkeys(name for variant in wanted.variants for name in variant))
    shown, values, failures = [], [], []
    for dataset in datasets:
        for variant in wanted.variants:
            row: dict[str, Any] = {"data set": dataset, **{p: variant.get(p, "preset") for p in parameters}}
            numeric = dict(row)
            runs = Measured()
            for metric in wanted.metrics:
                runs = measured(
                    records, wanted.model, dataset, protocol, variant, budget, split, rule, metric
                )
                s = statistics.summarise(list(runs.values.values()))
                row[METRIC_NAMES[metric]] = _value(s.mean, s.std, metric)
                numeric |= {metric: s.mean, f"{metric}_std": s.std}
            if (
                dataset not in wanted.datasets
                and math.isnan(numeric[wanted.metrics[0]])
                and not runs.failures
            ):
                continue  # other runs of the model, which are not of this study
            missing = len(runs.values) < max(runs.seeds, wanted.seeds)
            row["seeds"] = (
                f"{len(runs.values)}/{max(runs.seeds, wanted.seeds)}" if missing else str(len(runs.values))
            )
            beside = [n for n in published if n.dataset == dataset and dict(n.set) == dict(variant)]
            texts = [
                f"{METRIC_NAMES[n.metric]} {published_text(n)}{'' if n.seen else ' ' + MEMORY}"
                for n in beside
            ]
            row["published"] = ", ".join(texts) or DASH
            failures += [f"{dataset}, {variant}: {why}" for why in runs.failures]
            shown.append(row)
            values.append(
                {**numeric, "n": len(runs.values), "seeds": runs.seeds, "published": row["published"]}
            )
    notes = [
        f"protocol of the paper ({protocol}): {PROTOCOLS[protocol]}",
        *([] if rule == "default" else [f"by the assignment rule {rule}"]),
        f"mean ± standard deviation (n - 1) over seeds; {MEMORY} from memory, not seen at the source",
        "differences to published numbers, and why they may not be compared: `tables --paper "
        + wanted.paper.name
        + "`",
        *dict.fromkeys(failures),
    ]
    heading = f"### {wanted.title}, {budget} budget"
    return Table(f"study-{wanted.name}-{budget}", heading, pd.DataFrame(shown), pd.DataFrame(values), notes)


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


def published_text(number: Number) -> str:
    """With up to four digits, as published."""

    def digits(value: float) -> str:
        whole, _, fraction = f"{value:.4f}".partition(".")
        return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"

    return digits(number.value) + ("" if number.std is None else f" ± {digits(number.std)}")


def _value(mean: float, std: float | None, metric: str) -> Value:
    return Value(mean, std, digits=2 if metric in UNBOUNDED else 3)
