"""Makes one run in this process, from its data to its record."""

import contextlib
import math
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmark import config, seeding
from benchmark.api import ClusteringModel, DataSpec, ModelConfig
from benchmark.data import data_folder
from benchmark.data.opening import open_dataset
from benchmark.data.own_file import OwnDataset
from benchmark.errors import Diverged, Interrupted, UserError
from benchmark.evaluation.collapse import diagnose
from benchmark.evaluation.evaluate import evaluate
from benchmark.evaluation.fid.measure import measure_run
from benchmark.evaluation.metrics import METRICS_VERSION
from benchmark.records.provenance import describe_machine, now
from benchmark.records.run import STANDARDISATION, Record, Run
from benchmark.records.source import source_digest
from benchmark.records.store import write_record
from benchmark.registry import Registry
from benchmark.running import outputs
from benchmark.running.capture import CudaGraph
from benchmark.running.learning import Snapshots
from benchmark.running.train import Report, Trainer


def execute(run: Run, folder: Path, report: Callable[..., None], stop: Callable[[], bool]) -> Record:
    """Make a run and write its record, whatever happens short of the death of the process.

    Args:
        report, stop: see `benchmark.running.train.Trainer`.
    """
    started = now()
    # now: the code may be edited while it runs, and a stop must be quick
    provenance = describe_machine(run.device)
    clock, cpu_clock = time.monotonic(), time.process_time()
    try:
        outcome = {"status": "ok", **_train_and_evaluate(run, folder, report, stop)}
    except Interrupted as error:
        outcome = {"status": "interrupted", "error": str(error)}
    except Diverged as error:
        outcome = {"status": "diverged", "error": str(error)}
    except Exception as error:
        traceback.print_exc()  # into the run's log
        status = "out_of_memory" if _is_out_of_memory(error) else "failed"
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        outcome = {"status": status, "error": f"{kind}{error}"}
    provenance["mode"] = _mode(run, outcome.pop("modes", {}))
    record = run.record(
        **outcome,
        started=started,
        wall_seconds=time.monotonic() - clock,
        run_cpu_seconds=time.process_time() - cpu_clock,
        peak_memory_mb=peak_memory_mb(run.device),
        provenance=provenance,
    )
    write_record(folder, record)
    if outcome["status"] in ("ok", "diverged"):  # what else ended it may be gone with --retry: a full disk
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        shutil.rmtree(folder / "snapshots", ignore_errors=True)  # an earlier sitting may have kept some
    return record


