"""What all figures have in common: their style, and files that are equal where the figures are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 120,
    "figure.dpi": 120,
}
LINES = ("-", "--", ":", "-.")  # one for every ten colours
# Without versions and dates, so that equal figures give equal files.
METADATA: Any = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
MARK = "dgcbench"  # key of a PNG file's text that says what it was drawn from


def save(
    figure: Figure, folder: Path, name: str, mark: str | None = None, endings: Sequence[str] = ("pdf", "png")
) -> Path:
    """Write name.pdf and name.png, the latter with `mark` in its metadata; returns the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    more = {"png": {} if mark is None else {MARK: mark}, "pdf": {}}
    for ending in endings:  # the marked one last: where it is, both are whole
        figure.savefig(folder / f"{name}.{ending}", metadata={**METADATA[ending], **more[ending]})
    return folder / f"{name}.png"
