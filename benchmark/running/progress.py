"""Progress of a sweep for the user: a bar for the sweep and one for each run in progress, or plain lines in
a log.
"""

import sys
from typing import Any

from tqdm import tqdm

from benchmark.records.run import Record, Run
from benchmark.records.signs import signs_of_collapse

BARS = 16  # at most, one per run in progress
SLOT = "{desc:<34} {percentage:3.0f}% |{bar:20}| {elapsed} {postfix}"


class Progress:
    """Bars on a terminal; elsewhere one line for each run that ends."""

    def __init__(self, runs: int, jobs: int):
        self._terminal = sys.stderr.isatty()
        hidden = not self._terminal
        self._all = tqdm(total=runs, desc="runs", unit="run", position=0, disable=hidden, leave=False)
        self._free = list(range(1, min(jobs, runs, BARS) + 1))
        self._slots: dict[Run, tuple[int, tqdm[Any]]] = {}

    def start(self, run: Run) -> None:
        if not self._free:  # more runs than lines on a terminal
            return
        position = self._free.pop(0)
        bar = tqdm(
            total=1,
            desc=run.title,
            position=position,
            disable=not self._terminal,
            leave=False,
            bar_format=SLOT,
        )
        self._slots[run] = (position, bar)

    def update(self, run: Run, message: dict[str, Any]) -> None:
        if run not in self._slots:
            return
        _, bar = self._slots[run]
        losses = " ".join(f"{name} {value:.4g}" for name, value in list(message["losses"].items())[:3])
        bar.n, bar.total = message["done"], max(1, message["total"])
        bar.set_postfix_str(f"{message['stage']} {losses}")

    def end(self, run: Run, record: Record) -> None:
        if run in self._slots:
            position, bar = self._slots.pop(run)
            bar.close()
            self._free.append(position)
        seconds = f", {record['wall_seconds']:.0f} s" if "wall_seconds" in record else ""
        reason = "" if record["status"] == "ok" else f": {record['error']}"
        if signs := signs_of_collapse(record):
            reason = f"; warning: collapsed, {'; '.join(signs)}"
        self._all.update()
        tqdm.write(f"{run.title}: {record['status']}{seconds}{reason}", file=sys.stderr)

    def close(self) -> None:
        for _, bar in self._slots.values():
            bar.close()
        self._all.close()
