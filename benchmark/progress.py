"""What the user sees while a sweep runs: a bar for the sweep and one for each running cell, or plain lines in a log."""

import sys
from typing import Any

from tqdm import tqdm

from benchmark.cell import Cell
from benchmark.results import Record

BARS = 16  # at most, one per running cell
SLOT = "{desc:<34} {percentage:3.0f}% |{bar:20}| {elapsed} {postfix}"


class Progress:
    """Bars on a terminal; elsewhere one line for each cell that ends."""

    def __init__(self, cells: int, jobs: int):
        self._terminal = sys.stderr.isatty()
        hidden = not self._terminal
        self._all = tqdm(total=cells, desc="cells", unit="cell", position=0, disable=hidden, leave=False)
        self._free = list(range(1, min(jobs, cells, BARS) + 1))
        self._slots: dict[Cell, tuple[int, tqdm[Any]]] = {}

    def start(self, cell: Cell) -> None:
        if not self._free:  # more cells than lines on a terminal
            return
        position = self._free.pop(0)
        bar = tqdm(total=1, desc=cell.title, position=position, disable=not self._terminal, leave=False, bar_format=SLOT)
        self._slots[cell] = (position, bar)

    def update(self, cell: Cell, message: dict[str, Any]) -> None:
        if cell not in self._slots:
            return
        _, bar = self._slots[cell]
        losses = " ".join(f"{name} {value:.4g}" for name, value in list(message["losses"].items())[:3])
        bar.n, bar.total = message["done"], max(1, message["total"])
        bar.set_postfix_str(f"{message['stage']} {losses}")

    def end(self, cell: Cell, record: Record) -> None:
        if cell in self._slots:
            position, bar = self._slots.pop(cell)
            bar.close()
            self._free.append(position)
        seconds = f", {record['wall_seconds']:.0f} s" if "wall_seconds" in record else ""
        reason = "" if record["status"] == "ok" else f": {record['error']}"
        self._all.update()
        tqdm.write(f"{cell.title}: {record['status']}{seconds}{reason}", file=sys.stderr)

    def close(self) -> None:
        for _, bar in self._slots.values():
            bar.close()
        self._all.close()
