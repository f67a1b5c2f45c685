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
from benchmark.records.select import groups, newest_per_config, row_names, score
from benchmark.tables import statistics
from benchmark.tables.table import DASH, Table, Value

LEVEL = 0.05


def comparison_tables(records: Sequence[Record], titles: Mapping[str, str] = {}) -> list[Table]:
    """One table per data set, protocol and budget: how sure the means are, and which models can be told from
    the best.
    """
    found = [
        _one_dataset(*name, newest_per_config(group)[0], titles) for name, group in groups(records).items()
    ]
    return [table for table in found if table is not None]


def _one_dataset(
    dataset: str, protocol: str, budget: str, records: list[Record], titles: Mapping[str, str]
) -> Table | None:
    names = row_names(records)
    runs: dict[str, dict[int, float]] = {}
    seeds: dict[str, set[int]] = {}
    for record in records:
        seeds.setdefault(names[record["digest"]], set()).add(record["seed"])
        if (value := score(record)) is not None:
            runs.setdefault(names[record["digest"]], {})[record["seed"]] = value
    if len(runs) < 2:
        return None
    order = sorted(runs, key=lambda name: -np.mean(list(runs[name].values())))
    best, others = order[0], order[1:]
    pairs = {name: _matched(runs[best], runs[name]) for name in others}
    p = dict(
        zip(others, statistics.holm([statistics.paired_test(*pairs[name]) for name in others]), strict=True)
    )
    shown, values = [], []
    for name in order:
        x = np.array(list(runs[name].values()))
        s = statistics.summarise(x)
        n_seeds = len(seeds[name])
        row = {
            "model": name,
            "seeds": f"{s.n}" if s.n == n_seeds else f"{s.n}/{n_seeds}",
            "ACC": Value(s.mean, s.std),
            "95 % interval": _interval(*np.clip([s.low, s.high], 0, 1)),
            "median [quartiles]": _median(s),
        }
        number = {"model": name, "seeds": n_seeds, **vars(s)}
        if name == best:
            row |= {"behind the best": DASH, "P(best is better)": DASH, "verdict": "highest mean"}
        else:
            a, b = pairs[name]
            better = statistics.probability_of_improvement(np.array(list(runs[best].values())), x)
            number |= {
                "behind": (a - b).mean() if len(a) else math.nan,
                "p_holm": p[name],
                "probability_of_improvement": better,
                "pairs": len(a),
            }
            row |= {
                "behind the best": Value(number["behind"]),
                "P(best is better)": Value(better, digits=2),
                "verdict": _verdict(p[name], len(a)),
            }
        shown.append(row)
        values.append(number)
    notes = [
        "95 % interval of the mean over seeds by the studentised bootstrap, from five seeds up",
        (
            f"verdict: paired permutation test of {best} against each other model on runs with the same seed,"
            " p corrected for their number (Holm)"
        ),
        (
            "P(best is better): of one run of the model with the highest mean against one run of this model,"
            " ties counting half"
        ),
    ]
    few = min(len(a) for a, _ in pairs.values())
    if (smallest := statistics.smallest_p(few)) * len(others) > LEVEL:
        how_many = f"{len(others)} comparison{'s' if len(others) > 1 else ''}"
        notes.append(
            f"with {few} matched seeds and {how_many} no p can be below {min(1, smallest * len(others)):.2g}"
        )
    heading = (
        f"### {titles.get(dataset, dataset)}, {protocol} protocol, {budget} budget: which models can be told"
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

    Models run with hyper-parameters set by hand do not take part. Of the others, those that ran on more than
    half of the data sets are ranked, over the data sets on which all of these have runs.
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
        *left_out,
    ]
    if len(datasets) < statistics.DIAGRAM_DATASETS:
        notes.append(f"no critical-difference diagram: that needs {statistics.DIAGRAM_DATASETS} data sets")
    return Table(
        f"overall-{budget}", f"### Overall, neutral protocol, {budget} budget", shown, values, notes, 1
    )


