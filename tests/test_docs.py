"""What the documentation shows must work as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records.store import all_records
from benchmark.tables.means import build

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
        "tests/models/test_conformance.py",
        "--plugin",
        example,
        "-k",
        "sgd_mixture",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert re.search(r"(\d{2}) passed", found.stdout)


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


def test_the_tables_shown_are_those_of_the_records():
    reference = ROOT / "results" / "reference"
    (table,) = build(
        [
            r
            for _, r in all_records(reference)
            if r["key"]["dataset"] == "digits" and r["key"]["budget"] == "quick"
        ]
    )
    written = (reference / "tables" / "digits-quick.md").read_text()
    assert table.markdown() == written
    rows = [line for line in written.splitlines() if line.startswith("| ")]
    assert len(rows) > 10
    assert all(row in (ROOT / "README.md").read_text() for row in rows)


def test_the_links_of_the_documentation_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "results").rglob("README.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
