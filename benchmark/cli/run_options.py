"""The options of command `run`, in groups."""

import argparse
from pathlib import Path

from benchmark.cli.options import cluster_numbers, images, names, positive
from benchmark.protocols import BUDGETS, PROTOCOLS


def add_run_options(command: argparse.ArgumentParser) -> None:
    _add_what(command)
    _add_how(command)
    _add_where(command)


def _add_what(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what is run")
    group.add_argument(
        "--dataset",
        metavar="NAME|PATH",
        help=(
            "a name that `list` shows, or data of your own: a folder of images, .npz, .npy, .csv or .parquet,"
            " see docs/own-data.md (default: digits, or those of the paper or study)"
        ),
    )
    group.add_argument(
        "--models",
        type=names,
        default=(),
        metavar="A,B",
        help="names, or all (default: the five models, the baselines and your own, where they suit the data)",
    )
    group.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        help=(
            "how the data are divided into what is fitted and what "
            "is evaluated, see docs/protocols.md (default: neutral)"
        ),
    )
    group.add_argument(
        "--paper",
        metavar="NAME",
        help=(
            "the runs behind a paper's table, and that table; docs/papers.md has the names. With --dataset"
            " only that data set"
        ),
    )
    group.add_argument(
        "--study", metavar="NAME", help="the runs of a named study, as `list` shows them, and its table"
    )
    group.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="seeds 0 to N-1 (default: 3; 5 for a range of clusters; as many as the paper or the study has)",
    )
    group.add_argument(
        "--budget",
        choices=BUDGETS,
        help=(
            "paper: the source's number of steps; hour: about one hour of one CPU "
            "core; quick: minutes; smoke: seconds, to see that it runs (default: quick)"
        ),
    )
    group.add_argument(
        "--clusters",
        type=cluster_numbers,
        default=(),
        metavar="K|A:B",
        help=(
            "number of clusters (default: number of classes); a range as 5:20, 5:20:3 or 4,6,8 is run whole,"
            " and what it says of the right number is reported, see docs/own-data.md"
        ),
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="[MODEL.]KEY=VALUE",
        dest="overrides",
        help="a hyper-parameter, as `info MODEL` lists them; may be given several times",
    )


def _add_how(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("how it is run")
    group.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    group.add_argument(
        "--eager",
        action="store_true",
        help="on CUDA: don't replay training steps as CUDA graphs, see docs/gpu.md",
    )
    group.add_argument(
        "--threads", type=positive, metavar="N", help="threads per run (default: 1 on a CPU, 4 on CUDA)"
    )
    group.add_argument(
        "--time-limit",
        type=positive,
        metavar="SECONDS",
        help="end a run that takes longer (default: no limit)",
    )
    group.add_argument(
        "--snapshots",
        type=positive,
        default=0,
        metavar="N",
        help="keep N states of each training and measure them afterwards: learning.csv, accuracy over time",
    )
    group.add_argument(
        "--fid",
        choices=("clf", "inception"),
        help=(
            "inception: also FID with the Inception network, after the runs have ended where there is no GPU:"
            " a fifth of a second per image and core (default: FID-clf only; on CUDA both, where the weights"
            " are there)"
        ),
    )
    group.add_argument(
        "--fid-n",
        type=images,
        default=10_000,
        metavar="N",
        help="images a side for FID (default: %(default)s, or all there are)",
    )
    group.add_argument(
        "--consensus",
        action="store_true",
        help="also write one partition from all seeds of each model, beside those of the seeds",
    )


def _add_where(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where it is run, and what is made again")
    group.add_argument(
        "--retry",
        action="store_true",
        help="also make runs again that failed, diverged, ran out of memory or time",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be run, and why (with slurm: the scripts), and stop",
    )
    group.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="runs at a time (default: one for every --threads cores, or one on CUDA)",
    )
    group.add_argument(
        "--executor",
        choices=("local", "slurm"),
        default="local",
        help="slurm: as jobs on a cluster, see docs/slurm.md (default: %(default)s)",
    )
    group.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=(
            "what the jobs ask for: partition, account, qos, time, gpus, cpus, memory, parallel (jobs at a"
            " time), requeues, sbatch.OPTION; several times"
        ),
    )
    group.add_argument("--slurm-file", type=Path, metavar="FILE.toml", help="the same in a file")
    group.add_argument(
        "--per-gpu",
        type=positive,
        metavar="N",
        help="runs of a model that share a job and its GPU (default: 1)",
    )
    group.add_argument(
        "--detach",
        action="store_true",
        help="with slurm: submit and return; the same command follows the jobs",
    )
