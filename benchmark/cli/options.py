"""What the texts of options mean, and the options that several commands share."""

import argparse
from pathlib import Path

from benchmark.reading import COLOURS


def add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s"
    )


def add_plugins(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE.py",
        dest="plugins",
        help="a file with models or data sets of your own; may be given several times",
    )


def add_finished_runs(command: argparse.ArgumentParser) -> None:
    """Which finished runs are meant, and where what they need is."""
    command.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a results folder, or any folder below it"
    )
    add_places(command)


def add_places(command: argparse.ArgumentParser) -> None:
    """Where own data and plugins of finished runs are."""
    add_plugins(command)
    command.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="where own data are now, if they are no longer where the run found them; several times",
    )


def add_reading(command: argparse.ArgumentParser) -> None:
    """The options that say how data of the user's own are read."""
    group = command.add_argument_group("data of your own")
    group.add_argument(
        "--size",
        type=positive,
        metavar="N",
        help="resize the images of a folder to N x N, cropped at the centre",
    )
    group.add_argument("--colour", choices=COLOURS, help="make the images of a folder grey, or coloured")
    group.add_argument(
        "--labels",
        metavar="folders|COLUMN",
        help="folders: the sub-folders of a folder are its labels; or the column of a table that has them",
    )
    group.add_argument("--names", metavar="COLUMN", help="the column of a table that names its rows")
    group.add_argument(
        "--no-standardise",
        action="store_false",
        dest="standardise",
        help="take vectors as they are (default: every column to mean 0, variance 1)",
    )


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} was given, expected a whole number of at least 1")
    return int(text)


def cluster_numbers(text: str) -> tuple[int, ...]:
    """Numbers of clusters from "8", "5:20" (both ends belong to it), "5:20:3" or "4,6,8"; one is not checked
    here, but by the models.
    """
    try:
        parts = [int(part) for part in text.split(":")] if ":" in text else None
        found = sorted({int(part) for part in text.split(",")}) if parts is None else list(_range(*parts))
    except (ValueError, TypeError):
        found = []
    if not found or (found[0] < 2 and (parts or len(found) > 1)):
        raise argparse.ArgumentTypeError(
            f"{text!r} was given, expected K, or several numbers from 2 on: FIRST:LAST with FIRST below LAST,"
            " FIRST:LAST:STEP, or A,B,C"
        )
    return tuple(found)


def _range(first: int, last: int, step: int = 1) -> range:
    return range(first, last + 1, step) if first < last and step > 0 else range(0)


def images(text: str) -> int:
    if positive(text) < 4:
        raise argparse.ArgumentTypeError(
            f"{text} was given, expected at least 4: each half of them needs a covariance"
        )
    return int(text)


def names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
