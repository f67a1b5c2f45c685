"""Command `run`. Imports on demand: a dry run or a wrong option needs little."""

import argparse
import contextlib
import itertools
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.requests import requests, require_seeds, slurm_options
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.records.assignments import Seeds
    from benchmark.records.run import Record, Run
    from benchmark.running.cost import Forecast
    from benchmark.running.executors.slurm import SlurmExecutor
    from benchmark.running.executors.slurm_options import SlurmOptions
    from benchmark.running.plan import Plan
    from benchmark.tables.table import Table

    Runs = list[tuple[Path, Record]]  # with their folders

WORTH_OPENING = {
    "clusters.png": "what each cluster is",
    "assignments.csv": "the cluster of every point",
    "samples.png": "new points of each cluster",
    "embedding.png": "a map of the points",
}


def run(options: argparse.Namespace) -> int:
    from benchmark.records.provenance import available_cores
    from benchmark.records.store import LEARNING
    from benchmark.running.cost import Forecast, forecast
    from benchmark.running.plan import make_plan, remaining

    slurm = slurm_options(options)
    require_seeds(options)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) != signal.SIG_IGN:  # under nohup the sweep outlives its terminal
            signal.signal(signum, signal.default_int_handler)
    plan = make_plan(*requests(options, slurm))
    for where, why in plan.failures.items():
        print(f"note: {where} could not be loaded: {why}", file=sys.stderr)
    if not plan.runs:
        reasons = "; ".join(f"{model}: {why}" for model, why in plan.skipped.items())
        raise UserError(f"no model of this run can be used on {plan.title} ({reasons})")
    todo = remaining(plan, options.results, options.retry)
    side_by_side = max(1, available_cores() // (options.threads or 1)) if plan.device == "cpu" else 1
    jobs = options.jobs or side_by_side
    if slurm:
        jobs = slurm.parallel * slurm.per_gpu
    n, bad = len(plan.runs), len(remaining(plan, options.results, retry=True)) - len(todo)
    retry = f" ({bad} ended badly; --retry makes them again)" if bad else ""
    print(
        f"{plan.title}: {plan.budget} budget on {plan.device}, {n} run{'s' if n > 1 else ''},"
        f" {n - len(todo)} of them done{retry}, {jobs} at a time; results in {options.results}",
        file=sys.stderr,
    )
    if options.snapshots:
        done = {*plan.runs} - {*todo}
        if without := sum(not (run.folder(options.results) / LEARNING).is_file() for run in done):
            print(
                f"note: {without} of the runs that are done have no {LEARNING}, which is made while they"
                " train; to make them again, name another folder with --results",
                file=sys.stderr,
            )
    # on SLURM this machine only waits
    ahead = Forecast({}) if slurm or not todo else forecast(todo, options.results, jobs)
    if ahead.costs or (todo and not slurm and plan.budget != "smoke"):
        print(ahead.summary(todo, jobs), file=sys.stderr)
    if options.dry_run:
        _explain(todo, ahead, options, slurm)
        return 0
    if slurm and options.detach:
        _slurm_executor(options, slurm).submit(todo)
        print(
            "`python -m benchmark status` shows the jobs; the same command without --detach follows them",
            file=sys.stderr,
        )
        return 0
    if slurm and options.fid == "inception" and plan.device == "cpu":
        print(
            f"note: jobs on CPUs leave FID out; `python -m benchmark fid {options.results}` adds it",
            file=sys.stderr,
        )
    return _run_all(plan, ahead.weights(todo), jobs, options, slurm)


def _explain(
    todo: "list[Run]", ahead: "Forecast", options: argparse.Namespace, slurm: "SlurmOptions | None"
) -> None:
    """Print what would be run with which settings, what it takes, and why it is not done."""
    from benchmark.running.plan import why_not_done

    for digest, group in itertools.groupby(todo, key=lambda run: run.digest):
        missing = list(group)
        settings = ", ".join(f"{name} = {value}" for name, value in missing[0].key["config"].items())
        print(f"{missing[0].key['model']} {digest}: {settings}")
        if digest in ahead.costs:
            print(f"  a run: {ahead.costs[digest]}")
        for run in missing:
            print(f"  {run.title}: {why_not_done(run, options.results)}")
    if slurm:
        print(*_slurm_executor(options, slurm).scripts(todo), sep="\n")


def _run_all(
    plan: "Plan",
    weights: "dict[Run, float]",
    jobs: int,
    options: argparse.Namespace,
    slurm: "SlurmOptions | None",
) -> int:
    """Have an executor make the runs, then write and print the tables of the whole plan.

    Args:
        weights: {run to be made: seconds that it is expected to take}.
    """
    from benchmark.records.assignments import seeds_together
    from benchmark.running.executors.local import LocalExecutor, only_local_sweep
    from benchmark.running.plan import final_record, remaining
    from benchmark.running.progress import Progress

    results: Path = options.results
    with contextlib.nullcontext() if slurm else only_local_sweep(results, list(weights)):
        # another sweep may have ended since these were found to be missing
        todo = [run for run in remaining(plan, results, options.retry) if run in weights]
        weights = {run: weights[run] for run in todo}
        progress = Progress(weights, jobs)
        follow = (progress.start, progress.update, progress.end)
        try:
            if slurm:
                _slurm_executor(options, slurm).run(todo, *follow)
            else:
                executor = LocalExecutor(jobs, options.time_limit, *follow)
                executor.run([(run, run.folder(results)) for run in todo])
                if options.fid == "inception":  # not on SLURM: its login nodes are not for computing
                    _fid_afterwards([run.folder(results) for run in plan.runs], options)
        except KeyboardInterrupt:
            print("stopped; the same command goes on where this one was", file=sys.stderr)
            return 130
        finally:
            progress.close()
        runs = [final_record(run, results) for run in plan.runs]
        if options.consensus:
            _write_consensus(runs, options)
        together = seeds_together(runs)
        for table in _tables(plan, runs, options, together):
            path = table.write(results / "tables")
            print(f"{table.markdown()}\n{path}, and as .csv and .tex beside it")
        _say_what_to_open(runs, options, together)
    return 0 if all(record["status"] == "ok" for _, record in runs) else 2


def _say_what_to_open(runs: "Runs", options: argparse.Namespace, together: "Seeds") -> None:
    """Print the files that are worth opening, of the first seed of the best model, and the command for the
    report; after a range of clusters, how to go on.
    """
    from benchmark.records.signs import best

    results: Path = options.results
    if (record := best([record for _, record in runs], together.agreement)) is None:
        return
    if len(options.clusters) > 1:
        print("the same command with one of these numbers shows its runs, which are kept: --clusters K")
    else:
        folder = next(folder for folder, other in runs if other is record)
        print(
            f"worth opening, of {record['key']['model']}, seed {record['seed']} (other runs have the same):"
        )
        for name in [name for name in WORTH_OPENING if (folder / name).is_file()][:3]:
            print(f"  {folder / name}: {WORTH_OPENING[name]}")
    where = "" if results == Path("results") else f" --results {shlex.quote(str(results))}"
    print(f"one page of everything: python -m benchmark report{where}")


def _tables(plan: "Plan", runs: "Runs", options: argparse.Namespace, together: "Seeds") -> "list[Table]":
    """The table that was asked for: a paper's, a study's, or that of each data set."""
    from benchmark.papers.published import paper
    from benchmark.papers.runs import study
    from benchmark.papers.study_tables import study_tables
    from benchmark.papers.tables import paper_tables
    from benchmark.tables.cluster_numbers import cluster_number_tables
    from benchmark.tables.means import build

    records = [record for _, record in runs]
    if options.paper:
        return paper_tables(paper(options.paper), records)
    if options.study:
        return study_tables(study(options.study), records)
    if len(options.clusters) > 1 and (found := cluster_number_tables(runs)):
        return found
    one_dataset = len({run.key["dataset"] for run in plan.runs}) == 1
    titles = {plan.runs[0].key["dataset"]: plan.title} if one_dataset else {}
    return build(records, titles, plan.skipped, together)


def _write_consensus(runs: "Runs", options: argparse.Namespace) -> None:
    """One partition from the seeds of each model, in a process of its own: it reads the data."""
    from benchmark.evaluation.consensus import write_consensus
    from benchmark.running import processes

    folders: dict[str, list[Path]] = {}
    for folder, record in runs:
        if record["status"] == "ok":
            folders.setdefault(record["digest"], []).append(folder)
    with processes.one() as process:
        for group in folders.values():
            if len(group) > 1:
                path = process.submit(write_consensus, group, options.plugins).result()
                print(f"consensus of {len(group)} seeds: {path}", file=sys.stderr)


def _slurm_executor(options: argparse.Namespace, slurm: "SlurmOptions") -> "SlurmExecutor":
    from benchmark.running.executors.slurm import SlurmExecutor

    return SlurmExecutor(options.results, slurm, options.time_limit)


def _fid_afterwards(folders: list[Path], options: argparse.Namespace) -> None:
    """FID of those runs that have ended well and lack it, in a process of its own, which says what it could
    not do.
    """
    from benchmark.records.store import ended_well, read_record

    good = [folder for folder in folders if ended_well(read_record(folder))]
    if good:
        plugins = [word for plugin in options.plugins for word in ("--plugin", plugin)]
        command = [
            sys.executable,
            "-m",
            "benchmark",
            "fid",
            *map(str, good),
            "--fid-n",
            str(options.fid_n),
            *plugins,
        ]
        subprocess.run(command)
