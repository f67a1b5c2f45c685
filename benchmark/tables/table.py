"""A table: Markdown to read, LaTeX (booktabs) to print, CSV to compute with. Imports no torch."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark import plots
from benchmark.files import write_atomically

DASH = "–"


@dataclass(frozen=True)
class Value:
    """A number as a table shows it: it becomes text only when the table is printed.

    Attributes:
        mean, std: not a number where there is none; a value without a mean is a dash.
        digits: after the point.
        after: text behind it, e.g. how many of the runs it is of, or a footnote's mark.
        sign: also of positive numbers.
        aside: of a neighbouring experiment, not of the row's own: in italics, grey in LaTeX.
    """

    mean: float
    std: float | None = None
    digits: int = 3
    after: str = ""
    sign: bool = False
    aside: bool = False

    @property
    def stands_aside(self) -> bool:
        """Whether there is a number, and it is to be told from the row's own."""
        return self.aside and not math.isnan(self.mean)

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return DASH + self.after
        text = f"{self.mean:{'+' if self.sign else ''}.{self.digits}f}"
        if self.std is not None and not math.isnan(self.std):
            text += f" ± {self.std:.{self.digits}f}"
        return text + self.after


@dataclass(frozen=True)
class Table:
    """One table: of one data set under one budget, which are never mixed.

    Attributes:
        name: of the files it is written to.
        heading, notes: text above and below.
        shown: the cells, text or `Value`.
        values: the same with mean, standard deviation and n as numbers of their own.
        numbers_from: the column from which on they are aligned to the right.
        figure: the same drawn, where there is one; written beside it.
    """

    name: str
    heading: str
    shown: pd.DataFrame
    values: pd.DataFrame
    notes: list[str]
    numbers_from: int = 2
    figure: Figure | None = None

    def text(self) -> pd.DataFrame:
        """The cells as they are printed."""
        return self.shown.map(str)

    def markdown(self) -> str:
        return (
            "\n".join(
                [
                    self.heading,
                    "",
                    markdown(self.shown.map(_markdown_cell)),
                    "",
                    *(f"- {note}" for note in self.notes),
                ]
            )
            + "\n"
        )

    def latex(self) -> str:
        """A `table` environment; needs \\usepackage{booktabs,xcolor}."""
        shown = self.shown.map(_latex_cell)
        shown.columns = [_latex_text(c) for c in shown.columns]
        style = shown.style.hide(axis="index")
        body = style.to_latex(
            hrules=True, column_format="l" * self.numbers_from + "r" * (shown.shape[1] - self.numbers_from)
        )
        notes = " ".join(_latex_text(n) + "." for n in self.notes)
        return (
            "% needs \\usepackage{booktabs,xcolor}\n\\begin{table}\n\\centering\n"
            f"\\caption{{{_latex_text(self.heading.strip('#* '))}. {notes}}}\n{body}\\end{{table}}\n"
        )

    def write(self, folder: Path) -> Path:
        """Write all formats; returns the path of the Markdown file."""
        folder.mkdir(parents=True, exist_ok=True)
        for ending, text in (
            ("md", self.markdown()),
            ("tex", self.latex()),
            ("csv", self.values.to_csv(index=False)),
        ):
            write_atomically(folder / f"{self.name}.{ending}", text)
        if self.figure is not None:
            plots.save(self.figure, folder, self.name)
        return folder / f"{self.name}.md"


def markdown(frame: pd.DataFrame) -> str:
    """A Markdown table whose columns are aligned, so that it also reads well in a terminal."""
    rows = [list(map(str, frame.columns)), *([str(v) for v in row] for row in frame.itertuples(index=False))]
    widths = [max(len(row[i]) for row in rows) for i in range(frame.shape[1])]
    lines = [
        "| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _aside(cell: object) -> bool:
    return isinstance(cell, Value) and cell.stands_aside


def _markdown_cell(cell: object) -> str:
    return f"*{cell}*" if _aside(cell) else str(cell)


def _latex_cell(cell: object) -> str:
    """Grey where it is marked as from memory, or is of a neighbouring experiment."""
    text = _latex_text(cell)
    text = f"\\textit{{{text}}}" if _aside(cell) else text
    return f"\\textcolor{{gray}}{{{text}}}" if "†" in str(cell) or _aside(cell) else text


def _latex_text(text: object) -> str:
    named = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    escaped = "".join(named.get(c, "\\" + c if c in "_%&#{}$" else c) for c in str(text))
    for character, latex in (("±", r"$\pm$"), ("–", "--"), ("†", r"$\dagger$"), (">", "$>$"), ("<", "$<$")):
        escaped = escaped.replace(character, latex)
    return escaped
