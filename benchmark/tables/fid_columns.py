"""FID in tables: columns, reference rows and notes, from the records alone. Imports no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmark.evaluation.fid import HOW_TO_GET, NOT_ASKED

TITLES = {"clf": "FID-clf", "inception": "FID"}
REASONS = {
    "weights": f"the Inception weights were not there; {HOW_TO_GET}; then `python -m benchmark fid RESULTS`",
    "labels": "its classifier needs labels to be trained on",
    "smoke budget": "no classifier is trained at the smoke budget",
    NOT_ASKED: (
        "left out, on a CPU or by `--fid clf`: `run --fid inception`, or afterwards `python -m benchmark fid"
        " RESULTS`"
    ),
}


@dataclass
class FidColumn:
    """Values measured with one extractor, N and version. Others stand in columns of their own, never in one
    mean.

    Attributes:
        column, title: in the CSV file, and to read.
        entries: [(digest of the config, entry of a record)].
        missing: digests of the configs that could have a value and have none for some seed.
    """

    extractor: str
    column: str
    title: str
    entries: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def values(self, digest: str, split: str | None, splits: Sequence[str]) -> pd.Series:
        """One value per seed. They stand in the row of the split that the real images are from; in the first,
        where a protocol has no such row."""
        rows = {
            entry["split"]: entry["split"] if entry["split"] in splits else splits[0]
            for _, entry in self.entries
            if splits
        }
        found = [
            entry["value"] for d, entry in self.entries if d == digest and rows.get(entry["split"]) == split
        ]
        return pd.Series(found, dtype=float)

    def has(self, digest: str) -> bool:
        """Whether there is a value for any seed."""
        return any(d == digest for d, _ in self.entries)

    def not_there(self, digest: str) -> str | None:
        """The text for a config without a value; None where there is one, or where the model cannot
        sample.
        """
        return None if digest not in self.missing or self.has(digest) else "n/a"

    def note(self) -> str:
        """What the values are distances of, and in which space."""
        entry = self.entries[0][1]
        inception = self.extractor == "inception"
        space = "Inception's features" if inception else "the features of a classifier of these data"
        if "accuracy" in entry:
            space += f" (accuracy {entry['accuracy']:.3f})"
        images = "images" if entry["split"] == "all" else f"{entry['split']} images"
        text = (
            f"{self.title}: distance of {entry['n']:,} samples from {entry['n']:,} {images} in {space};"
            " lower is better"
        )
        if entry["singular"]:
            text += (
                "; fewer images than features, so it is biased upwards and comparable with the same"
                " number only"
            )
        return text


def fid_columns(records: Iterable[Mapping[str, Any]]) -> list[FidColumn]:
    """The columns that these records need, FID-clf first; none without any value."""
    records = list(records)
    found: list[FidColumn] = []
    for extractor, title in TITLES.items():
        variants: dict[tuple[Any, ...], FidColumn] = {}
        missing: set[str] = set()
        for record in records:
            entry = record.get("fid", {}).get(extractor)
            if entry is None:
                continue
            if "missing" in entry:
                missing.add(record["digest"])
                continue
            variant = (entry["n"], entry["extractor"], entry["version"])
            column = variants.setdefault(
                variant, FidColumn(extractor, f"fid_{extractor}", title, missing=missing)
            )
            column.entries.append((record["digest"], entry))
        if len(variants) > 1:
            for (n, digest, version), column in variants.items():
                column.title = f"{title}, N = {n:,}, {digest[:6]}, version {version}"
                column.column = f"fid_{extractor}_{n}_{digest[:6]}_{version}"
        found += variants.values()
    return found


def gaps(records: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """One note on all values that are not there, and why; none where nothing is missing.

    Args:
        names: {digest: name of its row}.
    """
    with_value: set[tuple[str, str]] = set()
    without: dict[tuple[str, str], set[str]] = {}
    for record in records:
        for extractor, entry in record.get("fid", {}).items():
            if "missing" not in entry:
                with_value.add((extractor, record["digest"]))
            elif entry["missing"] != "vectors":  # of which there is nothing to say
                without.setdefault((extractor, entry["missing"]), set()).add(record["digest"])
    parts = []
    for (extractor, reason), digests in sorted(without.items()):
        some = {d: " (some seeds)" if (extractor, d) in with_value else "" for d in digests}
        models = ", ".join(sorted(names[d] + some[d] for d in digests))
        parts.append(f"{TITLES[extractor]} of {models}: {REASONS.get(reason, reason)}")
    return [f"no value (n/a): {'. '.join(parts)}"] if parts else []


def reference_rows(columns: Iterable[FidColumn]) -> list[tuple[str, str, dict[str, float]]]:
    """(what, split, {column: value}) of the values to compare with, the floor and then the baseline: what
    records call the ceiling is that of a simple model, and no bound.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for name, title in (("floor", "floor"), ("ceiling", "baseline")):
        for column in columns:
            known = next((e for _, e in column.entries if e.get("references")), None)
            if known is not None:
                reference = known["references"][name]
                what = f"{title}: {reference['what']}" + (
                    f", N = {reference['n']:,}" if reference["n"] != known["n"] else ""
                )
                rows.setdefault((what, known["split"]), {})[column.column] = reference["value"]
    return [(what, split, values) for (what, split), values in rows.items()]
