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
        missing: {digest: why there is no value, for every seed without one}, for models that can sample.
    """

    extractor: str
    column: str
    title: str
    entries: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)

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
        if digest not in self.missing or self.has(digest):
            return None
        reasons = set(self.missing[digest])
        return (
            f"n/a ({min(reasons)})" if len(reasons) == 1 and reasons <= REASONS.keys() else "n/a (see below)"
        )

    def notes(self, names: Mapping[str, str]) -> list[str]:
        found = []
        if self.entries:
            entry = self.entries[0][1]
            space = (
                "Inception's features"
                if self.extractor == "inception"
                else "the features of a classifier of these data"
            )
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
            found.append(text)
        for reason in sorted({reason for reasons in self.missing.values() for reason in reasons}):
            without = [digest for digest, reasons in self.missing.items() if reason in reasons]
            models = sorted({names[d] + (", seeds without a value" if self.has(d) else "") for d in without})
            found.append(f"{self.title} of {'; '.join(models)}: {REASONS.get(reason, reason)}")
        return found


def fid_columns(records: Iterable[Mapping[str, Any]]) -> list[FidColumn]:
    """The columns that these records need, FID-clf first. A column without any value is there only to say
    why.
    """
    records = list(records)
    found: list[FidColumn] = []
    for extractor, title in TITLES.items():
        variants: dict[tuple[Any, ...], FidColumn] = {}
        missing: dict[str, list[str]] = {}
        for record in records:
            entry = record.get("fid", {}).get(extractor)
            # of which a column of its own would say nothing
            if entry is None or entry.get("missing") == "vectors":
                continue
            if "missing" in entry:
                missing.setdefault(record["digest"], []).append(entry["missing"])
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
        if not variants and missing:
            variants[()] = FidColumn(extractor, f"fid_{extractor}", title, missing=missing)
        found += variants.values()
    return found


def reference_rows(columns: Iterable[FidColumn]) -> list[tuple[str, str, dict[str, float]]]:
    """(what, split, {column: value}) of the values to compare with, the floor and then the ceiling."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for name in ("floor", "ceiling"):
        for column in columns:
            known = next((e for _, e in column.entries if e.get("references")), None)
            if known is not None:
                reference = known["references"][name]
                what = f"{name}: {reference['what']}" + (
                    f", N = {reference['n']:,}" if reference["n"] != known["n"] else ""
                )
                rows.setdefault((what, known["split"]), {})[column.column] = reference["value"]
    return [(what, split, values) for (what, split), values in rows.items()]
