"""The tests mirror the tree: for every module there is a file of its name, in the same place."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Modules whose tests stand elsewhere, and where.
ELSEWHERE = {
    "benchmark/__main__.py": "tests/cli/test_run.py",
    "benchmark/api.py": "tests/models/test_conformance.py",
    "benchmark/errors.py": "tests/cli/test_parser.py",
    "benchmark/protocols.py": "tests/data/test_splits.py",
    "benchmark/data/own_arrays.py": "tests/data/test_own_file.py",
    "benchmark/data/own_points.py": "tests/data/test_own_file.py",
    "benchmark/estimator/saved.py": "tests/estimator/test_deep_clustering.py",
    "benchmark/evaluation/fid/real.py": "tests/evaluation/fid/test_measure.py",
    "benchmark/evaluation/fid/extractor.py": "tests/evaluation/fid/test_moments.py",
    "benchmark/running/executors/child.py": "tests/running/executors/test_local.py",
    "benchmark/running/executors/slurm_probe.py": "tests/slurm/test_cluster.py",
    "benchmark/running/executors/slurm_queue.py": "tests/running/executors/test_slurm.py",
    "benchmark/cli/status.py": "tests/running/test_submissions.py",
}


def test_every_module_of_the_core_has_its_tests():
    missing = []
    for path in sorted((ROOT / "benchmark").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        mirror = ROOT / "tests" / path.relative_to(ROOT / "benchmark").with_name(f"test_{path.name}")
        if path.name != "__init__.py" and not (ROOT / ELSEWHERE.get(name, str(mirror))).is_file():
            missing.append(name)
    assert not missing


def test_nothing_is_excused_that_has_its_tests_or_is_gone():
    for name in ELSEWHERE:
        path = ROOT / name
        assert path.is_file(), name
        mirror = ROOT / "tests" / path.relative_to(ROOT / "benchmark").with_name(f"test_{path.name}")
        assert not mirror.exists(), f"{mirror} is there: take {name} off the list"


def test_an_installation_holds_every_folder_of_code():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "benchmark").rglob("*.py")}
    assert set(packages) == folders | {"benchmark.models", "benchmark.datasets"}
