"""The page itself: RESULTS/report.html, one file of HTML, style and script. Imports no torch."""

from pathlib import Path

import jinja2
from tqdm import tqdm

from benchmark.files import write_atomically
from benchmark.papers import published
from benchmark.records.run import Record
from benchmark.records.select import groups
from benchmark.records.store import all_records
from benchmark.report import across, origins
from benchmark.report.overview import overview
from benchmark.report.pictures import Album
from benchmark.report.sections import section

HERE = Path(__file__).parent


def write_report(results: Path) -> Path:
    """Write results/report.html, and its pictures as PNG and PDF into results/figures; returns the page's
    path.
    """
    found = list(all_records(results))
    records = [record for _, record in found]
    titles = {r["key"]["dataset"]: r["data"]["title"] for r in records if r.get("data")}
    album, of = Album(results), {record_id(r): folder for folder, r in found}
    parts = sorted(groups(records).items(), key=lambda part: _order(part[0]))
    budgets = sorted({r["key"]["budget"] for r in records})
    with tqdm(total=len(parts) + len(budgets) + 1, desc="report", unit="part", disable=None) as bar:
        sections = []
        for name, group in parts:
            bar.set_postfix_str(name[0])
            runs = [(of[record_id(r)], r) for r in group]
            sections.append(section(album, name, titles.get(name[0], name[0]), runs))
            bar.update()
        rankings = []
        for budget in budgets:
            bar.set_postfix_str(f"ranking, {budget} budget")
            rankings.append(across.ranking(album, records, budget))
            bar.update()
        bar.set_postfix_str(f"{len(published.papers())} papers")
        papers = across.papers(album, records)
        bar.update()
    text, commits = origins.summary(records)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            summary=text,
            commits=commits,
            overview=overview(records, titles),
            sections=sections,
            rankings=rankings,
            papers=papers,
            failures=origins.failures(found),
            blocks=origins.blocks(results, found),
        )
    )
    write_atomically(results / "report.html", page)
    return results / "report.html"


def record_id(record: Record) -> tuple[str, int]:
    """What tells a run from every other in a results folder."""
    return record["digest"], record["seed"]


def _order(name: tuple[str, str, str]) -> tuple[str, bool, str, str]:
    """Order of the sections: by data set, the neutral protocol first."""
    dataset, protocol, budget = name
    return dataset, protocol != "neutral", protocol, budget


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        # page.css and page.js are included in the page as they are
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
