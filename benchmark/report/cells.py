"""Tables as the page's template takes them: cells with text, a number to sort by, a link. No torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.evaluation.metrics import METRICS
from benchmark.papers.texts import MEMORY
from benchmark.tables.table import Table, Value

# Columns whose best value is the lowest, besides those of metrics; FID has several titles.
LOW = {
    "seconds",
    "mean rank",
    "95 % interval of the rank",
    "behind the best",
    "P(best is better)",
    "collapsed",
    "empty",
}
LOW |= {metric.title for metric in METRICS.values() if metric.higher_is_better is False}


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        classes: of CSS.
        link: where it leads, e.g. "#digits-neutral-quick".
        key: what it is sorted by; None where that is its text.
        small: a second, smaller line.
        hint: what a pointer that rests on it shows.
        shade: from 0, the worst of its column, to 1, the best; None for a cell without colour.
    """

    text: str
    classes: str = ""
    link: str = ""
    key: float | None = None
    small: str = ""
    hint: str = ""
    shade: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; `best` is what its first click puts on top: "high", "low", or "text" by the alphabet."""

    name: str
    best: str = "text"
    small: str = ""

    @property
    def number(self) -> bool:
        return self.best != "text"


@dataclass(frozen=True)
class Shown:
    """A table of the page: heading, cells, notes below, and the commands that make it again."""

    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str] = field(default_factory=list)
    commands: str = ""
    open: bool = True


def shown(
    table: Table, title: str, commands: str = "", anchors: Mapping[str, str] = {}, opened: bool = True
) -> Shown:
    """A table of results.

    Args:
        anchors: {text of the first column: id of what it leads to}.
        opened: whether a reader sees it at once, where tables are folded.
    """
    first = table.numbers_from
    columns = [
        Column(str(name), "text" if i < first else _best(str(name))) for i, name in enumerate(table.shown)
    ]
    rows = []
    for values in table.shown.itertuples(index=False):
        cells = []
        for i, value in enumerate(values):
            text = str(value)
            classes = ["number"] * (i >= first) + ["memory"] * (MEMORY in text)
            if isinstance(value, Value) and value.stands_aside:
                classes.append("aside")
            link = f"#{anchors[text]}" if i == 0 and text in anchors else ""
            key = value.mean if isinstance(value, Value) and not math.isnan(value.mean) else None
            cells.append(Cell(text, " ".join(classes), link, key))
        rows.append(cells)
    return Shown(title, columns, rows, table.notes, commands, opened)


def _best(column: str) -> str:
    return "low" if column in LOW or column.startswith("FID") else "high"