def _train_and_evaluate(
    run: Run, folder: Path, report: Callable[..., None], stop: Callable[[], bool]
) -> dict[str, Any]:
    registry = Registry(run.plugins)
    opened = open_dataset(registry, run.dataset, run.key["protocol"], run.reading)
    dataset, divided = opened.dataset, opened.divided
    if opened.digest != run.key["data"]:
        raise UserError(
            f"data set {dataset.name} changed since the run was planned (digest {opened.digest[:12]}), or"
            " gives other values each time it is read: seed its randomness"
        )
    model_class = registry.model(run.key["model"])
    if source_digest(model_class.__module__) != run.key["source"]:
        raise UserError(
            f"the source of {run.key['model']} changed since the run was planned; the same command plans it"
            " anew"
        )
    x = torch.from_numpy(divided.x(divided.splits[0])).to(run.device)

    values = config.from_dict(model_class, run.key["config"])
    snapshots = Snapshots(folder / "snapshots", run.snapshots) if run.snapshots else None
    trainer = train(
        model_class,
        opened.spec,
        values,
        x,
        run.seed,
        folder / "checkpoint.pt",
        report,
        stop,
        graphs=not run.eager,
        snapshots=snapshots,
    )
    model = trainer.model
    torch.save(model.state_dict(), folder / "model.pt")  # first, whatever fails below

    clock, cpu_clock = time.monotonic(), time.process_time()
    report("evaluate", 0, 0, 1, 1, {})
    metrics, log_q = evaluate(model, divided, run.seed)
    errors: dict[str, str] = {}
    diagnostics: dict[str, Any] = {}
    with _told(errors, "diagnostics_error"):
        diagnostics = diagnose(model, x, run.seed)
    seconds = {**trainer.seconds, "evaluate": time.monotonic() - clock}
    cpu_seconds = {**trainer.cpu_seconds, "evaluate": time.process_time() - cpu_clock}
    about: dict[str, Any] = {
        "title": dataset.title,
        "preprocessing": dataset.preprocessing,
        "caveat": dataset.caveat(),
        "points_of": dataset.points_of,
    }
    columns, standardisation = (
        (dataset.columns, dataset.standardisation) if isinstance(dataset, OwnDataset) else ((), None)
    )
    if standardisation is not None:
        standardisation.save(folder / STANDARDISATION)
    if columns:
        about["columns"] = columns
    fid = measure_run(
        model,
        dataset,
        run.key["data"],
        run.seed,
        data_folder(),
        run.fid_n,
        inception=run.device == "cuda" and run.fid != "clf",
        train=run.key["budget"] != "smoke",
    )
    names = {split: found for split in divided.splits if (found := divided.names(split)) is not None}
    with _told(errors, "outputs_error"):
        outputs.write(folder, model, x, log_q, trainer.curves, run.seed, names, columns, standardisation)
        if snapshots is not None:

            def build() -> ClusteringModel:
                return model_class(opened.spec, values).to(x.device)

            snapshots.measure(build, x, divided, run.seed, report, stop)
    return {
        **errors,
        "data": about,
        "metrics": metrics,
        "modes": trainer.modes,
        "metrics_version": METRICS_VERSION,
        "class_names": list(dataset.class_names),
        "diagnostics": diagnostics,
        "fid": fid,
        "seconds": seconds,
        # not of a run that goes on with a checkpoint of an earlier version
        **({"cpu_seconds": cpu_seconds} if not math.isnan(sum(cpu_seconds.values())) else {}),
        "parameters": sum(p.numel() for p in model.parameters()),
        "last_losses": trainer.curves[-1] if trainer.curves else None,
    }


def train(
    model_class: type[ClusteringModel],
    spec: DataSpec,
    values: ModelConfig,
    x: torch.Tensor,
    seed: int,
    checkpoint: Path | None,
    report: Report,
    stop: Callable[[], bool] = lambda: False,
    graphs: bool = True,
    snapshots: Snapshots | None = None,
) -> Trainer:
    """Build a model from the seed of its run and train it to the end; it is the Trainer's `model`.

    Args:
        x: all stored training points, (N, *shape), on the device that the model is to be on.
        checkpoint, report, stop: see `Trainer`.
        graphs: steps are replayed as CUDA graphs, on CUDA.
        snapshots: where states are kept during training, for its learning curve.
    """
    seeding.start(seed, "init")
    model = model_class(spec, values).to(x.device)
    graph = CudaGraph if x.is_cuda and graphs else None
    trainer = Trainer(model, x, seed, checkpoint, report, stop, graph, snapshots)
    trainer.run()
    return trainer


@contextlib.contextmanager
def _told(errors: dict[str, str], name: str) -> Iterator[None]:
    """An error goes into the record under a name, and the run goes on: hours of training are not lost by a
    picture.
    """
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        traceback.print_exc()
        errors[name] = f"{type(error).__name__}: {error}"


def _mode(run: Run, modes: dict[str, str]) -> dict[str, str]:
    """How steps were made, stage by stage; "all" where there is one reason for all of them."""
    if run.device != "cuda":
        return {"all": "eager: no CUDA"}
    return {"all": "eager: --eager"} if run.eager else modes


def _is_out_of_memory(error: Exception) -> bool:
    # torch's CPU allocator raises a plain RuntimeError
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def peak_memory_mb(device: str) -> dict[str, float]:
    """Peaks of this process in memory, and on the GPU, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS, in KiB on Linux
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    if device == "cuda":
        peak["gpu"] = torch.cuda.max_memory_allocated() / 2**20
    return peak
