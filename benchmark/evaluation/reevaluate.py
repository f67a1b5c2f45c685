"""Runs that have ended, measured again from their trained models: metrics that are newer than the run, and
FID.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from benchmark.data import data_folder
from benchmark.errors import UserError, explained
from benchmark.evaluation.collapse import diagnose
from benchmark.evaluation.evaluate import evaluate
from benchmark.evaluation.fid import HOW_TO_GET, measure, weights
from benchmark.evaluation.fid.measure import FidOptions
from benchmark.evaluation.fid.moments import Progress
from benchmark.evaluation.fid.real import FID_VERSION, OpenBar, Unavailable, reference_images
from benchmark.evaluation.metrics import METRICS, METRICS_VERSION
from benchmark.files import locked
from benchmark.records.load import load_run
from benchmark.records.run import Record
from benchmark.records.store import ended_well, read_record, write_record


def finished(paths: Sequence[Path]) -> list[Path]:
    """The folders, at or below the given ones, of runs that ended well."""
    found = sorted({path.parent for given in paths for path in given.rglob("record.json")})
    good = [folder for folder in found if ended_well(read_record(folder))]
    if not good:
        raise UserError(f"no run that ended well lies below {', '.join(map(str, paths))}")
    return good


def reevaluate(
    folders: Sequence[Path], plugins: Sequence[str], again: bool = False, data: Sequence[Path] = ()
) -> dict[Path, str]:
    """Measure the metrics and signs of collapse of these runs, into their records.

    Args:
        plugins, data: see `load_run`.
        again: also of those whose record has every metric of today's version.

    Returns:
        {folder: reason} for the runs that could not be measured.
    """
    failures: dict[Path, str] = {}
    for folder in tqdm(folders, desc="runs", unit="run", dynamic_ncols=True):
        record = read_record(folder)
        assert record is not None
        if is_current(record) and not again:
            continue
        try:
            with explained("it can't be measured"):
                run = load_run(folder, plugins, data)
                model = run.model()
                x = torch.from_numpy(run.data.divided.x(run.data.divided.splits[0])).to(model.device)
                metrics, _ = evaluate(model, run.data.divided, run.run.seed)
                diagnostics = diagnose(model, x, run.run.seed)
        except UserError as error:
            failures[folder] = str(error)
            continue
        found = {"metrics": metrics, "metrics_version": METRICS_VERSION, "diagnostics": diagnostics}
        with locked(folder / "record"):  # FID may have been added meanwhile
            record = read_record(folder)
            assert record is not None
            write_record(folder, {**record, **found})
    return failures


def is_current(record: Record) -> bool:
    """Whether a record has every metric of today's definitions; those that need labels, where it has any of
    them.
    """
    rules = [metrics for rules in record["metrics"].values() for metrics in rules.values()]
    labelled = any("accuracy" in metrics for metrics in rules)
    needed = {name for name, metric in METRICS.items() if labelled or not metric.needs_labels}
    return record.get("metrics_version") == METRICS_VERSION and all(
        needed <= set(metrics) for metrics in rules
    )


def add_fid(
    folders: Sequence[Path],
    extractors: Sequence[str],
    options: FidOptions,
    plugins: Sequence[str],
    data: Sequence[Path] = (),
) -> dict[Path, str]:
    """Measure the FID that is not yet in the records of these runs. An interrupted call goes on where it was.

    Args:
        extractors: of `measure.EXTRACTORS`.
        plugins, data: see `load_run`.

    Returns:
        {folder: reason} for the runs that could not be measured.
    """
    if "inception" in extractors and not weights.is_available(data_folder()):
        raise UserError(f"FID needs the Inception weights, which are not here: {HOW_TO_GET}")
    failures: dict[Path, str] = {}
    for folder in folders:
        with locked(folder / "fid"):
            try:
                for name, entry in _measured(folder, extractors, options, plugins, data):
                    if "missing" in entry:
                        reason = f"{name}: {entry['missing']}"
                        failures[folder] = f"{failures[folder]}; {reason}" if folder in failures else reason
                    with locked(folder / "record"):
                        record = read_record(folder)
                        assert record is not None
                        measured = record.get("fid", {})
                        if "missing" not in entry or "value" not in measured.get(name, {}):
                            write_record(folder, {**record, "fid": {**measured, name: entry}})
            except UserError as error:
                failures[folder] = str(error)
    return failures


def _measured(
    folder: Path,
    extractors: Sequence[str],
    options: FidOptions,
    plugins: Sequence[str],
    data: Sequence[Path],
) -> Iterator[tuple[str, Record]]:
    """(extractor, entry for the record) of what the record of one run lacks."""
    run = load_run(folder, plugins, data)
    if "sample" not in run.model_class.abilities():
        return
    try:
        real = reference_images(run.data.dataset, run.record["key"]["data"], options.n, data_folder())
    except Unavailable as reason:
        raise UserError(f"FID is for images only, {run.data.dataset.name} has {reason}") from None
    measured = run.record.get("fid", {})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # where `run.model()` will be
    todo = [
        n
        for n in extractors
        if not _complete(measured.get(n), len(real.images), options, options.draws_of(n, device))
    ]
    if not todo:
        return
    model, open_bar = run.model(), _bars(run.run.title)
    for name in todo:
        yield (
            name,
            measure.measure(model, real, name, run.run.seed, options, folder, open_bar, measured.get(name)),
        )


def _complete(entry: Record | None, n: int, options: FidOptions, draws: int) -> bool:
    """Whether a record's entry holds all that is asked for."""
    return (
        entry is not None
        and entry.get("version") == FID_VERSION  # also false for one without a value
        and entry["n"] == n
        and len(entry["draws"]) >= draws
        and not (options.references and entry["references"] is None)
        and not (options.clusters and "per_cluster" not in entry)
    )


def _bars(title: str) -> OpenBar:
    """A progress bar for everything that is counted."""

    def open_bar(what: str, total: int) -> Progress:
        interval = 1 if sys.stderr.isatty() else 30  # seconds; a log needs fewer lines
        bar = tqdm(
            total=total, desc=f"{title}: {what}", unit="image", mininterval=interval, dynamic_ncols=True
        )

        def update(done: int) -> None:
            bar.update(done - bar.n)
            if done >= total:
                bar.close()

        return update

    return open_bar
