"""The command line: python -m benchmark COMMAND, each with a --help of its own."""

import argparse
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.options import (
    add_finished_runs,
    add_places,
    add_plugins,
    add_reading,
    add_results,
    images,
    names,
    positive,
)
from benchmark.cli.run_options import add_run_options
from benchmark.errors import DISK_ERRORS, UserError, unknown

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]

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
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
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
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)
    _add_run(commands)
    _add_evaluate(commands)
    _add_fid(commands)
    _add_tables(commands)
    _add_show(commands)
    _add_data(commands)
    _add_predict(commands)
    _add_gpu_check(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def _add_run(commands: "Commands") -> None:
    run = commands.add_parser("run", help="train models on a data set and print the table", epilog=EPILOG)
    run.set_defaults(command="run:run")
    add_run_options(run)
    add_results(run)
    add_plugins(run)
    add_reading(run)


def _add_evaluate(commands: "Commands") -> None:
    evaluate = commands.add_parser(
        "evaluate", help="measure the metrics of finished runs again, into their records"
    )
    evaluate.set_defaults(command="evaluate:evaluate")
    add_finished_runs(evaluate)
    evaluate.add_argument(
        "--again", action="store_true", help="also of runs that have every metric of today's version"
    )


def _add_fid(commands: "Commands") -> None:
    """FID of finished runs, and what it is measured with."""
    fid = commands.add_parser("fid", help="measure FID of finished runs, into their records")
    fid.set_defaults(command="evaluate:fid")
    add_finished_runs(fid)
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

    weights = commands.add_parser("fid-weights", help="fetch the Inception weights of FID, verified")
    weights.set_defaults(command="evaluate:fid_weights")

    classifier = commands.add_parser("fid-classifier", help="train the classifier of FID-clf for a data set")
    classifier.set_defaults(command="evaluate:fid_classifier")
    classifier.add_argument("dataset", metavar="NAME|PATH")
    classifier.add_argument(
        "--out", type=Path, metavar="FILE.npz", help="where to write it (default: into the data folder)"
    )
    add_plugins(classifier)
    add_reading(classifier)


def _add_tables(commands: "Commands") -> None:
    """What reads the records of a results folder."""
    status = commands.add_parser(
        "status", help="which runs have ended, run, wait or failed, here and on SLURM"
    )
    status.set_defaults(command="status:print_status")

    tables = commands.add_parser("tables", help="write the tables of everything under a results folder")
    tables.set_defaults(command="tables:tables")
    tables.add_argument(
        "--paper", metavar="NAME", help="a paper's numbers next to ours; docs/papers.md has the names"
    )
    tables.add_argument("--study", metavar="NAME", help="only the table of a named study")

    report = commands.add_parser("report", help="write one HTML page of everything under a results folder")
    report.set_defaults(command="tables:report")

    label_free = commands.add_parser(
        "label-free", help="what scores without labels are worth: their correlation with accuracy over seeds"
    )
    label_free.set_defaults(command="label_free:label_free")
    add_places(label_free)

    export = commands.add_parser(
        "export", help="copy records, and small pictures of one run per model, to be committed"
    )
    export.set_defaults(command="tables:export")
    export.add_argument(
        "target", type=Path, metavar="TARGET", help="folder to copy into, e.g. to be committed"
    )
    for command in (status, tables, report, label_free, export):
        add_results(command)


def _add_show(commands: "Commands") -> None:
    """What there is: models, data sets, this machine."""
    list_ = commands.add_parser("list", help="models and data sets, and plugins that could not be loaded")
    list_.set_defaults(command="show:print_list")
    add_plugins(list_)

    info = commands.add_parser(
        "info", help="what a model or data set is: hyper-parameters, presets, abilities, runs"
    )
    info.set_defaults(command="show:print_info")
    info.add_argument("name", nargs="?", help="default: which model has settings for which data set")
    add_results(info)
    add_plugins(info)
    add_reading(info)

    doctor = commands.add_parser("doctor", help="versions, device, data sets that are here or missing")
    doctor.set_defaults(command="show:print_doctor")


def _add_data(commands: "Commands") -> None:
    data = commands.add_parser("data", help="list, fetch, verify or show the data sets", epilog=EPILOG)
    data.set_defaults(command="data:data")
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
    add_plugins(data)


def _add_predict(commands: "Commands") -> None:
    predict = commands.add_parser("predict", help="assign data of your own with a trained run")
    predict.set_defaults(command="predict:predict")
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
    add_plugins(predict)


def _add_gpu_check(commands: "Commands") -> None:
    gpu_check = commands.add_parser(
        "gpu-check", help="test and time the suite on CUDA within 8 minutes, into one Markdown file"
    )
    gpu_check.set_defaults(command="gpu_check:gpu_check")
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
