"""What each command of `python -m benchmark` does. Imports on demand: most commands need no torch.

A command takes the parsed options and returns the exit code.
"""

import argparse
import contextlib
import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.executors.slurm_options import SlurmOptions
    from benchmark.sweep import Request


def run(options: argparse.Namespace) -> int:
    from benchmark import campaigns, sweep
    from benchmark.executors.local import LocalExecutor
    from benchmark.executors.slurm import SlurmExecutor
    from benchmark.papers import sweep_tables
    from benchmark.progress import Progress
    from benchmark.provenance import available_cores
    from benchmark.tables import build

    slurm = _slurm_options(options)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) != signal.SIG_IGN:  # under nohup the sweep outlives its terminal
            signal.signal(signum, signal.default_int_handler)
    plan = sweep.make_plan(*_requests(options, slurm))
    for where, why in plan.failures.items():
        print(f"note: {where} could not be loaded: {why}", file=sys.stderr)
    if not plan.cells:
        reasons = "; ".join(f"{model}: {why}" for model, why in plan.skipped.items())
        raise UserError(f"no model of this run can be used on {plan.title} ({reasons})")
    results: Path = options.results
    todo = sweep.remaining(plan, results, options.retry)
    jobs = slurm.parallel * slurm.per_gpu if slurm else options.jobs or (available_cores() if plan.device == "cpu" else 1)
    print(
        f"{plan.title}: {plan.budget} budget on {plan.device}, {len(plan.cells)} cells, "
        f"{len(plan.cells) - len(todo)} of them done, {jobs} at a time; results in {results}",
        file=sys.stderr,
    )
    if options.dry_run:
        for digest, cells in itertools.groupby(todo, key=lambda cell: cell.digest):
            missing = list(cells)
            settings = ", ".join(f"{name} = {value}" for name, value in missing[0].key["config"].items())
            print(f"{missing[0].key['model']} {digest}: {settings}")
            for cell in missing:
                print(f"  {cell.title}: {sweep.why_not_done(cell, results)}")
        if slurm:
            print(*SlurmExecutor(results, slurm, options.time_limit).scripts(todo), sep="\n")
        return 0
    if slurm and options.detach:
        SlurmExecutor(results, slurm, options.time_limit).submit(todo)
        print("`python -m benchmark status` shows the jobs; the same command without --detach follows them", file=sys.stderr)
        return 0
    if slurm and options.fid == "inception" and plan.device == "cpu":
        print(f"note: jobs on CPUs leave FID out; `python -m benchmark fid {results}` adds it", file=sys.stderr)
    with contextlib.nullcontext() if slurm else sweep.only_local_sweep(results, todo):
        progress = Progress(len(todo), jobs)
        follow = (progress.start, progress.update, progress.end)
        try:
            if slurm:
                SlurmExecutor(results, slurm, options.time_limit).run(todo, *follow)
            else:
                LocalExecutor(jobs, options.time_limit, *follow).run([(cell, cell.folder(results)) for cell in todo])
                if options.fid == "inception":  # not on SLURM: its login nodes are not for computing
                    _fid_afterwards([cell.folder(results) for cell in plan.cells], options)
        except KeyboardInterrupt:
            print("stopped; the same command goes on where this one was", file=sys.stderr)
            return 130
        finally:
            progress.close()
        records = [sweep.final_record(cell, results) for cell in plan.cells]
        titles = {plan.cells[0].key["dataset"]: plan.title} if len({cell.key["dataset"] for cell in plan.cells}) == 1 else {}
        tables = build(records, titles, plan.skipped)
        if options.sweep:
            tables = sweep_tables(campaigns.sweep(options.sweep), records)
        for table in tables:
            path = table.write(results / "tables")
            print(f"{table.markdown()}\n{path}, and as .csv and .tex beside it")
        if str(options.dataset).endswith(".npz"):
            print("cluster of every point, for each seed:")
            for folder in dict.fromkeys(cell.folder(results).parent for cell in plan.cells):
                print(f"  {folder}/seed-*/assignments.csv")
    return 0 if all(record["status"] == "ok" for record in records) else 2


