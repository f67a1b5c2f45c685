"""Commands `list`, `info` and `doctor`."""

import argparse
import inspect
import platform
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import benchmark
from benchmark import config
from benchmark.api import ClusteringModel, Dataset, DataSpec
from benchmark.data import data_folder
from benchmark.errors import UserError, unknown
from benchmark.evaluation.fid import weights
from benchmark.papers import runs
from benchmark.reading import Reading
from benchmark.records.provenance import PACKAGES, available_cores, describe_machine
from benchmark.records.store import all_records
from benchmark.registry import Registry
from benchmark.tables.table import markdown


def print_list(options: argparse.Namespace) -> int:
    registry = Registry(options.plugins)
    models = [
        (name, _first_line(cls), ", ".join(cls.abilities())) for name, cls in sorted(registry.models.items())
    ]
    print(_table(models, "model", "", "besides clustering"), end="\n\n")
    folder = data_folder()
    datasets = []
    for name, cls in sorted(registry.datasets.items()):
        dataset = cls(folder)
        here = "here" if dataset.missing() is None else "not downloaded yet"
        datasets.append(
            (name, dataset.title, "x".join(map(str, dataset.shape)), str(dataset.n_classes or "–"), here)
        )
    print(_table(datasets, "data set", "", "shape", "classes", ""))
    studies = [(s.name, s.title, s.model, ", ".join(s.datasets)) for s in runs.studies().values()]
    print("\n" + _table(studies, "study", "", "model", "data sets"))
    for where, why in registry.failures.items():
        print(f"\n{where} could not be loaded: {why}")
    return 0


def print_info(options: argparse.Namespace) -> int:
    name, registry = options.name, Registry(options.plugins)
    if name is None:
        _print_matrix(registry)
    elif name in registry.models:
        _print_model(registry.models[name], options.results)
    elif name in registry.datasets or registry.is_own(name):
        print_dataset(registry.dataset(name, data_folder(), Reading.of(vars(options))))
    else:
        registry.require(options.plugins)
        raise unknown("model or data set", name, [*registry.models, *registry.datasets])
    return 0


def _print_matrix(registry: Registry) -> None:
    """Data sets by models: which pair has settings of its own, which runs with those for its kind, which is
    impossible.
    """
    folder, rows = data_folder(), []
    for name, cls in sorted(registry.datasets.items()):
        dataset = cls(folder)
        spec = DataSpec(name, dataset.shape, dataset.value_range, n=10_000)  # n: the files may not be here
        rows.append([name])
        for _, model in sorted(registry.models.items()):
            rows[-1].append("–" if model.skip_reason(spec) else "own" if name in model.presets else "yes")
    print(_table(rows, "data set", *sorted(registry.models)))
    print(
        "own: settings of its own, from the paper where it has them; yes: settings for data of its kind; –:"
        " can't be used"
    )


def _print_model(model: type[ClusteringModel], results: Path) -> None:
    print(f"{model.name}  ({inspect.getsourcefile(model)})\n\n{inspect.getdoc(model)}\n")
    print(_table(config.describe(model.Config), "hyper-parameter", "type", "default", "meaning"), end="\n\n")
    print(f"besides clustering: {', '.join(model.abilities()) or 'nothing'}\n")
    below = ""
    for budget, presets in config.layers(model).items():
        print(f"budget {budget}{below}:{'' if presets else ' no settings of its own'}")
        below = f" (on top of {budget})"
        for dataset, values in presets.items():
            print(f"  {dataset}: {', '.join(f'{k}={v}' for k, v in values.items()) or 'the defaults'}")
        print()
    runs: dict[tuple[str, str, str, str], list[str]] = {}
    for _, record in all_records(results):
        key = record["key"]
        if key["model"] == model.name:
            name = (key["dataset"], key["budget"], record["digest"], record["status"])
            runs.setdefault(name, []).append(str(record["seed"]))
    if runs:
        print(
            _table(
                [(*n, " ".join(s)) for n, s in runs.items()], "runs on", "budget", "digest", "status", "seeds"
            )
        )
        print("`run --dry-run` says which of them count for a given command, and why others do not")
    else:
        print(f"no runs under {results}")


def print_dataset(dataset: Dataset) -> None:
    print(
        f"{dataset.name}: {dataset.title}\nsource: {dataset.source}\nlicence:"
        f" {dataset.licence or 'not stated'}"
    )
    print(f"shape {dataset.shape}, {dataset.n_classes or 'no'} classes, splits: {', '.join(dataset.splits)}")
    print(f"preprocessing: {dataset.preprocessing}\nverified by: {dataset.known_digests()}")
    if missing := dataset.missing():
        print(f"\nnot here: {missing}")
        return
    if caveat := dataset.caveat():
        print(f"note: {caveat}")
    for split in dataset.splits:
        x, y = dataset.x(split), dataset.y(split)
        counts = (
            ""
            if y is None
            else f"; per class {' '.join(map(str, pd.Series(y).value_counts(sort=False).sort_index()))}"
        )
        print(f"{split}: {len(x)} points, {x.dtype} from {x.min():g} to {x.max():g}{counts}")


def print_doctor(_options: argparse.Namespace) -> int:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = describe_machine(device)
    print(
        f"dgcbench {benchmark.__version__}, commit"
        f" {machine['commit']}{' (changed)' if machine['dirty'] else ''}"
    )
    print(
        f"Python {platform.python_version()}, " + ", ".join(f"{p} {machine['packages'][p]}" for p in PACKAGES)
    )
    print(f"{machine['cpu']}, {available_cores()} cores")
    if device == "cuda":
        print(f"CUDA {machine['cuda']}, {machine['gpu']}, driver {machine['driver']}")
    else:
        print("no CUDA device: runs go to the CPU")
    folder = data_folder()
    print(f"\ndata folder {folder} (set DGCBENCH_DATA to change it)")
    registry = Registry()
    for name, cls in sorted(registry.datasets.items()):
        try:
            state = cls(folder).missing() or "here"
        except UserError as error:
            state = str(error)
        print(f"  {name}: {state}")
    print(f"FID weights: {weights.availability_text(folder)}")
    for where, why in registry.failures.items():
        print(f"{where} could not be loaded: {why}")
    return 0


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0]


def _table(rows: Any, *columns: str) -> str:
    return markdown(pd.DataFrame(rows, columns=list(columns)))
