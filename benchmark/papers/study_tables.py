"""The tables of studies: a row per variant and data set, a column per metric, and what was published."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.papers.measured import Measured, matches, measured, undivided_datasets
from benchmark.papers.published import METRIC_NAMES, numbers
from benchmark.papers.texts import MEMORY, published_text, value
from benchmark.protocols import PROTOCOLS
from benchmark.records.run import Record
from benchmark.tables import statistics
from benchmark.tables.table import DASH, Table

if TYPE_CHECKING:
    from benchmark.papers.runs import Study

DIFFERENCES = "differences to published numbers, and why they may not be compared"


def study_tables(wanted: "Study", records: Sequence[Record]) -> list[Table]:
    """A table per budget with runs of the study: rows are variants on data sets, columns the study's metrics
    and the published number.
    """
    mine = [r for r in records if r["key"]["model"] == wanted.model]
    protocol, undivided = wanted.paper.protocol, undivided_datasets(mine)
    runs = [
        r
        for r in mine
        if any(matches(r, wanted.model, r["key"]["dataset"], protocol, v, undivided) for v in wanted.variants)
    ]
    budgets = sorted({r["key"]["budget"] for r in runs})
    tables = [_study_table(wanted, mine, budget) for budget in budgets]
    # runs on other data, without the study's metrics, make no row
    return [table for table in tables if table.values["seeds"].any()]


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
            runs, good = Measured(), 0
            for metric in wanted.metrics:
                runs = measured(
                    records, wanted.model, dataset, protocol, variant, budget, split, rule, metric
                )
                s = statistics.summarise(list(runs.values.values()))
                k, good = len(runs.values), runs.seeds - len(runs.failures)
                counted = f" ({k}/{good})" if 0 < k < good else ""
                row[METRIC_NAMES[metric]] = value(s.mean, s.std, metric, counted)
                numeric |= {metric: s.mean, f"{metric}_std": s.std, f"{metric}_n": k}
            if (
                dataset not in wanted.datasets
                and math.isnan(numeric[wanted.metrics[0]])
                and not runs.failures
            ):
                continue  # other runs of the model, which are not of this study
            expected = max(runs.seeds, wanted.seeds)
            row["seeds"] = f"{good}/{expected}" if good < expected else str(good)
            beside = [n for n in published if n.dataset == dataset and dict(n.set) == dict(variant)]
            texts = [
                f"{METRIC_NAMES[n.metric]} {published_text(n)}{'' if n.seen else ' ' + MEMORY}"
                for n in beside
            ]
            row["published"] = ", ".join(texts) or DASH
            failures += [f"{dataset}, {variant}: {why}" for why in runs.failures]
            shown.append(row)
            values.append({**numeric, "n": good, "seeds": runs.seeds, "published": row["published"]})
    notes = [
        f"protocol{' of the paper' if wanted.paper.name else ''} ({protocol}): {PROTOCOLS[protocol]}",
        *([] if rule == "default" else [f"by the assignment rule {rule}"]),
        f"mean ± standard deviation (n - 1) over seeds; {MEMORY} from memory, not seen at the source",
        *([f"{DIFFERENCES}: `tables --paper {wanted.paper.name}`"] if wanted.paper.name else []),
        *dict.fromkeys(failures),
    ]
    heading = f"### {wanted.title}, {budget} budget"
    return Table(f"study-{wanted.name}-{budget}", heading, pd.DataFrame(shown), pd.DataFrame(values), notes)
