"""Notes below a table: what its numbers are of, which of its runs collapsed, and which versions made them.
Imports no torch.
"""

from collections.abc import Iterable, Mapping

from benchmark.records.run import Record
from benchmark.records.select import clocks, compared_metrics, compared_split, rules_on
from benchmark.records.signs import signs_of_collapse


def what_is_timed(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """A note on the seconds; none where no run ended well."""
    timed = {names[digest]: clock for digest, clock in clocks(records).items()}
    wall = sorted(name for name, clock in timed.items() if clock == "seconds")
    if not timed:
        return []
    if len(wall) == len(timed):
        return ["seconds are wall time of training and evaluation"]
    text = "seconds are processor time of training and evaluation, of all threads"
    return [text + (f"; wall time of {', '.join(wall)}, on a GPU or recorded without it" if wall else "")]


def partly_labelled(records: Iterable[Record]) -> list[str]:
    """A note for every split of which only some points are labelled."""
    counts = {
        (split, measured["labelled"], measured["n"])
        for record in records
        for split, rules in record.get("metrics", {}).items()
        for measured in rules.values()
        if measured.get("labelled", measured.get("n")) != measured.get("n")
    }
    return [
        f"{labelled:,} of the {n:,} points{'' if split == 'all' else f' of the {split} split'} are labelled:"
        " all are clustered, and what needs labels is measured on the labelled ones"
        for split, labelled, n in sorted(counts)
    ]


def shown_rules(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """A note for every row whose model has several assignment rules, of which the first is shown.

    Args:
        names: {digest: name of its row}.
    """
    rules = {
        names[record["digest"]]: list(rules_on(record, split))
        for record in records
        if record["status"] == "ok" and (split := compared_split(record)) is not None
    }
    return [
        f"{name}: by its assignment rule {found[0]}; the records have {', '.join(found[1:])} too"
        for name, found in sorted(rules.items())
        if len(found) > 1
    ]


def found_clusters(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """A note for every row whose model found the number of clusters itself: how many, seed by seed."""
    rows: dict[str, dict[int, tuple[int, int]]] = {}  # {name: {seed: (clusters found, K of the config)}}
    for record in records:
        if sizes := compared_metrics(record).get("cluster_sizes"):
            found = (len(sizes), record["key"]["config"]["n_clusters"])
            rows.setdefault(names[record["digest"]], {})[record["seed"]] = found
    return [
        f"{name}: found the number of clusters itself: {', '.join(str(found[s][0]) for s in sorted(found))}"
        for name, found in sorted(rows.items())
        if any(n != k for n, k in found.values())
    ]


def collapsed_runs(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """A note for every run that ended well but shows signs of collapse."""
    found = sorted(
        (names[record["digest"]], record["seed"], "; ".join(signs))
        for record in records
        if (signs := signs_of_collapse(record))
    )
    return [f"collapsed: {name}, seed {seed}: {signs}" for name, seed, signs in found]


def mixed_versions(records: Iterable[Record], names: Mapping[str, str]) -> list[str]:
    """One note on the rows whose runs were made with different versions of the suite or of a package; a
    commit of which some run was made with changed sources has a mark.
    """
    found: dict[str, dict[str, set[str]]] = {}
    changed: set[tuple[str, str]] = set()  # (row, commit)
    for record in records:
        name, provenance = names[record["digest"]], record.get("provenance", {})
        versions = {"commit": str(provenance["commit"])[:7]} if provenance.get("commit") else {}
        if provenance.get("dirty"):
            changed |= {(name, commit) for commit in versions.values()}
        if "metrics_version" in record:
            versions["metrics"] = str(record["metrics_version"])
        for package, version in (versions | provenance.get("packages", {})).items():
            found.setdefault(name, {}).setdefault(package, set()).add(str(version))
    rows: dict[str, list[str]] = {}  # {versions: the rows that have them}
    for name, by_package in found.items():
        several = {package: sorted(versions) for package, versions in by_package.items() if len(versions) > 1}
        if several:
            marked = {
                package: [f"{v} (changed)" if (name, v) in changed else v for v in versions]
                for package, versions in several.items()
            }
            text = ", ".join(f"{package} {' and '.join(versions)}" for package, versions in marked.items())
            rows.setdefault(text, []).append(name)
    parts = [f"{', '.join(sorted(of))} ({text})" for text, of in rows.items()]
    return [f"averaged over runs of different versions: {'; '.join(parts)}"] if parts else []
