"""One cell = data set x model x config x seed: what identifies it, and running it in this process to its record."""

import csv
import dataclasses
import hashlib
import json
import resource
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.results import Record, write_record

EMBEDDED_POINTS = 1000


@dataclasses.dataclass(frozen=True, eq=False)  # a cell is itself, so that it can be a dictionary key
class Cell:
    """A planned run; plain data, so that it can be written to a file and handed to another process.

    Attributes:
        key: everything that determines the result except the seed: data set, model, budget, protocol, resolved config,
            and the digests and versions of data, model source, training loop and metrics.
        seed: of all random streams.
        source: what the data set was asked for by: its name, or the path of the user's own file.
        plugins: --plugin files that are needed to find model and data set.
        device: "cpu" or "cuda".
        threads: of torch and the numerical libraries.
        fid: "clf", "inception", or None for what suits the device; not part of the key, since it can be measured later.
        fid_n: images a side that FID is measured on.
        by_hand: the hyper-parameters in the key's config that are not those of the model's presets.
    """

    key: dict[str, Any]
    seed: int
    source: str
    plugins: tuple[str, ...]
    device: str
    threads: int
    fid: str | None = None
    fid_n: int = 10_000
    by_hand: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        return f"{self.key['dataset']} {self.key['model']} seed {self.seed}"

    def folder(self, results: Path) -> Path:
        return results / "runs" / self.key["dataset"] / self.key["model"] / self.digest / f"seed-{self.seed}"

    def record(self, status: str, **more: Any) -> Record:
        return {"status": status, "key": self.key, "digest": self.digest, "seed": self.seed, "by_hand": self.by_hand, **more}

    @classmethod
    def read(cls, path: Path) -> "Cell":
        values = json.loads(path.read_text())
        return cls(**{**values, "plugins": tuple(values["plugins"])})


def run_cell(cell: Cell, folder: Path, report: Callable[..., None], stop: Callable[[], bool]) -> Record:
    """Run a cell and write its record, whatever happens short of the death of the process.

    Args:
        report, stop: see `benchmark.training.Trainer`.
    """
    from benchmark.errors import Diverged, Interrupted
    from benchmark.provenance import describe_machine

    started = datetime.now(UTC)
    clock = time.monotonic()
    try:
        outcome = {"status": "ok", **_train_and_evaluate(cell, folder, report, stop)}
    except Interrupted as error:
        outcome = {"status": "interrupted", "error": str(error)}
    except Diverged as error:
        outcome = {"status": "diverged", "error": str(error)}
    except Exception as error:
        traceback.print_exc()  # into the cell's log
        status = "out_of_memory" if _is_out_of_memory(error) else "failed"
        outcome = {"status": status, "error": f"{type(error).__name__}: {error}"}
    record = cell.record(
        **outcome,
        started=started.isoformat(timespec="seconds"),
        wall_seconds=time.monotonic() - clock,
        peak_memory_mb=_peak_memory_mb(cell.device),
        provenance=describe_machine(cell.device),
    )
    write_record(folder, record)
    if outcome["status"] != "interrupted":
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    return record


def _train_and_evaluate(
    cell: Cell, folder: Path, report: Callable[..., None], stop: Callable[[], bool]
) -> dict[str, Any]:
    import torch

    from benchmark import config, pictures, seeding
    from benchmark.data import data_folder, data_spec, dataset_digest
    from benchmark.divisions import divide
    from benchmark.errors import UserError
    from benchmark.evaluation import diagnose, evaluate
    from benchmark.generation import measure_cell
    from benchmark.registry import Registry
    from benchmark.training import Trainer

    registry = Registry(cell.plugins)
    dataset = registry.dataset(cell.source, data_folder())
    if (found := dataset_digest(dataset)) != cell.key["data"]:
        raise UserError(f"data set {dataset.name} changed since the run was planned (digest {found[:12]})")
    divided = divide(dataset, cell.key["protocol"])  # FID is of the official splits whatever the protocol
    model_class = registry.model(cell.key["model"])
    x = torch.from_numpy(divided.x(divided.splits[0])).to(cell.device)

    seeding.start(cell.seed, "init")
    spec, settings = data_spec(divided), config.from_dict(model_class, cell.key["config"])
    model = model_class(spec, settings).to(cell.device)
    trainer = Trainer(model, x, cell.seed, folder / "checkpoint.pt", report, stop)
    trainer.run()

    clock = time.monotonic()
    report("evaluate", 0, 0, 1, 1, {})
    metrics, log_q = evaluate(model, divided, cell.seed)
    diagnostics = diagnose(model, x, cell.seed)
    seconds = {**trainer.seconds, "evaluate": time.monotonic() - clock}
    torch.save(model.state_dict(), folder / "model.pt")
    fid = measure_cell(
        model, dataset, cell.key["data"], cell.seed, data_folder(), cell.fid_n,
        inception=cell.device == "cuda" and cell.fid != "clf", train=cell.key["budget"] != "smoke",
    )  # fmt: skip
    _write_assignments(folder / "assignments.csv", log_q)
    _write_curves(folder / "curves.csv", trainer.curves)
    if "embed" in model.abilities():
        _write_embedding(folder / "embedding.npz", model, x)
    pictures.draw_run(folder, model, x, trainer.curves, cell.seed)
    return {
        "data": {"title": dataset.title, "preprocessing": dataset.preprocessing, "caveat": dataset.caveat()},
        "metrics": metrics,
        "diagnostics": diagnostics,
        "fid": fid,
        "seconds": seconds,
        "parameters": sum(p.numel() for p in model.parameters()),
        "last_losses": trainer.curves[-1] if trainer.curves else None,
    }


def _write_assignments(path: Path, log_q: dict[str, Any]) -> None:
    """Cluster of every point, in the order of the data, and the model's probability for it."""
    import numpy as np

    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "index", "cluster", "probability"])
        for split, values in log_q.items():
            clusters, best = values.argmax(axis=1), np.exp(values.max(axis=1))
            writer.writerows((split, i, c, f"{p:.6g}") for i, (c, p) in enumerate(zip(clusters, best, strict=True)))


def _write_curves(path: Path, curves: list[dict[str, Any]]) -> None:
    """Losses over training, one row per reading; stages have different losses, so some columns stay empty."""
    columns = list(dict.fromkeys(name for row in curves for name in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(curves)


def _write_embedding(path: Path, model: Any, x: Any) -> None:
    """Representation and cluster of some training points, for pictures."""
    import numpy as np
    import torch

    chosen = x[torch.linspace(0, len(x) - 1, min(len(x), EMBEDDED_POINTS)).long()]
    clusters = next(iter(model.assignments().values()))(chosen).argmax(dim=1)
    np.savez_compressed(path, z=model.map_batches(model.embed, chosen).flatten(1).cpu().numpy(), cluster=clusters.cpu().numpy())


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    # torch's CPU allocator raises a plain RuntimeError
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def _peak_memory_mb(device: str) -> dict[str, float]:
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS, in KiB on Linux
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    if device == "cuda":
        import torch

        peak["gpu"] = torch.cuda.max_memory_allocated() / 2**20
    return peak
