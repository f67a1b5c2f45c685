"""The command line: python -m benchmark run | status | tables | report | fid | list | info | data | doctor."""

import argparse
import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.executors.slurm_options import SlurmOptions
    from benchmark.sweep import Request

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
EPILOG = """exit codes: 0 everything fine, 1 wrong usage or bad input, 2 some cell did not end well, 130 stopped by hand"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # e.g. `python -m benchmark list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(f"error: {error}; what was finished before is kept, the same command goes on from there", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """Usage errors exit with 1: in this suite, 2 says that a cell did not end well."""
        self.print_usage(sys.stderr)
        self.exit(1, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmark", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)

    run = commands.add_parser("run", help="train models on a data set and print the table", epilog=EPILOG)
    run.add_argument("--dataset", metavar="NAME|FILE.npz", help="a name that `list` shows, or an own file "
                     "with an array X and optionally y (default: digits, or those of the sweep)")
    run.add_argument("--models", type=_names, default=(), metavar="A,B", help="default: all that suit the data")
    run.add_argument("--protocol", choices=("neutral", "paper"), default="neutral", help="paper: all runs that the papers' own "
                     "tables need on this data set, for `tables --paper` (default: %(default)s)")
    run.add_argument("--sweep", metavar="NAME", help="the runs of a named sweep, as `list` shows them, for `tables --sweep`")
    run.add_argument("--seeds", type=_positive, metavar="N", help="seeds 0 to N-1 (default: 3, or as many as the paper or the "
                     "sweep has)")
    run.add_argument("--budget", choices=("paper", "quick", "smoke"), help="paper: the source's number of steps; quick: "
                     "minutes on one CPU core; smoke: seconds, to see that it runs (default: paper on CUDA, quick on a CPU)")
    run.add_argument("--clusters", type=int, metavar="K", help="number of clusters (default: number of classes)")
    run.add_argument("--set", action="append", default=[], metavar="[MODEL.]KEY=VALUE", dest="overrides",
                     help="a hyper-parameter, as `info MODEL` lists them; may be given several times")
    run.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    run.add_argument("--jobs", type=_positive, metavar="N", help="cells at a time (default: one per core, or one on CUDA)")
    run.add_argument("--threads", type=_positive, metavar="N", help="threads per cell (default: 1 on a CPU, 4 on CUDA)")
    run.add_argument("--fid", choices=("clf", "inception"), help="inception: also FID with the Inception network, after the "
                     "cells have ended where there is no GPU: a fifth of a second per image and core (default: FID-clf only; on "
                     "CUDA both, where the weights are there)")
    run.add_argument("--fid-n", type=_positive, default=10_000, metavar="N", help="images a side for FID (default: %(default)s, "
                     "or all there are)")
    run.add_argument("--time-limit", type=_positive, metavar="SECONDS", help="end a cell that takes longer (default: no limit)")
    run.add_argument("--retry", action="store_true", help="also run cells again that failed, diverged, ran out of memory or time")
    run.add_argument("--dry-run", action="store_true", help="say what would be run, and why (with slurm: the scripts), and stop")
    run.add_argument("--executor", choices=("local", "slurm"), default="local", help="slurm: as jobs on a cluster, see "
                     "docs/slurm.md (default: %(default)s)")
    run.add_argument("--slurm", action="append", default=[], metavar="KEY=VALUE", help="what the jobs ask for: partition, "
                     "account, qos, time, gpus, cpus, memory, parallel (jobs at a time), requeues, sbatch.OPTION; several times")
    run.add_argument("--slurm-file", type=Path, metavar="FILE.toml", help="the same in a file")
    run.add_argument("--per-gpu", type=_positive, metavar="N", help="cells of a model that share a job and its GPU (default: 1)")
    run.add_argument("--detach", action="store_true", help="with slurm: submit and return; the same command follows the jobs")
    run.set_defaults(command=_run)

    fid = commands.add_parser("fid", help="measure FID of finished cells, into their records")
    fid.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="a results folder, or any folder below it")
    fid.add_argument("--extractors", type=_names, default=("inception",), metavar="A,B", help="inception (default), clf, or both")
    fid.add_argument("--fid-n", type=_positive, default=10_000, metavar="N", help="images a side (default: %(default)s)")
    fid.add_argument("--draws", type=_positive, metavar="N", help="sets of samples (default: 3, or 1 for inception on a CPU)")
    fid.add_argument("--references", action="store_true", help="also the values to compare with: of real images, and of a "
                     "Gaussian per class")
    fid.add_argument("--per-cluster", action="store_true", help="also each cluster against the real images assigned to it")
    fid.set_defaults(command=_fid)

    status = commands.add_parser("status", help="which cells have ended, run, wait or failed, here and on SLURM")
    status.set_defaults(command=_status)
    tables = commands.add_parser("tables", help="write the tables of everything under a results folder")
    tables.add_argument("--paper", metavar="NAME", help="a paper's numbers next to ours: clustergan, gmvae, kvaes, mpcc or vade")
    tables.add_argument("--sweep", metavar="NAME", help="only the table of a named sweep")
    tables.set_defaults(command=_tables)
    report = commands.add_parser("report", help="write one HTML page of everything under a results folder")
    report.set_defaults(command=_report)
    for command in (run, status, tables, report):
        command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")

    list_ = commands.add_parser("list", help="models and data sets, and plugins that could not be loaded")
    list_.set_defaults(command=_list)
    info = commands.add_parser("info", help="what a model or data set is: hyper-parameters, presets, abilities, runs")
    info.add_argument("name", nargs="?", help="default: which model has settings for which data set")
    info.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    info.set_defaults(command=_info)
    data = commands.add_parser("data", help="list, fetch, verify or show the data sets", epilog=EPILOG)
    data.add_argument("action", choices=("list", "fetch", "verify", "show"), nargs="?", default="list",
                      help="fetch: download; verify: read whole and compare digests; show: counts, range, digests, and a "
                      "contact sheet (default: %(default)s)")
    data.add_argument("names", nargs="*", metavar="NAME", help="data sets (verify: all that are here, by default)")
    data.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="of contact sheets (default: %(default)s)")
    data.set_defaults(command=_data)
    for command in (run, fid, list_, info, data):
        command.add_argument("--plugin", action="append", default=[], metavar="FILE.py", dest="plugins",
                             help="a file with models or data sets of your own; may be given several times")
    commands.add_parser("doctor", help="versions, device, data sets that are here or missing").set_defaults(command=_doctor)

    commands.add_parser("fid-weights", help="fetch the Inception weights of FID, verified").set_defaults(command=_fid_weights)
    classifier = commands.add_parser("fid-classifier", help="train the classifier of FID-clf for a data set")
    classifier.add_argument("dataset", metavar="NAME|FILE.npz")
    classifier.add_argument("--out", type=Path, metavar="FILE.npz", help="where to write it (default: into the data folder)")
    classifier.add_argument("--plugin", action="append", default=[], metavar="FILE.py", dest="plugins", help="as for run")
    classifier.set_defaults(command=_fid_classifier)

    cell = commands.add_parser("_cell")  # no help: not listed; run by the executor
    cell.add_argument("folder", type=Path)
    cell.add_argument("progress", type=int)
    cell.set_defaults(command=_cell)
    probe = commands.add_parser("_probe")  # not listed either; run on a node
    probe.add_argument("token", type=Path)
    probe.add_argument("device")
    probe.add_argument("data", type=Path, nargs="?")
    probe.set_defaults(command=_probe)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} was given, expected a whole number of at least 1")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _run(options: argparse.Namespace) -> int:
    from benchmark import campaigns, sweep
    from benchmark.executors.local import LocalExecutor
    from benchmark.executors.slurm import SlurmExecutor
    from benchmark.papers import sweep_tables
    from benchmark.progress import Progress
    from benchmark.provenance import available_cores
    from benchmark.tables import build

    slurm = _slurm_options(options)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)
    plan = sweep.join([sweep.make_plan(request) for request in _requests(options, slurm)])
    for where, why in plan.failures.items():
        print(f"note: {where} could not be loaded: {why}", file=sys.stderr)
    results: Path = options.results
    todo = sweep.remaining(plan, results, options.retry)
    jobs = slurm.parallel * slurm.per_gpu if slurm else options.jobs or (available_cores() if plan.device == "cpu" else 1)
    print(
        f"{plan.title}: {plan.budget} budget on {plan.device}, {len(plan.cells)} cells, "
        f"{len(plan.cells) - len(todo)} of them done, {jobs} at a time; results in {results}",
        file=sys.stderr,
    )
    if options.dry_run:
        for cell in todo:
            print(f"{cell.title}: {sweep.why_not_done(cell, results)}")
        if slurm:
            print(*SlurmExecutor(results, slurm, options.time_limit).scripts(todo), sep="\n")
        return 0
    if slurm and options.detach:
        SlurmExecutor(results, slurm, options.time_limit).submit(todo)
        print("`python -m benchmark status` shows the jobs; the same command without --detach follows them", file=sys.stderr)
        return 0
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


def _fid(options: argparse.Namespace) -> int:
    import torch

    from benchmark.errors import unknown
    from benchmark.generation import EXTRACTORS, Wanted
    from benchmark.remeasure import finished, remeasure

    for name in set(options.extractors) - set(EXTRACTORS):
        raise unknown("extractor", name, EXTRACTORS)
    folders = finished(options.folders)
    try:
        draws = 1 if "inception" in options.extractors and not torch.cuda.is_available() else Wanted.draws
        wanted = Wanted(options.fid_n, options.draws or draws, options.references, options.per_cluster)
        failures = remeasure(folders, options.extractors, wanted, options.plugins)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    for folder, reason in failures.items():
        print(f"{folder}: {reason}", file=sys.stderr)
    print(f"{len(folders) - len(failures)} of {len(folders)} cells have what was asked for; `tables` shows it", file=sys.stderr)
    return 2 if failures else 0


def _fid_weights(options: argparse.Namespace) -> int:
    from benchmark.data import data_folder
    from benchmark.fid.weights import obtain

    print(f"the FID weights are in {obtain(data_folder())}, verified")
    return 0


def _fid_classifier(options: argparse.Namespace) -> int:
    import torch

    from benchmark.data import data_folder, dataset_digest
    from benchmark.fid.classifier import made_here
    from benchmark.generation import Unavailable, train_classifier
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
        return campaigns.paper_requests(options.dataset or "digits", options.models, common, options.seeds)
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


def _tables(options: argparse.Namespace) -> int:
    from benchmark.campaigns import sweep
    from benchmark.comparisons import comparison_tables, overall_table, pairwise_table
    from benchmark.papers import paper_tables, sweep_tables
    from benchmark.published import paper
    from benchmark.results import all_records
    from benchmark.tables import Table, build

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


def _report(options: argparse.Namespace) -> int:
    from benchmark.report import write_report
    from benchmark.results import all_records

    if not any(all_records(options.results)):
        raise UserError(f"there are no records under {options.results / 'runs'}; `python -m benchmark run` makes some")
    print(write_report(options.results))
    return 0


def _list(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_list(options.plugins)


def _info(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_info(options.name, options.plugins, options.results)


def _data(options: argparse.Namespace) -> int:
    from benchmark import data_tool

    return data_tool.main(options.action, options.names, options.plugins, options.out)


def _doctor(options: argparse.Namespace) -> int:
    from benchmark import inspection

    return inspection.print_doctor()


def _status(options: argparse.Namespace) -> int:
    from benchmark.status import print_status

    return print_status(options.results)


def _probe(options: argparse.Namespace) -> int:
    from benchmark.executors.slurm_queue import answer_probe

    return answer_probe(options.token, options.device, options.data)


def _cell(options: argparse.Namespace) -> int:
    from benchmark.executors.local import serve

    return serve(options.folder, options.progress)
