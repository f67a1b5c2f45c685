"""Command `predict`: clusters of new points, from a run that has ended."""

import argparse
import csv

from benchmark.errors import UserError


def predict(options: argparse.Namespace) -> int:
    from benchmark.evaluation.predict import predict as assign
    from benchmark.files import whole_file
    from benchmark.records.load import load_run

    if not options.out.parent.is_dir():
        raise UserError(f"--out {options.out}: there is no folder {options.out.parent}")
    found = assign(load_run(options.run, options.plugins), options.points)
    with whole_file(options.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "cluster", "probability"])
        rows = zip(found.names, found.clusters, found.probabilities, strict=True)
        writer.writerows((name, cluster, f"{p:.6g}") for name, cluster, p in rows)
    used = len(set(found.clusters.tolist()))
    print(f"{options.out}: {len(found.names)} points in {used} of {found.log_q.shape[1]} clusters")
    return 0
