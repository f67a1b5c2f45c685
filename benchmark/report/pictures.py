"""The page's pictures: files beside it, drawn once and again only when what they show changes. No torch."""

import hashlib
import os
import re
import struct
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from benchmark import plots
from benchmark.files import digest
from benchmark.records.run import Record
from benchmark.records.select import compared_metrics, compared_split
from benchmark.records.store import read_curves

DRAWN_BY = sorted(Path(plots.__file__).parent.glob("*.py"))
CODE = hashlib.sha256(b"".join(path.read_bytes() for path in DRAWN_BY)).hexdigest()
MADE_BY_RUNS = ("samples", "reconstructions", "clusters", "embedding")
KINDS = {
    "clusters": "What each cluster is: typical points, or means, with its share",
    "samples": "Samples: a row per cluster, with its share of the points",
    "reconstructions": "Data and their reconstructions, in pairs of rows",
    "confusion": "Classes and clusters",
    "embedding": "Embeddings, coloured by cluster",
    "curves": "Losses over training",
}


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        source: its address, relative to the page.
        alt: what it shows, with model and data set.
        width, height: in pixels, so that the page does not jump when it is loaded.
    """

    source: str
    caption: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind, of every model that has one."""

    title: str
    pictures: list[Picture]


class Album:
    """Draws into RESULTS/figures."""

    def __init__(self, results: Path):
        self.results = results

    def draw(
        self, name: str, shows: Mapping[str, Any], draw: Callable[[], Figure | None], pdf: bool = False
    ) -> Path | None:
        """The PNG of a figure; drawn unless it is there, of the same data and code. None where there is
        nothing to draw.

        Args:
            shows: plain data, all that the figure is drawn from.
            pdf: also write a PDF, of figures that go into a paper.
        """
        mark = digest({"shows": shows, "code": CODE, "matplotlib": mpl.__version__})
        folder = self.results / "figures"
        path = folder / f"{name}.png"
        endings = ("pdf", "png") if pdf else ("png",)
        if _mark(path) == mark:
            return path
        figure = draw()
        return None if figure is None else plots.save(figure, folder, name, mark, endings)

    def picture(self, path: Path, caption: str, alt: str) -> Picture:
        """A PNG file that is there, wherever it lies in the results folder."""
        with open(path, "rb") as file:
            width, height = struct.unpack(">II", file.read(24)[16:])
        relative = Path(os.path.relpath(path, self.results)).as_posix()
        return Picture(urllib.parse.quote(relative), caption, alt, width, height)

    def galleries(
        self, where: str, id_: str, runs: Mapping[str, Sequence[tuple[Path, Record]]]
    ) -> list[Gallery]:
        """Pictures of every model's first seed that ended well, which is not chosen by its result; curves
        are of all seeds.

        Args:
            where: what all of these ran on, e.g. "Digits, quick budget".
            id_: beginning of the names of files.
            runs: {name of a row: its runs}.
        """
        found: dict[str, list[Picture]] = {}
        for name, of_model in sorted(runs.items()):
            good = [(folder, record) for folder, record in of_model if record["status"] == "ok"]
            if good:
                for kind, path, what in self._of_model(f"{id_}-{slug(name)}", good):
                    alt = f"{kind} of {name} on {where}, {what}"
                    found.setdefault(kind, []).append(self.picture(path, f"{name}, {what}", alt))
        return [Gallery(KINDS[kind], found[kind]) for kind in KINDS if kind in found]

    def _of_model(self, name: str, runs: Sequence[tuple[Path, Record]]) -> list[tuple[str, Path, str]]:
        """[(kind, file, which runs it is of)]."""
        folder, record = min(runs, key=lambda run: run[1]["seed"])
        seed = f"seed {record['seed']}"
        found: list[tuple[str, Path | None, str]] = [
            (kind, folder / f"{kind}.png", seed)
            for kind in MADE_BY_RUNS
            if (folder / f"{kind}.png").is_file()
        ]
        table = compared_metrics(record).get("confusion")
        if table:
            classes = record.get("class_names") or ()
            shows = {"confusion": table, "classes": list(classes)}
            path = self.draw(f"{name}-confusion", shows, lambda: plots.confusion(table, classes))
            split = compared_split(record)
            found.append(("confusion", path, seed if split == "all" else f"{split} split, {seed}"))
        if curves := [rows for where, _ in runs if (rows := read_curves(where))]:
            path = self.draw(f"{name}-curves", {"curves": curves}, lambda: plots.curves(curves))
            seeds = f"mean and range over {len(curves)} seeds" if len(curves) > 1 else seed
            found.append(("curves", path, seeds))
        return [(kind, path, what) for kind, path, what in found if path is not None]


def slug(name: str) -> str:
    """A part of a file's name; long ones are cut, and told apart by a digest."""
    text = re.sub(r"[^\w.]+", "-", name).strip("-")
    return text if len(text) <= 80 else f"{text[:70]}-{digest({'name': name})[:8]}"


def _mark(path: Path) -> str | None:
    """What an earlier drawing was of."""
    try:
        with Image.open(path) as image:
            return image.info.get(plots.MARK)
    except OSError:
        return None
