"""Progress of a sweep for the user: a bar for the sweep and one for each run in progress, or plain lines in
a log.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from benchmark.records.run import Record, Run
from benchmark.records.signs import signs_of_collapse
from benchmark.running.cost import duration

BARS = 16  # at most, one per run in progress
SLOT = "{desc:<34} {percentage:3.0f}% |{bar:20}| {elapsed} {postfix}"


class Progress:
    """Bars on a terminal; elsewhere one line for each run that ends. Both have the time left.

    Args:
        weights: {run: seconds that it is expected to take}; what counts is how they compare.
    """

    def __init__(self, weights: Mapping[Run, float], jobs: int):
        self._weights = weights
        self._shares: dict[Run, float] = {}  # how much of a run is done, from 0 to 1
        self._found: dict[Run, float] = {}  # how much of it an earlier sitting had done
        self._ended = 0
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._all = self._bar(f"0 of {len(weights)} runs", 0)
        self._free = list(range(1, min(jobs, len(weights), BARS) + 1))
        self._slots: dict[Run, tuple[int, tqdm[Any]]] = {}

    def start(self, run: Run) -> None:
        if not self._free:  # more runs than lines on a terminal
            return
        position = self._free.pop(0)
        self._slots[run] = (position, self._bar(run.title, position))

    def update(self, run: Run, message: dict[str, Any]) -> None:
        share = message["done"] / max(1, message["total"])
        self._found.setdefault(run, share)
        self._count(run, share)
        if run in self._slots:
            _, bar = self._slots[run]
            losses = " ".join(f"{name} {value:.4g}" for name, value in list(message["losses"].items())[:3])
            bar.n = share
            bar.set_postfix_str(f"{message['stage']} {losses}")

    def end(self, run: Run, record: Record) -> None:
        if run in self._slots:
            position, bar = self._slots.pop(run)
            bar.close()
            self._free.append(position)
        self._ended += 1
        self._count(run, 1.0)
        seconds = f", {record['wall_seconds']:.0f} s" if "wall_seconds" in record else ""
        reason = "" if record["status"] == "ok" else f": {record['error']}"
        if signs := signs_of_collapse(record):
            reason = f"; warning: collapsed, {'; '.join(signs)}"
        if "diagnostics_error" in record:
            reason += f"; warning: its diagnostics failed, {record['diagnostics_error']}, see log.txt"
        if "outputs_error" in record:
            reason += f"; warning: files are missing, {record['outputs_error']}, see log.txt"
        state = f"{self._ended} of {len(self._weights)} runs{self._left()}"
        tqdm.write(f"{run.title}: {record['status']}{seconds}{reason} ({state})", file=sys.stderr)

    def close(self) -> None:
        for _, bar in self._slots.values():
            bar.close()
        self._all.close()

    def _bar(self, title: str, position: int) -> "tqdm[Any]":
        hidden = not self._terminal
        return tqdm(total=1, desc=title, position=position, disable=hidden, leave=False, bar_format=SLOT)

    def _count(self, run: Run, share: float) -> None:
        self._shares[run] = share
        self._all.n = self._share_of_all(self._shares)
        self._all.set_description_str(f"{self._ended} of {len(self._weights)} runs", refresh=False)
        self._all.set_postfix_str(self._left().removeprefix(", "))

    def _share_of_all(self, shares: Mapping[Run, float]) -> float:
        """Share of the whole sweep that these shares of its runs are."""
        return sum(self._weights[run] * share for run, share in shares.items()) / sum(self._weights.values())

    def _left(self) -> str:
        done = self._share_of_all(self._shares)
        here = done - self._share_of_all(self._found)  # in this sitting
        if not 0 < here <= done < 1:
            return ""
        return f", {duration((time.monotonic() - self._began) * (1 - done) / here)} left"
