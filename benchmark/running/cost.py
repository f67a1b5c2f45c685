"""What a sweep will take, told before it starts: from records of equal runs, or from a rehearsal. Imports no
torch.

Records are of other machines, or of this one on a busier day. So those models that take the most are timed
again: the ratio of what is found to what the records say is the pace, which corrects all of them.
"""

import contextlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median

from benchmark.errors import UserError
from benchmark.records.provenance import ROOT, available_cores
from benchmark.records.run import Record, Run
from benchmark.records.store import ended_well, read_record, roots
from benchmark.running import rehearsal

REFERENCE = ROOT / "results" / "reference"  # in a clone of the repository; an installation has none
CALIBRATED_FROM = 60.0  # seconds of the sweep
CALIBRATED_BY = 3  # models
SAME = ("dataset", "model", "budget", "protocol", "config", "device", "threads")  # in the keys of equal runs


@dataclass(frozen=True)
class Cost:
    """What one run will take.

    Attributes:
        seconds: from its start to its end, unless others hold it up.
        memory: at its peak, in MiB.
        recorded: known from records; else from some timed steps.
    """

    seconds: float
    memory: float
    recorded: bool

    def __str__(self) -> str:
        origin = "records" if self.recorded else "some timed steps"
        return f"{duration(self.seconds)}, {self.memory / 1024:.1f} GB of memory, by {origin}"


@dataclass(frozen=True)
class Forecast:
    """What the runs of a sweep will take.

    Attributes:
        costs: {digest: cost} of the runs of which it is known.
        pace: seconds here for each second in the records; None where it was not measured.
        failures: {digest: why such a run will fail}, as its rehearsal did.
    """

    costs: Mapping[str, Cost]
    pace: float | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def weights(self, runs: Iterable[Run]) -> dict[Run, float]:
        """Seconds of each run; of those that are not known as many as the others have on average."""
        mean = fmean(cost.seconds for cost in self.costs.values()) if self.costs else 1.0
        return {run: self.costs[run.digest].seconds if run.digest in self.costs else mean for run in runs}

    def summary(self, runs: Sequence[Run], jobs: int) -> str:
        """One line for the user, of runs that are made `jobs` at a time."""
        known = [(run, self.costs[run.digest]) for run in runs if run.digest in self.costs]
        unknown = sorted({self._unknown(run) for run in runs if run.digest not in self.costs})
        if not known:
            return f"expected: not known for {', '.join(unknown)}"
        cores = sum(run.threads for run in runs[:jobs]) if runs[0].device == "cpu" else 1
        wall = _makespan([cost.seconds for _, cost in known], jobs) * max(1.0, cores / available_cores())
        memory = sum(heapq.nlargest(jobs, (cost.memory for _, cost in known))) / 1024
        timed = sorted({run.key["model"] for run, cost in known if not cost.recorded})
        notes = [
            *([f"by records, whose seconds take {self.pace:.2f} here"] if self.pace is not None else []),
            *([f"by some timed steps: {', '.join(timed)}"] if timed else []),
            *([f"not known, so not counted: {', '.join(unknown)}"] if unknown else []),
        ]
        text = f"expected: {duration(wall)} if nothing else runs here, {memory:.1f} GB of memory"
        return text + (f" ({'; '.join(notes)})" if notes else "")

    def _unknown(self, run: Run) -> str:
        why = self.failures.get(run.digest)
        return run.key["model"] + (f" ({why})" if why else "")


def forecast(runs: Sequence[Run], results: Path, jobs: int) -> Forecast:
    """What these runs will take on this machine.

    Args:
        jobs: rehearsals at a time.
    """
    first = {run.digest: run for run in runs}
    records = {digest: found for digest, run in first.items() if (found := _equal_runs(run, results))}
    costs = {digest: _recorded(first[digest], found) for digest, found in records.items()}
    shares: dict[str, float] = {}  # seconds of the sweep, of models that have steps to time
    for run in runs:
        if run.digest in costs and records[run.digest][0].get("last_losses"):
            shares[run.digest] = shares.get(run.digest, 0.0) + costs[run.digest].seconds
    large = sum(shares.values()) > CALIBRATED_FROM
    again = heapq.nlargest(CALIBRATED_BY, shares, key=shares.__getitem__) if large else []
    new = [digest for digest, run in first.items() if digest not in costs and run.key["budget"] != "smoke"]
    said = rehearsal.rehearse([first[digest] for digest in (*new, *again)], jobs)
    timed = {digest: found for digest, found in said.items() if not isinstance(found, str)}
    failures = {digest: why for digest, why in said.items() if isinstance(why, str)}
    pace = _pace([(timed[d].stages, first[d], records[d]) for d in again if d in timed])
    costs = {digest: replace(cost, seconds=cost.seconds * (pace or 1.0)) for digest, cost in costs.items()}
    for digest in new:
        if digest in timed:
            costs[digest] = Cost(timed[digest].seconds, timed[digest].memory, recorded=False)
    return Forecast(costs, pace, failures)


def _equal_runs(run: Run, results: Path) -> list[Record]:
    """Records of runs that ended well and are equal to this one but for the seed: of its digest, else of the
    newest with other code or data.
    """
    found: list[Record] = []
    for root in (*roots(results), *roots(REFERENCE)):
        for path in root.glob(f"{run.key['dataset']}/{run.key['model']}/*/seed-*"):
            with contextlib.suppress(UserError):  # whatever is wrong there is told where it matters
                record = read_record(path)
                if ended_well(record):
                    found.append(record)
    equal = [r for r in found if all(r["key"].get(name) == run.key[name] for name in SAME)]
    newest = max(equal, key=lambda r: (r["digest"] == run.digest, r.get("started", "")), default=None)
    return [record for record in equal if newest is not None and record["digest"] == newest["digest"]]


def _by_processor(run: Run, record: Record) -> bool:
    """Whether a record's processor seconds say how long such a run takes: where it has one thread."""
    return run.device == "cpu" and run.threads == 1 and "cpu_seconds" in record


def _recorded(run: Run, records: Sequence[Record]) -> Cost:
    stages, whole = "seconds", "wall_seconds"  # of the last sitting
    if all(_by_processor(run, record) for record in records):
        stages, whole = "cpu_seconds", "run_cpu_seconds"
    seconds = median(max(record[whole], sum(record[stages].values())) for record in records)
    memory = max(record["peak_memory_mb"]["process"] for record in records)
    return Cost(seconds, memory, recorded=True)


def _pace(timed: Iterable[tuple[Mapping[str, float], Run, Sequence[Record]]]) -> float | None:
    """Seconds found here for each second in the records, of the stages that both have.

    Args:
        timed: (seconds of each stage, run, records of such runs).
    """
    here = then = 0.0
    for stages, run, records in timed:
        found = [record["cpu_seconds" if _by_processor(run, record) else "seconds"] for record in records]
        both = set(stages).intersection(*found)  # records may be of code that had other stages
        here += sum(stages[name] for name in both)
        then += sum(seconds[name] for seconds in found for name in both) / len(records)
    return here / then if then else None


def _makespan(seconds: Iterable[float], jobs: int) -> float:
    """Seconds until the last of these runs ends, `jobs` at a time, in their order."""
    ends = [0.0] * jobs
    for value in seconds:
        heapq.heapreplace(ends, ends[0] + value)
    return max(ends)


def duration(seconds: float) -> str:
    """How long that is, in words."""
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 50:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"about {hours:.2g} hours" if hours < 48 else f"about {hours / 24:.2g} days"
