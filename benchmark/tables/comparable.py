"""Which runs a ranking over data sets may compare: every point once, and all models on the same data sets."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.records.run import Record
from benchmark.records.select import is_own, most_seeds, newest_per_config, score

RARE = 1 / 5  # of the models: data sets on which fewer ran do not count


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
    left_out = [*unknown, *twice, *(f"{d} is left out: few of the models have good runs on it" for d in rare)]
    if others:
        few = f"not ranked are models with good runs on no more than half of the {len(everything)} data sets"
        left_out = [*left_out, f"{few}: {', '.join(others)}"]
    left_out += [
        f"{d} is left out: not every ranked model has good runs on it"
        for d in sorted(everything - set(common))
    ]
    return {m: {d: np.array(runs[m][d]) for d in common} for m in ranked}, left_out


def _each_point_once(
    runs: Mapping[str, Mapping[str, list[float]]], records: Sequence[Record]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """The runs without those on points that another data set has too, and what was left out.

    Of such data sets the one stays on which most models ran; of several the one that the points are from,
    then the first by name.
    """
    points = {r["key"]["dataset"]: r.get("data", {}).get("points_of") for r in records if r.get("data")}
    ran = Counter(d for by_dataset in runs.values() for d in by_dataset)
    stays: dict[str, str] = {}
    for dataset in sorted(ran, key=lambda d: (-ran[d], points.get(d) is not None, d)):
        stays.setdefault(points.get(dataset) or dataset, dataset)
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


def seeds_run(records: Sequence[Record], budget: str) -> dict[str, dict[str, int]]:
    """{model: {data set: seeds that were run}}, those that ended badly too, which `comparable` has no score
    of.
    """
    return {m: {d: len(runs) for d, runs in found.items()} for m, found in _counted(records, budget).items()}


def _by_model(records: Sequence[Record], budget: str) -> dict[str, dict[str, list[float]]]:
    """{model: {data set: scores}} of the runs that ended well."""
    found = {
        model: {d: [x for r in runs if (x := score(r)) is not None] for d, runs in by_dataset.items()}
        for model, by_dataset in _counted(records, budget).items()
    }
    good = {m: {d: x for d, x in by_dataset.items() if x} for m, by_dataset in found.items()}
    return {m: by_dataset for m, by_dataset in good.items() if by_dataset}


def _counted(records: Sequence[Record], budget: str) -> dict[str, dict[str, list[Record]]]:
    """{model: {data set: runs}} with the presets under the neutral protocol, a run for each seed."""
    wanted = [
        r
        for r in records
        if r["key"]["budget"] == budget and r["key"]["protocol"] == "neutral" and not r.get("overrides")
    ]
    runs: dict[str, dict[str, list[Record]]] = {}
    for record in wanted:
        by_dataset = runs.setdefault(record["key"]["model"], {})
        by_dataset.setdefault(record["key"]["dataset"], []).append(record)
    return {
        m: {d: most_seeds(newest_per_config(found)[0]) for d, found in by_dataset.items()}
        for m, by_dataset in runs.items()
    }