def _fid_afterwards(folders: list[Path], options: argparse.Namespace) -> None:
    """FID of those cells that have ended well and lack it, in a process of its own, which says what it could not do."""
    from benchmark.results import read_record

    good = [folder for folder in folders if (record := read_record(folder)) is not None and record["status"] == "ok"]
    if good:
        plugins = [word for plugin in options.plugins for word in ("--plugin", plugin)]
        command = [sys.executable, "-m", "benchmark", "fid", *map(str, good), "--fid-n", str(options.fid_n), *plugins]
        subprocess.run(command)


def fid(options: argparse.Namespace) -> int:
    from benchmark.errors import unknown
    from benchmark.generation import EXTRACTORS, Wanted
    from benchmark.remeasure import finished, remeasure

    for name in set(options.extractors) - set(EXTRACTORS):
        raise unknown("extractor", name, EXTRACTORS)
    if not options.extractors:
        raise UserError(f"--extractors: no name was given, expected {' or '.join(EXTRACTORS)}")
    folders = finished(options.folders)
    try:
        wanted = Wanted(options.fid_n, options.draws, options.references, options.per_cluster)
        failures = remeasure(folders, options.extractors, wanted, options.plugins)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    for folder, reason in failures.items():
        print(f"{folder}: {reason}", file=sys.stderr)
    print(f"{len(folders) - len(failures)} of {len(folders)} cells have what was asked for; `tables` shows it", file=sys.stderr)
    return 2 if failures else 0


def fid_weights(options: argparse.Namespace) -> int:
    from benchmark.data import data_folder
    from benchmark.fid.weights import obtain

    print(f"the FID weights are in {obtain(data_folder())}, verified")
    return 0


