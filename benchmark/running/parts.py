"""Work in parts, each in processes of its own that are ended when its share of the time is over."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.provenance import ROOT
from benchmark.running.timing import GO, READY

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Ended:
    """What a process left.

    Attributes:
        code: its exit code; None: its time was over.
        output, errors: all that it wrote, also if it was ended.
    """

    code: int | None
    output: str
    errors: str

    def reason(self, limit: float) -> str:
        """Why it failed, in one line."""
        if self.code is None:
            return f"ended after the {limit:.0f} s that it had"
        lines = self.errors.strip().splitlines() or self.output.strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}, without a word"


@dataclass(frozen=True)
class Part:
    """One or several processes at the same time.

    Attributes:
        kind, model: what it is, and of which model; empty: of none.
        weight: its share of the time, relative to the others'.
        commands: of its processes, given a folder in which they meet.
    """

    kind: str
    model: str
    weight: float
    commands: Callable[[Path], Sequence[Sequence[str]]]

    @property
    def name(self) -> str:
        return f"{self.model} {self.kind}".strip()


def make_parts(parts: Sequence[Part], seconds: float) -> Iterator[tuple[Part, float, float, list[Ended]]]:
    """Make one part after the other within `seconds`; what one leaves of its time is shared by the later.

    Yields: each part as it ends, the seconds that it had and that it took, and its processes.
    """
    end = time.monotonic() + seconds
    for i, part in enumerate(parts):
        began = time.monotonic()
        limit = max(0.0, end - began) * part.weight / sum(later.weight for later in parts[i:])
        with tempfile.TemporaryDirectory() as folder:
            ended = _make(part.commands(Path(folder)), Path(folder), began + limit)
        yield part, limit, time.monotonic() - began, ended


def _make(commands: Sequence[Sequence[str]], folder: Path, end: float) -> list[Ended]:
    """Run commands at the same time. Once each has ended or touched a file READY, the file GO is made."""
    processes = []
    try:
        for i, command in enumerate(commands):
            with open(folder / f"out-{i}", "wb") as out, open(folder / f"err-{i}", "wb") as err:
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            processes.append(process)
        while (running := [p for p in processes if p.poll() is None]) and time.monotonic() < end:
            if len(list(folder.glob(f"{READY}*"))) >= len(running):
                (folder / GO).touch()
            time.sleep(POLL_SECONDS)
        codes = [process.poll() for process in processes]
    finally:
        for process in processes:
            with suppress(ProcessLookupError):  # whatever of its group is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    texts = [
        [(folder / f"{kind}-{i}").read_text("utf-8", "replace") for kind in ("out", "err")]
        for i in range(len(processes))
    ]
    return [Ended(code, *text) for code, text in zip(codes, texts, strict=True)]
