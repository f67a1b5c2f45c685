"""Which models can be told apart: on one data set, and overall. Tables from records; docs/statistics.md
explains the columns.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.records.run import Record
from benchmark.records.select import groups, newest_per_config, row_names, score, title_of
from benchmark.tables import statistics
from benchmark.tables.comparable import comparable, seeds_run
from benchmark.tables.table import DASH, Table, Value

LEVEL = 0.05
NO_SPREAD = "no test: the seeds change nothing"


def comparison_tables(records: Sequence[Record]) -> list[Table]:
    """One table per data set, protocol and budget: how sure the means are, and which models can be told from
    the best.
    """
    found = [_one_dataset(*name, newest_per_config(group)[0]) for name, group in groups(records).items()]
    return [table for table in found if table is not None]


def _one_dataset(dataset: str, protocol: str, budget: str, records: list[Record]) -> Table | None:
    names = row_names(records)
    found: dict[str, list[float]] = {}
    seeds: dict[str, set[int]] = {}
    for record in records:
        seeds.setdefault(names[record["digest"]], set()).add(record["seed"])
        if (value := score(record)) is not None:
            found.setdefault(names[record["digest"]], []).append(value)
    if len(found) < 2:
        return None
    runs = {name: np.array(scores) for name, scores in found.items()}
    order = sorted(runs, key=lambda name: -np.mean(runs[name]))
    best = order[0]
    p = statistics.pairwise_tests({name: [values] for name, values in runs.items()})
    shown, values = [], []
    for name in order:
        x = runs[name]
        s = statistics.summarise(x)
        row = {
            "model": name,
            "seeds": _of_run(s.n, len(seeds[name])),
            "ACC": Value(s.mean, s.std),
            "95 % interval": _interval(*np.clip([s.low, s.high], 0, 1)),
            "median [quartiles]": _median(s),
        }
        number = {"model": name, "seeds": len(seeds[name]), **vars(s)}
        if name == best:
            row |= {"behind the best": DASH, "P(best is better)": DASH, "verdict": "highest mean"}
        else:
            number |= {
                "behind": runs[best].mean() - s.mean,
                "p_holm": p[frozenset((best, name))],
                "probability_of_improvement": _better([runs[best]], [x]),
            }
            row |= {
                "behind the best": Value(number["behind"]),
                "P(best is better)": Value(number["probability_of_improvement"], digits=2),
                "verdict": verdict(number["p_holm"], min(len(x), len(runs[best]))),
            }
        shown.append(row)
        values.append(number)
    notes = [
        (
            f"95 % interval of the mean over seeds: Student's, from {statistics.TEST_SEEDS} seeds up, cut at"
            " 0 and 1"
        ),
        (
            f"verdict: Welch's test of {best} against each other model; p corrected for all pairs of models"
            " (Holm), since the best one is chosen by the same runs"
        ),
        (
            "P(best is better): of one run of the model with the highest mean against one run of this model,"
            f" ties counting half; from {statistics.TEST_SEEDS} seeds up"
        ),
    ]
    heading = (
        f"### {title_of(dataset, records)}, {protocol} protocol, {budget} budget: which models can be told"
        " apart"
    )
    return Table(
        f"{dataset}-{protocol}-{budget}-comparison",
        heading,
        pd.DataFrame(shown),
        pd.DataFrame(values),
        notes,
        1,
    )


def overall_table(records: Sequence[Record], budget: str) -> Table | str:
    """Mean ranks over all data sets under the neutral protocol; a reason in words where there can be none.

    Models run with hyper-parameters set by hand do not take part, nor do data sets on which few of the
    others ran (`comparable.RARE`). Models that ran on more than half of the data sets are ranked, over the
    data sets on which all of these have runs.
    """
    scores, left_out = comparable(records, budget)
    datasets = sorted(next(iter(scores.values()), {}))
    if len(scores) < 2 or len(datasets) < 2:
        return "an overall ranking needs two models with runs on two data sets"
    models, run = list(scores), seeds_run(records, budget)
    found = statistics.ranking([[scores[m][d] for d in datasets] for m in models])
    order = np.argsort(found.rank, kind="stable")
    shown = pd.DataFrame(
        {
            "model": models[i],
            "mean rank": Value(found.rank[i], digits=2),
            "95 % interval of the rank": _interval(found.rank_interval[i, 0], found.rank_interval[i, 1], 2),
            "mean ACC": Value(found.mean[i]),
            "95 % interval of the mean": _interval(found.mean_interval[i, 0], found.mean_interval[i, 1]),
            "P(best rank)": Value(found.best[i], digits=2),
            "seeds": _seed_range([(len(scores[models[i]][d]), run[models[i]][d]) for d in datasets]),
        }
        for i in order
    )
    values = pd.DataFrame(
        {
            "model": models[i],
            "rank": found.rank[i],
            "rank_low": found.rank_interval[i, 0],
            "rank_high": found.rank_interval[i, 1],
            "mean": found.mean[i],
            "mean_low": found.mean_interval[i, 0],
            "mean_high": found.mean_interval[i, 1],
            "best": found.best[i],
            "n": sum(len(scores[models[i]][d]) for d in datasets),
            "seeds": sum(run[models[i]][d] for d in datasets),
        }
        for i in order
    )
    notes = [
        f"data sets: {', '.join(datasets)}",
        (
            "intervals by a bootstrap of seeds, stratified by data set and model; they speak of these data"
            " sets only"
        ),
        "P(best rank): share of the resamples in which the model has the best mean rank",
        *_ended_badly(scores, run),
        *_too_few(scores),
        *left_out,
    ]
    if len(datasets) < statistics.DIAGRAM_DATASETS:
        notes.append(f"no critical-difference diagram: that needs {statistics.DIAGRAM_DATASETS} data sets")
    return Table(
        f"overall-{budget}", f"### Overall, neutral protocol, {budget} budget", shown, values, notes, 1
    )


def pairwise_table(records: Sequence[Record], budget: str) -> Table | None:
    """Every pair of ranked models over all data sets."""
    scores, _ = comparable(records, budget)
    datasets = sorted(next(iter(scores.values()), {}))
    if len(scores) < 2 or len(datasets) < 2:
        return None
    cells = {model: [by_dataset[d] for d in datasets] for model, by_dataset in scores.items()}
    run = seeds_run(records, budget)
    means = {model: float(np.mean([x.mean() for x in cells[model]])) for model in cells}
    p = statistics.pairwise_tests(cells)
    rows: list[dict[str, Any]] = []
    for pair in itertools.combinations(cells, 2):
        better, worse = sorted(pair, key=lambda model: -means[model])
        rows.append(
            {
                "better": better,
                "worse": worse,
                "difference": means[better] - means[worse],
                "p": p[frozenset(pair)],
                "better_p": _better(cells[better], cells[worse]),
                "seeds": min(len(x) for model in pair for x in cells[model]),
            }
        )
    rows.sort(key=lambda row: (math.isnan(row["p"]), row["p"], -row["difference"]))
    shown = pd.DataFrame(
        {
            "higher mean": r["better"],
            "lower mean": r["worse"],
            "difference of ACC": Value(r["difference"]),
            "P(improvement)": Value(r["better_p"], digits=2),
            "seeds": _seed_range(
                [(len(scores[m][d]), run[m][d]) for m in (r["better"], r["worse"]) for d in datasets]
            ),
            "verdict": verdict(r["p"], r["seeds"]),
        }
        for r in rows
    )
    notes = [
        f"data sets: {', '.join(datasets)}; the difference is that of the means over them",
        (
            "Welch's test of the mean over these data sets, p corrected for the number of pairs (Holm); it"
            " speaks of new seeds, not of other data sets"
        ),
        "P(improvement): of one run against one run on the same data set, mean over the data sets",
        *_ended_badly(scores, run),
        *_too_few(scores),
    ]
    return Table(
        f"pairs-{budget}",
        f"### Pairs of models over all data sets, {budget} budget",
        shown,
        pd.DataFrame(rows),
        notes,
    )


def _better(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """P(a run of a is better than one of b), mean over data sets; NaN from fewer seeds than a test needs."""
    if min(map(len, [*a, *b])) < statistics.TEST_SEEDS:
        return math.nan
    return float(np.mean([statistics.probability_of_improvement(x, y) for x, y in zip(a, b, strict=True)]))


def _too_few(scores: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """A note where the seeds are too few for what a table would show."""
    few = [f"{m} on {d}" for m in scores for d, x in scores[m].items() if len(x) < statistics.TEST_SEEDS]
    if not few:
        return []
    return [
        f"no intervals, no P and no verdict: they need {statistics.TEST_SEEDS} seeds of every model on every"
        f" data set; fewer has {few[0]}" + (f", and {len(few) - 1} more" if len(few) > 1 else "")
    ]


def _ended_badly(
    scores: Mapping[str, Mapping[str, np.ndarray]], run: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """A note on the runs that are missing from the means."""
    found = [
        f"{m} on {d} ({_of_run(len(x), run[m][d])})"
        for m, by_dataset in scores.items()
        for d, x in by_dataset.items()
        if len(x) < run[m][d]
    ]
    return [f"only the runs that ended well count, not all did of {', '.join(found)}"] if found else []


def verdict(p: float, seeds: int) -> str:
    """What a corrected p says, NaN where there was no test.

    Args:
        seeds: the fewest that the test would have been of.
    """
    if math.isnan(p):
        few = seeds < statistics.TEST_SEEDS
        return f"too few seeds for this test (needs {statistics.TEST_SEEDS})" if few else NO_SPREAD
    text = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    return f"separable ({text})" if p <= LEVEL else f"not separable ({text})"


def _interval(low: float, high: float, digits: int = 3) -> str:
    return DASH if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _median(s: statistics.Summary) -> str:
    return f"{s.median:.3f} [{s.lower_quartile:.3f}, {s.upper_quartile:.3f}]"


def _of_run(good: int, run: int) -> str:
    """Seeds that ended well, "4/5" where not all that were run did."""
    return str(good) if good == run else f"{good}/{run}"


def _seed_range(counts: list[tuple[int, int]]) -> str:
    """The fewest and the most seeds of several cells, each as (ended well, run)."""
    ordered = sorted(counts, key=lambda seeds: (seeds[0], -seeds[1]))
    fewest, most = ordered[0], ordered[-1]
    return _of_run(*fewest) if fewest == most else f"{_of_run(*fewest)} to {_of_run(*most)}"
