"""Which models can be told apart: on one data set, and overall. Tables from records; docs/statistics.md
explains the columns.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.records.run import Record
from benchmark.records.select import groups, is_own, most_seeds, newest_per_config, row_names, score, title_of
from benchmark.tables import statistics
from benchmark.tables.table import DASH, Table, Value

LEVEL = 0.05
RARE = 1 / 5  # of the models: data sets on which fewer ran do not count in a ranking
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
            "seeds": f"{s.n}" if s.n == len(seeds[name]) else f"{s.n}/{len(seeds[name])}",
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
        "95 % interval of the mean over seeds by the studentised bootstrap, from five seeds up",
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
    others ran (`RARE`). Models that ran on more than half of the data sets are ranked, over the data sets on
    which all of these have runs.
    """
    scores, left_out = comparable(records, budget)
    datasets = sorted(next(iter(scores.values()), {}))
    if len(scores) < 2 or len(datasets) < 2:
        return "an overall ranking needs two models with runs on two data sets"
    models = list(scores)
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
            "seeds": _seed_range([len(scores[models[i]][d]) for d in datasets]),
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
            "seeds": _seed_range([len(x) for m in (r["better"], r["worse"]) for x in cells[m]]),
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
        *_too_few(scores),
    ]
    return Table(
        f"pairs-{budget}",
        f"### Pairs of models over all data sets, {budget} budget",
        shown,
        pd.DataFrame(rows),
        notes,
    )


def comparable(records: Sequence[Record], budget: str) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """{model: {data set: scores}} of what can be ranked, the same data sets for all; and why others are left
    out.
    """
    known, unknown = _known(_by_model(records, budget), records)
    runs, twice = _each_point_once(known, records)
    ran = Counter(d for by_dataset in runs.values() for d in by_dataset)
    everything = {d for d in ran if ran[d] >= RARE * len(runs)}
    counts = {m: len(everything & runs[m].keys()) for m in runs}
    ranked = [m for m in sorted(runs) if counts[m] > len(everything) / 2]
    common = sorted(d for d in everything if ranked and all(d in runs[m] for m in ranked))
    others = [f"{m} ({counts[m]})" for m in runs if m not in ranked]
    rare = sorted(ran.keys() - everything)
    left_out = [*unknown, *twice, *(f"{d} is left out: few of the models have runs on it" for d in rare)]
    if others:
        few = f"not ranked are models with runs on no more than half of the {len(everything)} data sets"
        left_out = [*left_out, f"{few}: {', '.join(others)}"]
    left_out += [
        f"{d} is left out: not every ranked model has runs on it" for d in sorted(everything - set(common))
    ]
    return {m: {d: np.array(runs[m][d]) for d in common} for m in ranked}, left_out


def _each_point_once(
    runs: Mapping[str, Mapping[str, list[float]]], records: Sequence[Record]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """The runs without those on points that another data set has too, and what was left out.

    Of such data sets the one stays that the points are from; where nothing ran on that, the first by name.
    """
    points = {r["key"]["dataset"]: r.get("data", {}).get("points_of") for r in records if r.get("data")}
    stays: dict[str, str] = {}
    for dataset in sorted({d for by_dataset in runs.values() for d in by_dataset}):
        origin = points.get(dataset) or dataset
        stays[origin] = dataset if dataset == origin else stays.get(origin, dataset)
    dropped = {
        d: stays[points.get(d) or d]
        for by_dataset in runs.values()
        for d in by_dataset
        if d not in stays.values()
    }
    kept = {m: {d: x for d, x in by_dataset.items() if d not in dropped} for m, by_dataset in runs.items()}
    notes = [f"{d} is left out: its points are those of {other}" for d, other in sorted(dropped.items())]
    return kept, notes


def _known(
    runs: Mapping[str, Mapping[str, list[float]]], records: Sequence[Record]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """The runs without those on own data, and what was left out: nobody can say whose points these are. Where
    there is nothing else, own data are ranked among themselves.
    """
    present = {d for by_dataset in runs.values() for d in by_dataset}
    own = present & {r["key"]["dataset"] for r in records if is_own(r)}
    if own == present:
        own = set()
    kept = {m: {d: x for d, x in by_dataset.items() if d not in own} for m, by_dataset in runs.items()}
    return kept, [f"{d} is left out: own data may have points of the others" for d in sorted(own)]


def _by_model(records: Sequence[Record], budget: str) -> dict[str, dict[str, list[float]]]:
    """{model: {data set: scores}} of the good runs with the presets under the neutral protocol."""
    wanted = [
        r
        for r in records
        if r["key"]["budget"] == budget and r["key"]["protocol"] == "neutral" and not r.get("overrides")
    ]
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in wanted:
        groups.setdefault((record["key"]["model"], record["key"]["dataset"]), []).append(record)
    runs: dict[str, dict[str, list[float]]] = {}
    for (model, dataset), group in groups.items():
        for record in most_seeds(newest_per_config(group)[0]):
            if (value := score(record)) is not None:
                runs.setdefault(model, {}).setdefault(dataset, []).append(value)
    return runs


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


def _seed_range(counts: list[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