def pairwise_table(records: Sequence[Record], budget: str) -> Table | None:
    """Every pair of ranked models over all data sets, on runs matched by data set and seed."""
    runs = _by_model(records, budget)
    scores, _ = comparable(records, budget)
    datasets = sorted(next(iter(scores.values()), {}))
    if len(scores) < 2 or len(datasets) < 2:
        return None
    rows: list[dict[str, Any]] = []
    for a, b in itertools.combinations(scores, 2):
        matched = [_matched(runs[a][d], runs[b][d]) for d in datasets]
        x, y = (np.concatenate([pair[i] for pair in matched]) for i in (0, 1))
        if x.mean() < y.mean():
            a, b, x, y = b, a, y, x
        better = np.mean(
            [statistics.probability_of_improvement(scores[a][d], scores[b][d]) for d in datasets]
        )
        difference = float((x - y).mean()) if len(x) else math.nan
        rows.append(
            {
                "better": a,
                "worse": b,
                "difference": difference,
                "p": statistics.paired_test(x, y),
                "better_p": better,
                "pairs": len(x),
            }
        )
    for row, p in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
        row["p"] = p
    rows.sort(key=lambda row: (row["p"], -row["difference"]))
    shown = pd.DataFrame(
        {
            "higher mean": r["better"],
            "lower mean": r["worse"],
            "difference of ACC": Value(r["difference"]),
            "P(improvement)": Value(r["better_p"], digits=2),
            "matched runs": str(r["pairs"]),
            "verdict": _verdict(r["p"], r["pairs"], "runs"),
        }
        for r in rows
    )
    notes = [
        (
            "paired permutation test on runs matched by data set and seed, p corrected for the number of"
            " pairs (Holm)"
        ),
        "P(improvement): of one run against one run on the same data set, mean over the data sets",
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
    runs = _by_model(records, budget)
    everything = {d for by_dataset in runs.values() for d in by_dataset}
    ranked = [m for m in sorted(runs) if len(runs[m]) > len(everything) / 2]
    common = sorted(d for d in everything if ranked and all(d in runs[m] for m in ranked))
    others = [m for m in runs if m not in ranked]
    left_out = [
        f"{m} is not ranked: it has runs on {len(runs[m])} of {len(everything)} data sets" for m in others
    ]
    left_out += [
        f"{d} is left out: not every ranked model has runs on it" for d in sorted(everything - set(common))
    ]
    return {m: {d: np.array(list(runs[m][d].values())) for d in common} for m in ranked}, left_out


def _by_model(records: Sequence[Record], budget: str) -> dict[str, dict[str, dict[int, float]]]:
    """{model: {data set: {seed: score}}} of the good runs with the presets under the neutral protocol."""
    wanted = [
        r
        for r in records
        if r["key"]["budget"] == budget and r["key"]["protocol"] == "neutral" and not r.get("overrides")
    ]
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in wanted:
        groups.setdefault((record["key"]["model"], record["key"]["dataset"]), []).append(record)
    runs: dict[str, dict[str, dict[int, float]]] = {}
    for (model, dataset), group in groups.items():
        for record in newest_per_config(group)[0]:
            if (value := score(record)) is not None:
                runs.setdefault(model, {}).setdefault(dataset, {})[record["seed"]] = value
    return runs


def _matched(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    seeds = sorted(set(a) & set(b))
    return np.array([a[s] for s in seeds]), np.array([b[s] for s in seeds])


def _verdict(p: float, n: int, what: str = "seeds") -> str:
    if p <= LEVEL:
        return f"separable (p = {p:.2g})"
    return f"not separable with {n} {what if n != 1 else what[:-1]}"


def _interval(low: float, high: float, digits: int = 3) -> str:
    return DASH if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def _median(s: statistics.Summary) -> str:
    return f"{s.median:.3f} [{s.lower_quartile:.3f}, {s.upper_quartile:.3f}]"


def _seed_range(counts: list[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
