"""Command `label-free`: what measures without labels are worth, on data with labels."""

import argparse

from benchmark.errors import UserError

SCORES = "label-free.csv"


def label_free(options: argparse.Namespace) -> int:
    import pandas as pd

    from benchmark.evaluation.label_free import measure_runs
    from benchmark.files import write_atomically
    from benchmark.records.store import all_records
    from benchmark.tables.label_free import MODELS, SEEDS, label_free_tables, with_gone

    path = options.results / SCORES
    scores = measure_runs(all_records(options.results), options.plugins, options.data)
    if path.is_file():
        scores = with_gone(scores, pd.read_csv(path, dtype={"digest": str}))
    tables = label_free_tables(scores) if len(scores) else []
    if not tables:
        raise UserError(
            f"on data with labels no model under {options.results} has {SEEDS} seeds, and no data set has"
            f" {MODELS} models, with assignments beside their records;"
            f" `python -m benchmark run --seeds {SEEDS}` makes some"
        )
    write_atomically(path, scores.to_csv(index=False, float_format="%.6g"))
    for table in tables:
        print(f"{table.markdown()}\n{table.write(options.results / 'tables')}\n")
    return 0
