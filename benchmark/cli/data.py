"""Command `data`: list, fetch, verify and show data sets."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.api import Dataset
from benchmark.cli.show import print_dataset
from benchmark.data import array_digest, data_folder
from benchmark.errors import UserError
from benchmark.plots import METADATA, contact_sheet
from benchmark.registry import Registry
from benchmark.tables.table import markdown


def data(options: argparse.Namespace) -> int:
    action, names = options.action, options.names
    registry, folder = Registry(options.plugins), data_folder()
    registry.require(options.plugins)
    if action == "list":
        found = [registry.dataset(name, folder) for name in names or sorted(registry.datasets)]
        print(f"data folder {folder} (set DGCBENCH_DATA to change it)\n\n{_overview(found)}")
        for dataset in found:
            if missing := dataset.missing():
                print(f"\n{dataset.name} is missing {missing}")
        return 0
    if not names and action != "verify":
        raise UserError(f"data {action}: which data set? known: {', '.join(sorted(registry.datasets))}")
    failed = 0
    for name in names or sorted(registry.datasets):
        dataset = registry.dataset(name, folder)  # one at a time, for the memory
        if not names and dataset.missing():
            continue
        try:
            if action == "fetch":
                was_there = dataset.missing() is None
                dataset.fetch()
                state = "was there; `data verify` checks it" if was_there else f"is in {folder}"
                print(f"{dataset.name} {state}")
            elif action == "verify":
                print(f"{dataset.name}: {_verify(dataset)}")
            else:
                _show(dataset, options.out)
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    return 1 if failed else 0


def _overview(datasets: Sequence[Dataset]) -> str:
    rows = [
        (
            d.name,
            d.title,
            "x".join(map(str, d.shape)),
            str(d.n_classes or "–"),
            "+".join(d.splits),
            d.known_digests(),
            d.licence,
            "here" if d.missing() is None else "missing",
        )
        for d in datasets
    ]
    columns = ["data set", "title", "shape", "classes", "parts", "verified by", "licence", ""]
    return markdown(pd.DataFrame(rows, columns=columns))


def _digests(dataset: Dataset) -> dict[str, str]:
    found = {}
    for split in dataset.splits:
        for part, array in (("x", dataset.x(split)), ("y", dataset.y(split))):
            if array is not None:
                found[f"{split}.{part}"] = array_digest(array)
    return found


def _verify(dataset: Dataset) -> str:
    """Read everything, which raises where something is not as it should be; say what was compared."""
    if missing := dataset.missing():
        raise UserError(f"{dataset.name} is not here: {missing}")
    found, known = _digests(dataset), dataset.known_digests()
    if wrong := [key for key, digest in dataset.digests.items() if found[key] != digest]:
        raise UserError(f"{dataset.name}: {', '.join(wrong)} differ from what they should be")
    state = f"right, by the {known}" if known.startswith(("SHA", "MD5")) else f"readable; digest {known}"
    if caveat := dataset.caveat():
        state = f"accepted, but {caveat}"
    return "\n".join([state, *(f"  {key} {digest}" for key, digest in found.items())])


def _show(dataset: Dataset, out: Path) -> None:
    print_dataset(dataset)
    if dataset.missing():
        return
    for key, digest in _digests(dataset).items():
        print(f"SHA-256 of {key}: {digest}")
    path, split = out / f"{dataset.name}.png", dataset.splits[0]
    try:
        out.mkdir(parents=True, exist_ok=True)
        contact_sheet(dataset.title, dataset.x(split), dataset.y(split)).savefig(
            path, metadata=METADATA["png"], dpi=100
        )
    except OSError as error:
        raise UserError(f"{path} can't be written: {error}; choose another folder with --out") from error
    print(path)
