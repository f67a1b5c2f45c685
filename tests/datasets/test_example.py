"""The data sets that docs/adding-a-dataset.md adds, as it shows them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.registry import Registry

ROOT = Path(__file__).resolve().parent.parent.parent
RINGS, LETTERS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-dataset.md").read_text(), re.DOTALL
)


LABELLED = """

class Some(Rings):
    name, title = "some", "Every third point is not labelled"

    def y(self, split):
        return np.where(np.arange(5000) % 3 == 0, -1, super().y(split))


class FromOne(Rings):
    name, title = "from-one", "Classes 1 and 2"

    def y(self, split):
        return super().y(split) + 1


class TooMany(Rings):
    name, title, n_classes = "too-many", "A class without a point", 3
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "rings.py"
    path.write_text(RINGS + LABELLED)
    return path


@pytest.fixture(scope="module")
def conformance(plugin):
    """What the conformance tests say: all of the example, those of labels of the others."""
    command = [sys.executable, "-m", "pytest", "-v", "tests/datasets/test_conformance.py"]
    command += ["--plugin", plugin, "-k", "rings or labels and (some or from-one or too-many)"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def test_the_example_passes_the_conformance_tests(conformance):
    results = re.findall(r"\[rings\] (PASSED|FAILED|ERROR)", conformance)
    assert results == ["PASSED"] * 5, conformance


def test_labels_are_held_against_the_number_of_classes(conformance):
    results = re.findall(r"labels\[(some|from-one|too-many)\] (PASSED|FAILED)", conformance)
    assert results == [("some", "PASSED"), ("from-one", "FAILED"), ("too-many", "FAILED")], conformance
    assert "has labels from 1 to 2, expected 0 to 1" in conformance
    assert "n_classes, and the labels there" in conformance


def test_the_example_runs(plugin, tmp_path, cli):
    words = ("--dataset", "rings", "--models", "kmeans", "--seeds", 1, "--results", tmp_path)
    found = cli("run", "--plugin", plugin, *words)
    assert found.returncode == 0, found.stderr
    assert "Two rings" in found.stdout


def test_the_example_with_files(tmp_path):
    plugin = tmp_path / "letters.py"
    plugin.write_text(LETTERS.replace('"sha256:..."', "None"))
    letters = Registry([str(plugin)]).dataset("letters", tmp_path)
    assert "letters.csv; `python -m benchmark data fetch letters` downloads" in letters.missing()
    assert "https://first.example" in letters.missing()
    with pytest.raises(UserError, match="is not complete"):
        letters.x("train")
    (tmp_path / "letters").mkdir()
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.integers(0, 16, (16_004, 16)), rng.integers(0, 26, (16_004, 1))], axis=1)
    np.savetxt(tmp_path / "letters" / "letters.csv", table, fmt="%d", delimiter=",")
    np.testing.assert_allclose(letters.x("test"), table[16_000:, :16] / 15, rtol=1e-6)
    assert letters.y("train").tolist() == table[:16_000, 16].tolist()
