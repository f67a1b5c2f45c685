"""The command line: python -m benchmark COMMAND, each with a --help of its own."""

import argparse
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.cli.options import add_reading, cluster_numbers, images, names, positive
from benchmark.errors import DISK_ERRORS, UserError, unknown
from benchmark.protocols import BUDGETS, PROTOCOLS

EPILOG = (
    "exit codes: 0 everything fine, 1 wrong usage or bad input, 2 some run did not end well, "
    "130 stopped by hand"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 gets what it can show
            stream.reconfigure(errors="replace")
    options, rest = _parser().parse_known_args(arguments)
    if rest:
        known = re.findall(r"--[\w-]+", options.parser.format_usage())
        options.parser.error(str(unknown("argument", rest[0], known)))
    try:
        module, function = options.command.split(":")
        # Imported when called: most commands need no torch.
        return int(getattr(importlib.import_module(f"benchmark.cli.{module}"), function)(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # e.g. `python -m benchmark list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(
            f"error: {error}; what was finished before is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return 1


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any):
        """No abbreviations: `--seed 1` would be `--seeds 1`, which is seed 0."""
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> None:  # type: ignore[override]
        """Usage errors exit with 1: in this suite, 2 says that a run did not end well."""
        self.print_usage(sys.stderr)
        self.exit(1, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmark", description=__doc__, epilog=EPILOG)
    subparsers = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)

    run = subparsers.add_parser("run", help="train models on a data set and print the table", epilog=EPILOG)
    run.add_argument(
        "--dataset",
        metavar="NAME|PATH",
        help=(
            "a name that `list` shows, or data of your own: a folder of images, .npz, .npy, .csv or .parquet,"
            " see docs/own-data.md (default: digits, or those of the paper or study)"
        ),
    )
    run.add_argument(
        "--models",
        type=names,
        default=(),
        metavar="A,B",
        help="names, or all (default: the five models, the baselines and your own, where they suit the data)",
    )
    run.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        help=(
            "how the data are divided into what is fitted and what "
            "is evaluated, see docs/protocols.md (default: neutral)"
        ),
    )
    run.add_argument(
        "--paper",
        metavar="NAME",
        help=(
            "the runs behind a paper's table, and that table; docs/papers.md has the names. With --dataset"
            " only that data set"
        ),
    )
    run.add_argument(
        "--study", metavar="NAME", help="the runs of a named study, as `list` shows them, and its table"
    )
    run.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="seeds 0 to N-1 (default: 3; 5 for a range of clusters; as many as the paper or the study has)",
    )
    run.add_argument(
        "--budget",
        choices=BUDGETS,
        help=(
            "paper: the source's number of steps; hour: about one hour of one CPU "
            "core; quick: minutes; smoke: seconds, to see that it runs (default: quick)"
        ),
    )
    run.add_argument(
        "--clusters",
        type=cluster_numbers,
        default=(),
        metavar="K|A:B",
        help=(
            "number of clusters (default: number of classes); a range as 5:20, 5:20:3 or 4,6,8 is run whole,"
            " and what it says of the right number is reported, see docs/own-data.md"
        ),
    )
    run.add_argument(
        "--consensus",
        action="store_true",
        help="also write one partition from all seeds of each model, beside those of the seeds",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="[MODEL.]KEY=VALUE",
        dest="overrides",
        help="a hyper-parameter, as `info MODEL` lists them; may be given several times",
    )
    run.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    run.add_argument(
        "--eager",
        action="store_true",
        help="on CUDA: don't replay training steps as CUDA graphs, see docs/gpu.md",
    )
    run.add_argument(
        "--snapshots",
        type=positive,
        default=0,
        metavar="N",
        help="keep N states of each training and measure them afterwards: learning.csv, accuracy over time",
    )
    run.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="runs at a time (default: one for every --threads cores, or one on CUDA)",
    )
    run.add_argument(
        "--threads", type=positive, metavar="N", help="threads per run (default: 1 on a CPU, 4 on CUDA)"
    )
    run.add_argument(
        "--fid",
        choices=("clf", "inception"),
        help=(
            "inception: also FID with the Inception network, after the runs have ended where there is no GPU:"
            " a fifth of a second per image and core (default: FID-clf only; on CUDA both, where the weights"
            " are there)"
        ),
    )
    run.add_argument(
        "--fid-n",
        type=images,
        default=10_000,
        metavar="N",
        help="images a side for FID (default: %(default)s, or all there are)",
    )
    run.add_argument(
        "--time-limit",
        type=positive,
        metavar="SECONDS",
        help="end a run that takes longer (default: no limit)",
    )
    run.add_argument(
        "--retry",
        action="store_true",
        help="also make runs again that failed, diverged, ran out of memory or time",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be run, and why (with slurm: the scripts), and stop",
    )
    run.add_argument(
        "--executor",
        choices=("local", "slurm"),
        default="local",
        help="slurm: as jobs on a cluster, see docs/slurm.md (default: %(default)s)",
    )
    run.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=(
            "what the jobs ask for: partition, account, qos, time, gpus, cpus, memory, parallel (jobs at a"
            " time), requeues, sbatch.OPTION; several times"
        ),
    )
    run.add_argument("--slurm-file", type=Path, metavar="FILE.toml", help="the same in a file")
    run.add_argument(
        "--per-gpu",
        type=positive,
        metavar="N",
        help="runs of a model that share a job and its GPU (default: 1)",
    )
    run.add_argument(
        "--detach",
        action="store_true",
        help="with slurm: submit and return; the same command follows the jobs",
    )
    run.set_defaults(command="run:run")

    evaluate = subparsers.add_parser(
        "evaluate", help="measure the metrics of finished runs again, into their records"
    )
    evaluate.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a results folder, or any folder below it"
    )
    evaluate.add_argument(
        "--again", action="store_true", help="also of runs that have every metric of today's version"
    )
    evaluate.set_defaults(command="evaluate:evaluate")

    fid = subparsers.add_parser("fid", help="measure FID of finished runs, into their records")
    fid.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a results folder, or any folder below it"
    )
    fid.add_argument(
        "--extractors",
        type=names,
        default=("inception",),
        metavar="A,B",
        help="inception (default), clf, or both",
    )
    fid.add_argument(
        "--fid-n", type=images, default=10_000, metavar="N", help="images a side (default: %(default)s)"
    )
    fid.add_argument(
        "--draws",
        type=positive,
        metavar="N",
        help="sets of samples (default: 3, or 1 for inception on a CPU)",
    )
    fid.add_argument(
        "--references",
        action="store_true",
        help="also the values to compare with: of real images, and of a Gaussian per class",
    )
    fid.add_argument(
        "--per-cluster", action="store_true", help="also each cluster against the real images assigned to it"
    )
    fid.set_defaults(command="evaluate:fid")

    status = subparsers.add_parser(
        "status", help="which runs have ended, run, wait or failed, here and on SLURM"
    )
    status.set_defaults(command="status:print_status")
    tables = subparsers.add_parser("tables", help="write the tables of everything under a results folder")
    tables.add_argument(
        "--paper",
        metavar="NAME",
        help="a paper's numbers next to ours; docs/papers.md has the names",
    )
    tables.add_argument("--study", metavar="NAME", help="only the table of a named study")
    tables.set_defaults(command="tables:tables")
    report = subparsers.add_parser("report", help="write one HTML page of everything under a results folder")
    report.set_defaults(command="tables:report")
    label_free = subparsers.add_parser(
        "label-free", help="what scores without labels are worth: their correlation with accuracy over seeds"
    )
    label_free.set_defaults(command="label_free:label_free")
    export = subparsers.add_parser(
        "export",
        help="copy records, and small pictures of one run per model, to be committed",
    )
    export.add_argument(
        "target", type=Path, metavar="TARGET", help="folder to copy into, e.g. to be committed"
    )
    export.set_defaults(command="tables:export")
    for command in (run, status, tables, report, label_free, export):
        command.add_argument(
            "--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s"
        )

    list_ = subparsers.add_parser("list", help="models and data sets, and plugins that could not be loaded")
    list_.set_defaults(command="show:print_list")
    info = subparsers.add_parser(
        "info", help="what a model or data set is: hyper-parameters, presets, abilities, runs"
    )
    info.add_argument("name", nargs="?", help="default: which model has settings for which data set")
    info.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s"
    )
    info.set_defaults(command="show:print_info")
    data = subparsers.add_parser("data", help="list, fetch, verify or show the data sets", epilog=EPILOG)
    data.add_argument(
        "action",
        choices=("list", "fetch", "verify", "show"),
        nargs="?",
        default="list",
        help=(
            "fetch: download; verify: read whole and compare digests; show: counts, range, digests, and a "
            "contact sheet (default: %(default)s)"
        ),
    )
    data.add_argument(
        "names", nargs="*", metavar="NAME", help="data sets (verify: all that are here, by default)"
    )
    data.add_argument(
        "--out", type=Path, default=Path("."), metavar="DIR", help="of contact sheets (default: %(default)s)"
    )
    data.set_defaults(command="data:data")
    for command in (evaluate, fid):
        command.add_argument(
            "--data",
            type=Path,
            action="append",
            default=[],
            metavar="PATH",
            help="where own data are now, if they are no longer where the run found them; several times",
        )
    predict = subparsers.add_parser("predict", help="assign data of your own with a trained run")
    predict.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, .../seed-N")
    predict.add_argument(
        "points", type=Path, metavar="DATA", help="as the run's own data, see docs/own-data.md"
    )
    predict.add_argument(
        "--out",
        type=Path,
        default=Path("clusters.csv"),
        metavar="FILE.csv",
        help="a row for each point: name, cluster, probability (default: %(default)s)",
    )
    predict.set_defaults(command="predict:predict")
    for command in (run, evaluate, fid, predict, list_, info, data):
        command.add_argument(
            "--plugin",
            action="append",
            default=[],
            metavar="FILE.py",
            dest="plugins",
            help="a file with models or data sets of your own; may be given several times",
        )
    doctor = subparsers.add_parser("doctor", help="versions, device, data sets that are here or missing")
    doctor.set_defaults(command="show:print_doctor")

    gpu_check = subparsers.add_parser(
        "gpu-check", help="test and time the suite on CUDA within 8 minutes, into one Markdown file"
    )
    gpu_check.add_argument(
        "--out", type=Path, default=Path("gpu-check.md"), metavar="FILE.md", help="default: %(default)s"
    )
    gpu_check.add_argument(
        "--models",
        type=names,
        default=(),
        metavar="A,B",
        help="default: those of `run` that have training steps",
    )
    gpu_check.add_argument(
        "--device",
        choices=("cuda", "cpu"),
        default="cuda",
        help="cpu: the same parts in a small form, to try it (default: %(default)s)",
    )
    gpu_check.set_defaults(command="gpu_check:gpu_check")

    fid_weights = subparsers.add_parser("fid-weights", help="fetch the Inception weights of FID, verified")
    fid_weights.set_defaults(command="evaluate:fid_weights")
    classifier = subparsers.add_parser(
        "fid-classifier", help="train the classifier of FID-clf for a data set"
    )
    classifier.add_argument("dataset", metavar="NAME|PATH")
    classifier.add_argument(
        "--out", type=Path, metavar="FILE.npz", help="where to write it (default: into the data folder)"
    )
    classifier.add_argument(
        "--plugin", action="append", default=[], metavar="FILE.py", dest="plugins", help="as for run"
    )
    classifier.set_defaults(command="evaluate:fid_classifier")
    for command in (run, info, classifier):
        add_reading(command)
    for command in subparsers.choices.values():
        command.set_defaults(parser=command)

    return parser
