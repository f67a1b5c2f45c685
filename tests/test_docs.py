"""What the documentation shows must work as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import benchmark
from benchmark.api import DataSpec
from benchmark.config import resolve
from benchmark.records.store import all_records
from benchmark.registry import Registry
from benchmark.tables.means import build
from benchmark.tables.table import markdown

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def example(tmp_path):
    """The model of docs/adding-a-model.md, in a file outside the repository."""
    text = (ROOT / "docs" / "adding-a-model.md").read_text()
    (tmp_path / "sgd_mixture.py").write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])
    return tmp_path / "sgd_mixture.py"


def test_the_example_model_runs_as_a_plugin(cli, example, tmp_path):
    found = cli(
        "run",
        "--plugin",
        example,
        "--models",
        "sgd_mixture",
        "--seeds",
        1,
        "--budget",
        "quick",
        "--results",
        tmp_path,
    )
    assert found.returncode == 0, found.stderr
    accuracy = re.search(r"\| sgd_mixture \| all +\| 1 +\| (0\.\d+)", found.stdout)
    assert float(accuracy[1]) > 0.5  # that of chance is 0.1
    assert "passes over the data" in cli("info", "sgd_mixture", "--plugin", example).stdout


def test_the_example_model_passes_the_conformance_tests(example):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "tests/models/test_conformance.py",
        "--plugin",
        example,
        "-k",
        "sgd_mixture",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert re.search(r"(\d{2}) passed", found.stdout)
    assert "is not captured" not in found.stdout, "the replay of its step was not checked"


def test_the_notebook_runs(tmp_path, monkeypatch):
    """With the smallest budget: its own is that of a user with minutes."""
    cells = json.loads((ROOT / "docs" / "python.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert 'BUDGET = "quick"' in code[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    space: dict[str, object] = {}
    for i, cell in enumerate(code):
        exec(compile(cell.replace('BUDGET = "quick"', 'BUDGET = "smoke"'), f"cell {i}", "exec"), space)
    assert (tmp_path / "digits.pt").is_file()


def test_an_installed_distribution_brings_models_along(example, tmp_path):
    """Entry points are found through the metadata that installation leaves on the path."""
    metadata = tmp_path / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dgcbench]\nmine = sgd_mixture\n")
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r}); from benchmark.cli.parser import main;"
        " sys.exit(main(['list']))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "| sgd_mixture" in found.stdout, found.stdout + found.stderr


REFERENCE = ROOT / "results" / "reference"


def measured(dataset, budget, split):
    """The table of a data set under the neutral protocol, as text: one row per model."""
    wanted = {"dataset": dataset, "budget": budget, "protocol": "neutral"}
    (table,) = build(
        [r for _, r in all_records(REFERENCE) if {name: r["key"][name] for name in wanted} == wanted]
    )
    name = f"{dataset}-{budget}.md"
    assert table.markdown() == (REFERENCE / "tables" / name).read_text(encoding="utf-8")
    rows = table.text()[(table.values["n"].notna() & (table.values["split"] == split)).to_numpy()]
    return rows.set_index("model", drop=False)


def readme_tables():
    """The tables of README.md, made from the records."""
    digits = measured("digits", "quick", "all")
    mnist, hour = (measured("mnist", budget, "test") for budget in ("quick", "hour"))
    budgets = mnist[["model", "seeds", "ACC", "NMI", "FID-clf", "seconds"]].join(
        hour[["seeds", "ACC", "seconds"]].add_prefix("hour: ")
    )
    others = {
        "MNIST, test": mnist,
        "Fashion-MNIST, test": measured("fashion_mnist", "quick", "test"),
        "600 images of MNIST": measured("mnist600-79c672", "quick", "all"),
        "Pendigits, test": measured("pendigits", "quick", "test"),
    }
    models = ["mpcc", "gmvae", "vade", "kvaes", "clustergan", "gmm", "kmeans"]
    across = pd.DataFrame({title: table["ACC"].reindex(models) for title, table in others.items()})
    return [
        markdown(digits[["model", "seeds", "ACC", "NMI", "ARI", "FID-clf", "seconds"]]),
        markdown(budgets.fillna("")),
        markdown(across.fillna("").reset_index(names="model")),
    ]


def test_the_tables_shown_are_those_of_the_records():
    for shown in readme_tables():
        assert shown.count("\n") > 7
        assert shown in (ROOT / "README.md").read_text(encoding="utf-8")


def pages():
    """Every page that a reader may open, the README files of results included."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "results").rglob("README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def anchor(heading):
    """The name by which a link reaches a heading, as on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_links_of_the_documentation_lead_somewhere():
    for page in pages():
        for target, section in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
            found = (page.parent / target) if target else page
            assert found.exists(), f"{page.relative_to(ROOT)} links to {target}"
            if section:
                headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
                assert section in map(anchor, headings), (
                    f"{page.relative_to(ROOT)} links to {target}#{section}"
                )


def test_the_index_of_the_documentation_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("[!R]*.md"):
        assert f"]({page.name}" in index, page.name
    experiments = (ROOT / "docs" / "experiments" / "README.md").read_text()
    for page in (ROOT / "docs" / "experiments").glob("[!R]*.md"):
        assert f"]({page.name})" in experiments, page.name


MODEL_PAGES = sorted((ROOT / "docs" / "models").glob("*.md"))
HEADINGS = [
    "Model",
    "Objective",
    "Assignment rules",
    "Deviations",
    "Presets and how to change them",
    "Known failures",
    "Results",
]


@pytest.mark.parametrize("page", MODEL_PAGES, ids=lambda page: page.stem)
def test_the_page_of_a_model_is_short_and_has_the_headings_of_the_others(page):
    lines = page.read_text().splitlines()
    assert len(lines) <= 80
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS


@pytest.mark.parametrize("page", MODEL_PAGES, ids=lambda page: page.stem)
def test_the_page_of_a_model_is_named_after_it_and_shows_its_assignment_rules(page):
    source = (ROOT / "models" / f"{page.stem}.py").read_text()
    assert f'name = "{page.stem}"' in source
    table = page.read_text().split("## Assignment rules")[1].split("\n## ")[0]
    rules = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert rules
    if "def assignments" in source:
        model, digits = Registry().models[page.stem], DataSpec("digits", (1, 8, 8), (0.0, 1.0), 1797)
        actual = model(digits, resolve(model, digits, 10, "smoke", {})).assignments()
        assert all(rule in actual or f'"{rule}"' in source for rule in rules)  # some depend on settings
    else:
        assert rules == ["default"]


def test_every_page_has_a_title_and_then_a_sentence():
    for page in pages():
        title, _, first, *_ = page.read_text().splitlines()
        assert title.startswith("# "), page
        if page.is_relative_to(ROOT / "docs") and page.name != "design.md":
            assert re.match(r"[A-Z`\[]", first), f"{page.relative_to(ROOT)} begins with {first!r}"


def test_lines_of_prose_have_at_most_120_columns():
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name == "design.md":  # its map of the tree is one line per folder
            continue
        for number, line in enumerate(page.read_text().splitlines(), 1):
            assert len(line) <= 120 or line.startswith("|"), (
                f"{page.relative_to(ROOT)}:{number} has {len(line)} columns"
            )


def test_the_citation_file_names_the_version_of_the_package():
    assert f"\nversion: {benchmark.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_has_the_version_and_unreleased_comes_first():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert benchmark.__version__ in headings
