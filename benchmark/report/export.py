"""A copy of a results folder that is small enough to be committed: all records, and small pictures and curves
of one run per model, so that the copy's page shows them too. Imports no torch.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from benchmark.errors import UserError
from benchmark.records.run import Record
from benchmark.records.store import LEARNING, all_records, read_curves, roots, write_record
from benchmark.report.pictures import MADE_BY_RUNS

LIMIT = 100_000  # bytes of the pictures and losses of a run
# Colours, and share of width and height, from good to small: the first with which all pictures fit is taken.
FORMS = [(256, 1.0), (64, 1.0), (64, 0.75), (32, 0.75), (32, 0.5), (16, 0.5), (16, 0.35), (8, 0.25)]


def export(results: Path, target: Path) -> tuple[int, int]:
    """Copy the records of a results folder into another, which keeps what it has besides, with their learning
    curves; and small pictures and losses of the run that the page shows of each configuration, the first seed
    that ended well.

    Of own data and plugins the records keep the names, not the folders: where they lie on a machine helps no
    reader.

    Returns: how many records there are, and of how many runs there is more.

    Raises:
        UserError: the folder has no records, or its own runs would be overwritten.
    """
    if (target / "runs").resolve() in [root.resolve() for root in roots(results)]:
        raise UserError(f"{target} holds the runs that are to be copied from {results}; give another folder")
    shown: dict[str, tuple[int, Path]] = {}  # {digest: seed and folder of the run that the page shows}
    count = 0
    for folder, record in all_records(results):
        count += 1
        copy = target / "runs" / Path(*folder.parts[-4:])
        write_record(copy, _without_folders(record))
        if rows := read_curves(folder, LEARNING):
            (copy / LEARNING).write_bytes(_rounded(rows))
        if record["status"] == "ok":
            run = (record["seed"], folder)
            shown[record["digest"]] = min(run, shown.get(record["digest"], run))
    if not count:
        raise UserError(f"there are no records under {results / 'runs'} to be copied")
    kept = [_keep(folder, target / "runs" / Path(*folder.parts[-4:])) for _, folder in shown.values()]
    return count, sum(kept)


def _without_folders(record: Record) -> Record:
    asked = record.get("asked")
    if asked is None:
        return record
    names = {"dataset": Path(asked["dataset"]).name, "plugins": [Path(p).name for p in asked["plugins"]]}
    return {**record, "asked": {**asked, **names}}


def _keep(folder: Path, target: Path) -> bool:
    """Write pictures and losses of a run; whether there were any."""
    files: dict[str, bytes] = {}
    if rows := read_curves(folder):
        files["curves.csv"] = _rounded(rows)
    pictures = [folder / f"{kind}.png" for kind in MADE_BY_RUNS if (folder / f"{kind}.png").is_file()]
    left = LIMIT - sum(map(len, files.values()))
    for colours, share in FORMS:
        small = {path.name: _small(path, colours, share) for path in pictures}
        if sum(map(len, small.values())) <= left:
            files |= small
            break
    for name, content in files.items():
        (target / name).write_bytes(content)
    return bool(files)


def _rounded(rows: Sequence[Mapping[str, str]]) -> bytes:
    """A file of curves with four digits, which is what a picture shows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _short(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _short(value: str) -> str:
    try:
        return value if value.isdigit() else f"{float(value):.4g}"
    except ValueError:
        return value


def _small(path: Path, colours: int, share: float) -> bytes:
    """A PNG with a palette, perhaps smaller than the picture it is of."""
    with Image.open(path) as image:
        size = (max(1, round(share * image.width)), max(1, round(share * image.height)))
        picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    found = io.BytesIO()
    picture.quantize(colours, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()
