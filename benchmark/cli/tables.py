"""Commands `tables`, `report` and `export`."""

import argparse

from benchmark.errors import UserError


def tables(options: argparse.Namespace) -> int:
    from benchmark.papers.published import paper
    from benchmark.papers.runs import study
    from benchmark.papers.study_tables import study_tables
    from benchmark.papers.tables import paper_tables
    from benchmark.records.assignments import seeds_together
    from benchmark.records.store import all_records
    from benchmark.tables.cluster_numbers import cluster_number_tables
    from benchmark.tables.means import build
    from benchmark.tables.significance import comparison_tables, overall_table, pairwise_table
    from benchmark.tables.table import Table

    if options.paper and options.study:
        raise UserError("--paper and --study are tables of their own, ask for one at a time")
    runs = list(all_records(options.results))
    records = [record for _, record in runs]
    if not records and not options.paper:
        raise UserError(
            f"there are no records under {options.results / 'runs'}; `python -m benchmark run` makes some"
        )
    if options.paper:
        tables = paper_tables(paper(options.paper), records)
    elif options.study:
        if not (tables := study_tables(study(options.study), records)):
            raise UserError(
                f"there are no runs of this study; `python -m benchmark run --study {options.study}` makes"
                " them"
            )
    else:
        budgets = sorted({record["key"]["budget"] for record in records})
        overall = [make(records, budget) for budget in budgets for make in (overall_table, pairwise_table)]
        tables = [
            *build(records, seeds=seeds_together(runs)),
            *cluster_number_tables(runs),
            *comparison_tables(records),
            *(table for table in overall if isinstance(table, Table)),
        ]
    for table in tables:
        print(f"{table.markdown()}\n{table.write(options.results / 'tables')}\n")
    return 0


def report(options: argparse.Namespace) -> int:
    from benchmark.records.store import all_records
    from benchmark.report.page import write_report

    if not any(all_records(options.results)):
        raise UserError(
            f"there are no records under {options.results / 'runs'}; `python -m benchmark run` makes some"
        )
    print(write_report(options.results))
    return 0


def export(options: argparse.Namespace) -> int:
    from benchmark.report.export import export

    records, shown = export(options.results, options.target)
    print(f"{options.target}: {records} records, and small pictures and curves of {shown} runs")
    return 0
