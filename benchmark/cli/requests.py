"""What `run` was asked for: its options as requests. Imports on demand, as `run` does."""

import argparse
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.running.executors.slurm_options import SlurmOptions
    from benchmark.running.plan import Request


def require_seeds(options: argparse.Namespace) -> None:
    """Refuse what needs several seeds and can't have them."""
    if len(options.clusters) > 1 and options.seeds in (1, 2):
        raise UserError(
            "a range of clusters is judged by how far seeds agree, for which it needs three at least;"
            f" --seeds {options.seeds} was given"
        )
    if options.consensus and options.seeds == 1:
        raise UserError("a consensus is of several seeds, two at least; --seeds 1 was given")
    if options.consensus and (options.paper or options.study or options.detach):
        raise UserError(
            "--consensus goes with runs that this command waits for, and not with --paper or --study"
        )


def requests(options: argparse.Namespace, slurm: "SlurmOptions | None") -> "list[Request]":
    from benchmark.papers.published import paper
    from benchmark.papers.runs import paper_requests, study, study_requests
    from benchmark.reading import Reading
    from benchmark.running.plan import Request

    common = {
        "budget": options.budget,
        "device": slurm.device(options.device) if slurm else options.device,
        "plugins": tuple(options.plugins),
        "threads": options.threads,
        "fid": options.fid,
        "fid_n": options.fid_n,
        "eager": options.eager,
        "snapshots": options.snapshots,
        "elsewhere": slurm is not None,
        "reading": Reading.of(vars(options)),
    }
    if options.paper or options.study:
        name = "--paper" if options.paper else "--study"
        others = {
            "--models": options.models,
            "--protocol": options.protocol,
            "--set": options.overrides,
            "--clusters": options.clusters,
            "--study": options.paper and options.study,
        }
        if given := [option for option, value in others.items() if value]:
            raise UserError(f"{name} says itself which settings are run, leave {' and '.join(given)} out")
        if options.paper:
            return paper_requests(paper(options.paper), common, options.dataset, options.seeds)
        return study_requests(study(options.study), common, options.dataset, options.seeds)
    return [
        Request(
            options.dataset or "digits",
            options.models,
            options.seeds or (3 if len(options.clusters) < 2 else 5),
            overrides=_overrides(options),
            clusters=options.clusters[0] if len(options.clusters) == 1 else None,
            variants=tuple({"n_clusters": k} for k in options.clusters)
            if len(options.clusters) > 1
            else ({},),
            protocol=options.protocol or "neutral",
            **common,
        )
    ]


def slurm_options(options: argparse.Namespace) -> "SlurmOptions | None":
    from benchmark.running.executors.slurm import require_slurm
    from benchmark.running.executors.slurm_options import SlurmOptions

    if options.executor != "slurm":
        if options.slurm or options.slurm_file or options.per_gpu or options.detach:
            raise UserError("--slurm, --slurm-file, --per-gpu and --detach need --executor slurm")
        return None
    if options.jobs:
        raise UserError(
            "--jobs is for this machine; on SLURM, --slurm parallel=N bounds the number of jobs at a time"
        )
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
        if not dot and (len(options.models) != 1 or list(options.models) == ["all"]):
            raise UserError(f"--set {text}: this run has several models, so say which: --set MODEL.{text}")
        found.setdefault(model or options.models[0], {})[key] = value
    return found
