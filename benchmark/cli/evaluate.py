"""Commands `evaluate`, `fid`, `fid-weights` and `fid-classifier`: numbers of runs that have ended."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.errors import UserError


def fid(options: argparse.Namespace) -> int:
    from benchmark.errors import unknown
    from benchmark.evaluation.fid.measure import EXTRACTORS, FidOptions
    from benchmark.evaluation.reevaluate import add_fid, finished

    for name in set(options.extractors) - set(EXTRACTORS):
        raise unknown("extractor", name, EXTRACTORS)
    if not options.extractors:
        raise UserError(f"--extractors: no name was given, expected {' or '.join(EXTRACTORS)}")
    folders = finished(options.folders)
    try:
        options_ = FidOptions(options.fid_n, options.draws, options.references, options.per_cluster)
        failures = add_fid(folders, options.extractors, options_, options.plugins, options.data)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    return _said(folders, failures, "what was asked for; `tables` shows it")


def fid_weights(options: argparse.Namespace) -> int:
    from benchmark.data import data_folder
    from benchmark.evaluation.fid.weights import download

    print(f"the FID weights are in {download(data_folder())}, verified")
    return 0


def fid_classifier(options: argparse.Namespace) -> int:
    import torch

    from benchmark.data import data_folder
    from benchmark.data.opening import open_dataset
    from benchmark.evaluation.fid.classifier import trained_locally_path
    from benchmark.evaluation.fid.measure import train_classifier
    from benchmark.evaluation.fid.real import Unavailable
    from benchmark.reading import Reading
    from benchmark.registry import Registry

    registry = Registry(options.plugins)
    opened = open_dataset(registry, options.dataset, reading=Reading.of(vars(options)))
    dataset, digest = opened.dataset, opened.digest
    try:
        trained = train_classifier(
            dataset, digest, torch.device("cuda" if torch.cuda.is_available() else "cpu")
        )
    except Unavailable as reason:
        raise UserError(f"no classifier can be trained on {dataset.name}: {reason}") from None
    path = options.out or trained_locally_path(data_folder(), digest)
    trained.save(path)
    print(
        f"{path}: accuracy {trained.info['accuracy']:.4f} on {trained.info['held_out']} points that it was"
        " not trained on"
    )
    return 0


def evaluate(options: argparse.Namespace) -> int:
    from benchmark.evaluation.reevaluate import finished, reevaluate

    folders = finished(options.folders)
    failures = reevaluate(folders, options.plugins, options.again, options.data)
    return _said(folders, failures, "every metric; `tables` shows them")


def _said(folders: Sequence[Path], failures: Mapping[Path, str], what: str) -> int:
    """The exit status, after saying what came of the runs."""
    for folder, reason in failures.items():
        print(f"{folder}: {reason}", file=sys.stderr)
    print(f"{len(folders) - len(failures)} of {len(folders)} runs have {what}", file=sys.stderr)
    return 2 if failures else 0
