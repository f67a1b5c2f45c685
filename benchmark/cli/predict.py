"""Command `predict`: clusters of new points, from a run that has ended."""

import argparse
import csv
from pathlib import Path

from benchmark.errors import UserError


def predict(options: argparse.Namespace) -> int:
    from benchmark.evaluation.predict import predict as assign
    from benchmark.files import whole_file
    from benchmark.records.load import load_run

    _check_places(options.run, options.points, options.out)
    found = assign(load_run(options.run, options.plugins), options.points)
    with whole_file(options.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "cluster", "probability"])
        rows = zip(found.names, found.clusters, found.probabilities, strict=True)
        writer.writerows((name, cluster, f"{p:.6g}") for name, cluster, p in rows)
    used = len(set(found.clusters.tolist()))
    print(f"{options.out}: {len(found.names)} points in {used} of {found.log_q.shape[1]} clusters")
    return 0


def _check_places(run: Path, points: Path, out: Path) -> None:
    """Raise if a run is no folder, or the clusters can't be written without loss."""
    if run.is_file():
        raise UserError(
            f"{run} is a file, expected the folder of a run, .../seed-N; what an estimator has saved is read "
            "by DeepClustering.load, see docs/python.md"
        )
    if out.is_dir():
        raise UserError(f"--out {out} is a folder, expected a file: --out {out / 'clusters.csv'}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")
    if out.resolve() == points.resolve():
        raise UserError(f"the clusters would be written over the points, {points}; say where: --out FILE.csv")