def fid_classifier(options: argparse.Namespace) -> int:
    import torch

    from benchmark.data import data_folder, dataset_digest
    from benchmark.fid.classifier import made_here
    from benchmark.generation import train_classifier
    from benchmark.real_images import Unavailable
    from benchmark.registry import Registry

    registry = Registry(options.plugins)
    dataset = registry.dataset(options.dataset, data_folder())
    dataset.fetch()
    digest = dataset_digest(dataset)
    try:
        trained = train_classifier(dataset, digest, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    except Unavailable as reason:
        raise UserError(f"no classifier can be trained on {dataset.name}: {reason}") from None
    path = options.out or made_here(data_folder(), digest)
    trained.save(path)
    print(f"{path}: accuracy {trained.info['accuracy']:.4f} on {trained.info['held_out']} points that it was not trained on")
    return 0


def _requests(options: argparse.Namespace, slurm: "SlurmOptions | None") -> "list[Request]":
    from benchmark import campaigns
    from benchmark.sweep import Request

    device = slurm.device(options.device) if slurm else options.device
    common = {"budget": options.budget, "device": device, "plugins": tuple(options.plugins), "threads": options.threads,
              "fid": options.fid, "fid_n": options.fid_n, "elsewhere": slurm is not None}  # fmt: skip
    if options.sweep or options.protocol == "paper":
        given = [name for name in ("overrides", "clusters") if getattr(options, name)]
        given += ["models"] if options.sweep and options.models else []
        if given or (options.sweep and options.protocol == "paper"):
            names = {"overrides": "--set", "clusters": "--clusters", "models": "--models"}
            raise UserError(
                f"{'--sweep' if options.sweep else '--protocol paper'} says itself which settings are run, "
                f"leave {' and '.join([names[n] for n in given] or ['--protocol'])} out"
            )
    if options.sweep:
        return campaigns.sweep_requests(campaigns.sweep(options.sweep), common, options.dataset, options.seeds)
    if options.protocol == "paper":
        if options.dataset is None:
            raise UserError("--protocol paper: say on which data set, e.g. --dataset mnist (DATASET=mnist)")
        return campaigns.paper_requests(options.dataset, options.models, common, options.seeds)
    dataset, seeds = options.dataset or "digits", options.seeds or 3
    return [Request(dataset, options.models, seeds, overrides=_overrides(options), clusters=options.clusters, **common)]


def _slurm_options(options: argparse.Namespace) -> "SlurmOptions | None":
    from benchmark.executors.slurm import require_slurm
    from benchmark.executors.slurm_options import SlurmOptions

    if options.executor != "slurm":
        if options.slurm or options.slurm_file or options.per_gpu or options.detach:
            raise UserError("--slurm, --slurm-file, --per-gpu and --detach need --executor slurm")
        return None
    if options.jobs:
        raise UserError("--jobs is for this machine; on SLURM, --slurm parallel=N bounds the number of jobs at a time")
    require_slurm()
    return SlurmOptions.read(options.slurm_file, options.slurm, options.per_gpu, options.device)


def _overrides(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    """--set texts as {model: {key: value}}; a key without a model is for the one model of the run."""
    found: dict[str, dict[str, str]] = {}
    for text in options.overrides:
        name, equals, value = text.partition("=")
        model, dot, key = name.rpartition(".")
        if not (equals and key):
            raise UserError(f"--set {text}: expected [MODEL.]KEY=VALUE")
        if not dot and len(options.models) != 1:
            raise UserError(f"--set {text}: this run has several models, so say which: --set MODEL.{text}")
        found.setdefault(model or options.models[0], {})[key] = value
    return found


def tables(options: argparse.Namespace) -> int:
    from benchmark.campaigns import sweep
    from benchmark.comparisons import comparison_tables, overall_table, pairwise_table
    from benchmark.papers import paper_tables, sweep_tables
    from benchmark.published import paper
    from benchmark.results import all_records
    from benchmark.tables import Table, build

    if options.paper and options.sweep:
        raise UserError("--paper and --sweep are tables of their own, ask for one at a time")
    records = [record for _, record in all_records(options.results)]
    if not records and not options.paper:
        raise UserError(f"there are no records under {options.results / 'runs'}; `python -m benchmark run` makes some")
    if options.paper:
        tables = paper_tables(paper(options.paper), records)
    elif options.sweep:
        if not (tables := sweep_tables(sweep(options.sweep), records)):
            raise UserError(f"there are no runs of this sweep; `python -m benchmark run --sweep {options.sweep}` makes them")
    else:
        budgets = sorted({record["key"]["budget"] for record in records})
        overall = [make(records, budget) for budget in budgets for make in (overall_table, pairwise_table)]
        tables = [*build(records), *comparison_tables(records), *(table for table in overall if isinstance(table, Table))]
    for table in tables:
        print(f"{table.markdown()}\n{table.write(options.results / 'tables')}\n")
    return 0


def report(options: argparse.Namespace) -> int:
    from benchmark.report import write_report
    from benchmark.results import all_records

    if not any(all_records(options.results)):
        raise UserError(f"there are no records under {options.results / 'runs'}; `python -m benchmark run` makes some")
    print(write_report(options.results))
    return 0


def list_(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_list(options.plugins)


def info(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_info(options.name, options.plugins, options.results)


def data(options: argparse.Namespace) -> int:
    from benchmark import data_tool

    return data_tool.main(options.action, options.names, options.plugins, options.out)


def doctor(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_doctor()


def status(options: argparse.Namespace) -> int:
    from benchmark.status import print_status

    return print_status(options.results)


def probe(options: argparse.Namespace) -> int:
    from benchmark.executors.slurm_queue import answer_probe

    return answer_probe(options.token, options.device, options.data)


def cell(options: argparse.Namespace) -> int:
    from benchmark.executors.local import serve

    return serve(options.folder, options.progress)
