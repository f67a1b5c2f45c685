"""Plans the runs of a sweep, skips those that are done, hands the rest to an executor. Imports no torch.

Planning needs torch (a model's config lives beside its networks), so it happens in a process of its own,
which also downloads the data, once, before any run starts.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import UserError, explained
from benchmark.reading import DEFAULT, Reading
from benchmark.records.run import THREADS, Record, Run
from benchmark.records.store import CONTINUED, ended_well, find_record, read_record, roots
from benchmark.running import processes


@dataclass(frozen=True)
class Request:
    """A request: what the user asked for.

    Attributes:
        dataset: a name, or the path of the user's own data.
        models: names, or "all"; empty for those of every sweep (`Registry.chosen`) that suit the data.
        seeds: how many, counted from 0.
        budget: None for quick.
        device: None for what the machine has.
        overrides: {model name: {hyper-parameter: value, or its text}}.
        clusters: K; None for the number of classes.
        fid, fid_n: see `benchmark.records.run.Run`.
        protocol: division of the data, see benchmark/protocols.py.
        variants: each model is run with each of these {hyper-parameter: text}, on top of the overrides.
        reading: of own data.
        elsewhere: runs run on other machines, so that this one needs no GPU.
        eager: no CUDA graphs.
        snapshots: see `benchmark.records.run.Run`.
    """

    dataset: str
    models: tuple[str, ...] = ()
    seeds: int = 3
    budget: str | None = None
    device: str | None = None
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    clusters: int | None = None
    plugins: tuple[str, ...] = ()
    threads: int | None = None
    fid: str | None = None
    fid_n: int = 10_000
    protocol: str = "neutral"
    variants: tuple[Mapping[str, Any], ...] = ({},)
    elsewhere: bool = False
    reading: Reading = DEFAULT
    eager: bool = False
    snapshots: int = 0


@dataclass(frozen=True)
class Plan:
    """A plan: what a request comes down to.

    Attributes:
        title: of the data set, for headings.
        skipped: {model: why it can't be used on this data}.
        failures: {plugin: why it could not be loaded}; none of them was asked for.
    """

    title: str
    budget: str
    device: str
    runs: list[Run]
    skipped: dict[str, str]
    failures: dict[str, str]


def make_plan(*requests: Request) -> Plan:
    """One plan for all requests, made in a separate process, so that this one stays small and never touches
    the GPU.
    """
    with tempfile.TemporaryDirectory(prefix="dgcbench-") as folder:
        note = Path(folder) / "loading"
        with processes.one() as pool:
            try:
                return join([pool.submit(plan, request, note).result() for request in requests])
            except BrokenProcessPool:
                where = f" while it loaded {note.read_text('utf-8')}" if note.exists() else ""
                raise UserError(f"the process that plans the runs died{where}") from None


def check_device(device: str | None) -> None:
    """Raise UserError where CUDA is asked for, and this machine has none."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "CUDA was asked for, but torch finds no CUDA device; leave the device out, or see `python -m "
            "benchmark doctor`"
        )


