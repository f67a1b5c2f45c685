"""Is a score without labels worth anything? Its correlation with accuracy, and the seeds it picks."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.tables.table import Table, Value

SEEDS = 10  # of a model, fewer have no correlation that could be told from none
MODELS = 6  # of a data set, likewise
LEVEL = 0.05
PERMUTATIONS = 99_999
Row = dict[str, str | Value]
GROUP = ["dataset", "protocol", "budget", "model"]
TITLES = {
    "mutual_information": "I(x; y)",
    "bound": "bound",
    "agreement": "agreement",
    "own_space": "own space",
    "all_spaces": "all spaces",
    "common_space": "data space",
    "other_models": "other models",
}


def label_free_tables(scores: pd.DataFrame) -> list[Table]:
    """Between the seeds of a model: correlations, and accuracies of the seeds that are picked; then between
    models.

    Args:
        scores: as `measure_runs` makes them.
    """
    groups = [(name, rows) for name, rows in scores.groupby(GROUP, sort=False) if len(rows) >= SEEDS]
    datasets = [
        (name, means)
        for name, rows in scores.groupby(GROUP[:3], sort=False)
        if len(means := rows.groupby("model")[["accuracy", *TITLES]].mean()) >= MODELS
    ]
    tables = []
    if groups:
        tables += [_seeds(groups), _picks(groups)]
    if datasets:
        tables.append(_models(datasets))
    return tables


def with_gone(scores: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The scores, and of an earlier call those of runs that are gone.

    Seeds of one model are of one code: where it has new ones, earlier ones of other code, or from before
    their digest was written, are left out.
    """
    if scores.empty:
        return before
    code = {group: set(rows["digest"]) for group, rows in scores.groupby(GROUP)}
    kept = [
        (group := tuple(row[name] for name in GROUP)) not in code or row.get("digest") in code[group]
        for row in before.to_dict("records")
    ]
    return pd.concat([scores, before[np.array(kept, dtype=bool)]]).drop_duplicates([*GROUP, "seed"])


def spearman(accuracy: Sequence[float], measure: Sequence[float]) -> float:
    """Spearman's correlation; NaN where a measure is missing, or equal for all."""
    x, y = np.asarray(measure, dtype=float), np.asarray(accuracy, dtype=float)
    if np.isnan(x).any() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(stats.spearmanr(x, y).statistic)


def p_value(accuracy: Sequence[float], measure: Sequence[float]) -> float:
    """Two-sided p that the two are independent: share of the permutations with a |rho| as large; NaN where
    there is no rho.

    Of all permutations of up to eight pairs, of `PERMUTATIONS` drawn ones beyond. Student's t, which is an
    approximation, calls too many of few pairs different from 0.
    """
    if math.isnan(spearman(accuracy, measure)):
        return math.nan
    x, y = (ranks - ranks.mean() for ranks in (stats.rankdata(accuracy), stats.rankdata(measure)))
    found = stats.permutation_test(
        (x,),
        lambda x, axis: abs((x * y).sum(axis=axis)),
        permutation_type="pairings",
        n_resamples=PERMUTATIONS,
        alternative="greater",
        vectorized=True,
        rng=0,
    )
    return float(found.pvalue)


def _correlation(accuracy: Sequence[float], measure: Sequence[float]) -> Value:
    differs = p_value(accuracy, measure) <= LEVEL
    return Value(spearman(accuracy, measure), digits=2, sign=True, after="*" if differs else "")


def _where(name: Sequence[str]) -> str:
    """Data set, and what is not the default."""
    dataset, protocol, budget = name[:3]
    return ", ".join([dataset, *([] if protocol == "neutral" else [protocol]), budget])


def _seeds(groups: Sequence[tuple[Sequence[str], pd.DataFrame]]) -> Table:
    rows: list[Row] = [
        {"data": _where(name), "model": name[3], "seeds": str(len(found))}
        | {title: _correlation(found["accuracy"], found[column]) for column, title in TITLES.items()}
        for name, found in groups
    ]
    return Table(
        "label-free-seeds",
        "### Which seed? Spearman's correlation of accuracy with measures that need no labels",
        pd.DataFrame(rows),
        _values(rows),
        [
            f"* differs from 0 at 5 % by a permutation test. Of {len(rows) * len(TITLES)} correlations one in"
            " twenty would by chance",
            "a dash: the model has no such measure, or it is the same for all seeds",
        ],
    )


def _picks(groups: Sequence[tuple[Sequence[str], pd.DataFrame]]) -> Table:
    rows: list[Row] = []
    for name, found in groups:
        accuracy = found["accuracy"].to_numpy()
        row: Row = {"data": _where(name), "model": name[3]}
        row["mean"] = Value(accuracy.mean(), accuracy.std(ddof=1))
        row |= {"best": Value(accuracy.max()), "consensus": Value(found["consensus"].iloc[0])}
        for column, title in TITLES.items():
            known = found[column].notna().all() and np.ptp(found[column]) > 0
            row[title] = Value(accuracy[found[column].to_numpy().argmax()] if known else math.nan)
        rows.append(row)
    return Table(
        "label-free-picks",
        "### Accuracy of the seed that each measure picks, beside the mean, the best and the consensus",
        pd.DataFrame(rows),
        _values(rows),
        ["the seed with the highest value; the best one can only be known with labels"],
    )


def _models(datasets: Sequence[tuple[Sequence[str], pd.DataFrame]]) -> Table:
    rows: list[Row] = []
    for name, means in datasets:
        row: Row = {"data": _where(name), "models": str(len(means))}
        for column, title in TITLES.items():
            known = means[means[column].notna()]
            enough = len(known) >= MODELS
            row[title] = _correlation(known["accuracy"], known[column]) if enough else Value(math.nan)
        rows.append(row)
    return Table(
        "label-free-models",
        "### Which model? Spearman's correlation of the models' mean accuracy with their mean measures",
        pd.DataFrame(rows),
        _values(rows),
        [
            "bounds and silhouettes in spaces of the models' own do not compare across models",
            "I(x; y) of hard assignments is the entropy of the clusters' sizes",
            "* differs from 0 at 5 % by a permutation test, of the models that have a measure",
        ],
        numbers_from=1,
    )


def _values(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame([{k: v.mean if isinstance(v, Value) else v for k, v in row.items()} for row in rows])
