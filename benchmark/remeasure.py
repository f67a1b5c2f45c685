"""FID of cells that have ended: what a run on a CPU leaves out, added to its record from its trained model."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from benchmark import config, generation
from benchmark.cell import Cell
from benchmark.data import data_folder, data_spec, dataset_digest
from benchmark.errors import UserError
from benchmark.fid import HOW_TO_GET, weights
from benchmark.fid.moments import Progress, locked
from benchmark.generation import Wanted
from benchmark.provenance import source_digest
from benchmark.registry import Registry
from benchmark.results import Record, read_record, write_record


def finished(paths: Sequence[Path]) -> list[Path]:
    """The folders, at or below the given ones, of cells that ended well."""
    found = sorted({path.parent for given in paths for path in given.rglob("record.json")})
    good = [folder for folder in found if (record := read_record(folder)) is not None and record["status"] == "ok"]
    if not good:
        raise UserError(f"no run that ended well lies below {', '.join(map(str, paths))}")
    return good


def remeasure(folders: Sequence[Path], extractors: Sequence[str], wanted: Wanted, plugins: Sequence[str]) -> dict[Path, str]:
    """Measure what is not yet in the records of these cells. An interrupted call goes on where it was.

    Args:
        extractors: of `generation.EXTRACTORS`.

    Returns:
        {folder: reason} for the cells that could not be measured.
    """
    if "inception" in extractors and not weights.here(data_folder()):
        raise UserError(f"FID needs the Inception weights, which are not here: {HOW_TO_GET}")
    failures: dict[Path, str] = {}
    for folder in folders:
        with locked(folder / "fid"):
            try:
                for name, entry in _measured(folder, extractors, wanted, plugins):
                    if "missing" in entry:
                        failures[folder] = f"{name}: {entry['missing']}"
                        continue
                    record = read_record(folder)
                    assert record is not None
                    write_record(folder, {**record, "fid": {**record.get("fid", {}), name: entry}})
            except UserError as error:
                failures[folder] = str(error)
    return failures


def _measured(
    folder: Path, extractors: Sequence[str], wanted: Wanted, plugins: Sequence[str]
) -> Iterator[tuple[str, Record]]:
    """(extractor, entry for the record) of what the record of one cell lacks."""
    record, cell = read_record(folder), Cell.read(folder / "cell.json")
    assert record is not None
    key = record["key"]
    registry = Registry([*cell.plugins, *plugins])
    dataset = registry.dataset(cell.source, data_folder())
    if dataset_digest(dataset) != key["data"]:
        raise UserError(f"the data of {key['dataset']} have changed since this run")
    model_class = registry.model(key["model"])
    if "sample" not in model_class.abilities():
        return
    if source_digest(model_class.__module__) != key["source"]:
        raise UserError(f"the source of {key['model']} has changed since this run, so its model can't be loaded; run it again")
    try:
        real = generation.real_side(dataset, key["data"], wanted.n, data_folder())
    except generation.Unavailable as reason:
        raise UserError(f"FID is for images only, {key['dataset']} has {reason}") from None
    todo = [name for name in extractors if not _complete(record.get("fid", {}).get(name), len(real.images), wanted)]
    if not todo:
        return
    model = model_class(data_spec(dataset), config.from_dict(model_class, key["config"]))
    model.load_state_dict(torch.load(folder / "model.pt", map_location="cpu", weights_only=True))
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    for name in todo:
        yield name, generation.measure(model, real, name, cell.seed, wanted, folder, _bars(cell.title))


def _complete(entry: Record | None, n: int, wanted: Wanted) -> bool:
    """Whether a record's entry holds all that is asked for."""
    return (
        entry is not None
        and entry.get("version") == generation.FID_VERSION  # also false for one without a value
        and entry["n"] == n
        and len(entry["draws"]) >= wanted.draws
        and not (wanted.references and entry["references"] is None)
        and not (wanted.clusters and "per_cluster" not in entry)
    )


def _bars(title: str) -> generation.Say:
    """A progress bar for everything that is counted."""

    def say(what: str, total: int) -> Progress:
        interval = 1 if sys.stderr.isatty() else 30  # seconds; a log needs fewer lines
        bar = tqdm(total=total, desc=f"{title}: {what}", unit="image", mininterval=interval, dynamic_ncols=True)

        def update(done: int) -> None:
            bar.update(done - bar.n)
            if done >= total:
                bar.close()

        return update

    return say