def plan(request: Request, note: Path | None = None) -> Plan:
    """The runs of a request. Imports every plugin, and fetches the data set if it is not there.

    Args:
        note: a file for what is being loaded, to be read by others should this process die of it.

    Raises:
        UserError: something that was asked for is not possible, or raises an error of its own.
    """
    import torch

    from benchmark import config
    from benchmark.data import data_folder
    from benchmark.data.opening import open_dataset
    from benchmark.evaluation.fid import HOW_TO_GET, weights
    from benchmark.protocols import applicable
    from benchmark.records.source import source_digest
    from benchmark.registry import Registry
    from benchmark.running.train import TRAINING_VERSION

    if not request.elsewhere:
        check_device(request.device)
    if request.fid == "inception" and not weights.is_available(data_folder()):
        raise UserError(f"FID was asked for, but its Inception weights are not here: {HOW_TO_GET}")
    device = request.device or ("cuda" if torch.cuda.is_available() else "cpu")
    budget = request.budget or "quick"

    def loading(what: str) -> None:
        if note is not None:
            note.write_text(what, "utf-8")

    registry = Registry(request.plugins, loading)
    registry.require(request.plugins)
    classes = registry.chosen(request.models)
    for name in set(request.overrides) - {c.name for c in classes}:
        raise UserError(f"hyper-parameters are set for {name}, which is not among the models of this run")
    loading(f"the data set {request.dataset}")
    with explained(f"the data set {request.dataset} can't be read"):
        opened = open_dataset(registry, request.dataset, request.protocol, request.reading)
    dataset, spec = opened.dataset, opened.spec

    own = registry.is_own(request.dataset)
    asked = str(Path(request.dataset).absolute()) if own else request.dataset
    runs, skipped = [], {}
    for model in classes:
        loading(f"the model {model.name}")
        with explained(f"the model {model.name} can't be planned"):
            if reason := model.skip_reason(spec):
                skipped[model.name] = reason
                continue
            overrides = dict(request.overrides.get(model.name, {}))
            if request.clusters is not None:
                overrides.setdefault("n_clusters", request.clusters)
            variants = [
                config.resolve(model, spec, dataset.n_classes, budget, {**overrides, **variant})
                for variant in request.variants
            ]
        origins = {registry.origins[model], registry.origins.get(type(dataset))}
        plugins = tuple(str(Path(plugin).absolute()) for plugin in request.plugins if plugin in origins)
        for resolved in variants:
            key = {
                "dataset": dataset.name,
                "data": opened.digest,
                "model": model.name,
                "source": source_digest(model.__module__),
                "budget": budget,
                "protocol": applicable(dataset.splits, request.protocol),
                "config": config.as_dict(resolved),
                "device": device,
                "threads": request.threads or THREADS[device],
                "versions": {"training": TRAINING_VERSION},
            }
            if registry.origins.get(type(dataset)) in request.plugins:
                # Of what models are told of the data, what neither the suite's code nor the arrays hold.
                key["value_range"] = spec.value_range and list(spec.value_range)
            overridden = config.overridden(model, spec, dataset.n_classes, budget, resolved)
            runs += [
                Run(
                    key,
                    seed,
                    asked,
                    plugins,
                    fid=request.fid,
                    fid_n=request.fid_n,
                    overrides=overridden,
                    spec=dataclasses.asdict(spec),
                    reading=request.reading,
                    eager=request.eager,
                    snapshots=request.snapshots,
                )
                for seed in range(request.seeds)
            ]
    return Plan(dataset.title, budget, device, runs, skipped, registry.failures)


def join(plans: Sequence[Plan]) -> Plan:
    """One plan for the runs of several; a run that several of them need is run once, with the most seeds
    asked for.
    """
    runs = {(run.digest, run.seed): run for plan in plans for run in plan.runs}
    titles = ", ".join(dict.fromkeys(plan.title for plan in plans))
    skipped = {name: why for plan in plans for name, why in plan.skipped.items()}
    return Plan(titles, plans[0].budget, plans[0].device, list(runs.values()), skipped, plans[0].failures)


def remaining(plan: Plan, results: Path, retry: bool) -> list[Run]:
    """The runs that have not ended yet; with `retry` also those that ended badly."""
    todo, places = [], roots(results)
    for run in plan.runs:
        found = find_record(places, run.folder(results))
        status = found and found[1]["status"]
        if status is None or status in CONTINUED or (retry and status != "ok"):
            todo.append(run)
    return todo


def final_record(run: Run, results: Path) -> tuple[Path, Record]:
    """(folder, record) of a run after the sweep; if even that could not be written, a record that says so."""
    folder = run.folder(results)
    missing = run.record("failed", error="no record could be written; is the disk full?")
    return find_record(roots(results), folder) or (folder, missing)


def why_not_done(run: Run, results: Path) -> str:
    """Why a planned run is to be run: what is there for the same data set, model, budget and seed, and what
    differs.
    """
    folder = run.folder(results)
    if (folder / "checkpoint.pt").exists():
        return "continues from its checkpoint"
    reasons = []
    for other in sorted(folder.parent.parent.glob(f"*/{folder.name}")):
        record = read_record(other) if other != folder else None
        if ended_well(record) and record["key"]["budget"] == run.key["budget"]:
            reasons.append(f"{record['digest']} differs in {', '.join(_differences(run.key, record['key']))}")
    return "; ".join(reasons) or "has never been run"


def _differences(new: dict[str, object], old: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name in sorted({*new, *old}):
        a, b = new.get(name), old.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, "" if name == "config" else f"{name} ")
        elif a != b:
            digests = {"source": "the model's source", "data": "the data"}
            yield digests.get(name, f"{prefix}{name} ({b}, now {a})")
