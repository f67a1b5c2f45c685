"""Plugins through the command line: what counts as a new model, what one may do to others, and how a mistake
is told.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.records.load import load_run
from benchmark.running.plan import Request, plan

ROOT = Path(__file__).resolve().parents[2]

MODEL = """
from dataclasses import dataclass
import torch
from benchmark.api import Action, ClusteringModel, ModelConfig, hard_assignment
{imports}

class Mine(ClusteringModel):
    "Cuts the first value into K parts."
    name = "{name}"
    @dataclass(frozen=True)
    class Config(ModelConfig):
        shift: float = 0.0  # of the cut

    def __init__(self, data, config):
        super().__init__(data, config)
        self.register_buffer("cut", torch.zeros(()))

    def stages(self, x):
        yield Action("cut", lambda: self.cut.copy_(x[:, 0].mean() + self.config.shift))

    def log_assign(self, x):
        return hard_assignment((x[:, 0] > self.cut).long(), self.config.n_clusters)

    def diagnose(self, x):
        {later}
        return {{"told": {value}}}
"""


@pytest.fixture
def own(tmp_path):
    """An own file of 40 points in two classes."""
    path = tmp_path / "own.npz"
    rng = np.random.default_rng(0)
    np.savez(path, X=rng.normal(size=(40, 2)) + np.repeat([0, 5], 20)[:, None], y=np.repeat([0, 1], 20))
    return path


def write(folder, name="mine", imports="", later="pass", value="0"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mine.py"
    path.write_text(MODEL.format(name=name, imports=imports, later=later, value=value))
    return path


def records(results):
    found = [json.loads(path.read_text()) for path in sorted(results.rglob("record.json"))]
    assert all(record["status"] == "ok" for record in found), [record.get("error") for record in found]
    return found


def test_files_and_helpers_of_one_name_in_two_folders_are_two_and_an_edit_of_each_is_seen(cli, tmp_path, own):
    arguments = ["run", "--dataset", own, "--models", "left,right", "--seeds", 1, "--results", tmp_path / "r"]
    for name, value in (("left", 1), ("right", 2)):
        imports, later = "from ._first import FIRST", "import second"
        plugin = write(tmp_path / name, name, imports, later, "[FIRST, second.SECOND]")
        (plugin.parent / "_first.py").write_text(f"FIRST = {value}\n")
        (plugin.parent / "second.py").write_text(f"SECOND = {value}\n")
        arguments += ["--plugin", plugin]

    def told():
        return {(r["key"]["model"], *r["diagnostics"]["told"]) for r in records(tmp_path / "r")}

    first = cli(*arguments)
    assert first.returncode == 0, first.stderr
    assert told() == {("left", 1, 1), ("right", 2, 2)}
    assert "2 runs, 2 of them done" in cli(*arguments, "--dry-run").stderr
    (tmp_path / "right" / "second.py").write_text("SECOND = 3\n")
    dry = cli(*arguments, "--dry-run").stdout
    assert re.search(r"own-\w+ right n_clusters=2 seed 0: ", dry)
    assert not re.search(r"own-\w+ left n_clusters=2 seed 0: ", dry)
    assert "differs in the model's source" in dry
    second = cli(*arguments)
    assert "2 runs, 1 of them done" in second.stderr, second.stderr
    assert told() == {("left", 1, 1), ("right", 2, 2), ("right", 2, 3)}
    files = {path: json.loads(path.read_text())["plugins"] for path in (tmp_path / "r").rglob("run.json")}
    assert all(plugins == [str(tmp_path / path.parts[-4] / "mine.py")] for path, plugins in files.items())


# The commands of one user, in one process, so that torch is imported once; plans are made in forks that read
# the files anew.
EDITS = """
import sys
from pathlib import Path
sys.path.insert(0, {copy!r})
from benchmark.cli.parser import main

if __name__ == "__main__":
    sys.stderr = sys.stdout
    files = [Path({copy!r}, "models", name) for name in ("vade.py", "_networks.py")]
    assert main({arguments}) == 0
    for path in files:
        path.write_text(path.read_text() + "\\n# a comment\\n")
    print("== next ==")
    main({arguments} + ["--dry-run"])
    for path in files:
        before = path.read_text()
        path.write_text(before + "\\nEDITED = True\\n")
        print("== next ==")
        main({arguments} + ["--dry-run"])
        path.write_text(before)
"""


def test_a_class_derived_from_a_model_of_the_suite_is_new_when_that_is_edited(tmp_path, own):
    copy = tmp_path / "copy"
    for folder in ("benchmark", "models", "datasets"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    plugin = tmp_path / "derived.py"
    plugin.write_text(
        'from benchmark.models.vade import VaDE\n\nclass Mine(VaDE):\n    "VaDE."\n    name = "derived"\n'
    )
    arguments = ["run", "--dataset", own, "--models", "derived,kmeans", "--seeds", 1, "--budget", "smoke"]
    arguments += ["--plugin", plugin, "--results", tmp_path / "results"]
    program = tmp_path / "program.py"
    program.write_text(EDITS.format(copy=str(copy), arguments=[*map(str, arguments)]))
    done = subprocess.run([sys.executable, program], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, commented, *edited = done.stdout.split("== next ==\n")
    assert "derived n_clusters=2 seed 0: ok" in first
    assert "2 runs, 2 of them done" in commented
    assert len(edited) == 2
    for dry in edited:
        assert "2 runs, 1 of them done" in dry
        assert re.search(r"own-\w+ derived n_clusters=2 seed 0: .* differs in the model's source", dry)


def test_runs_on_one_thread_and_on_two_are_two_and_stand_side_by_side_when_merged(cli, tmp_path, own):
    for threads in (1, 2):
        done = cli(
            *("run", "--dataset", own, "--models", "gmm,kmeans", "--seeds", 1, "--threads", threads),
            *("--results", tmp_path / f"on{threads}"),
        )
        assert done.returncode == 0, done.stderr
    shutil.copytree(tmp_path / "on2" / "runs", tmp_path / "on1" / "merged" / "on2" / "runs")
    tables = cli("tables", "--results", tmp_path / "on1")
    assert tables.returncode == 0, tables.stderr
    rows = set(re.findall(r"^\| (\w+ \(threads=\d\)) +\|", tables.stdout, re.MULTILINE))
    assert rows == {f"{model} (threads={n})" for model in ("gmm", "kmeans") for n in (1, 2)}
    assert "older" not in tables.stdout


def test_code_edited_between_plan_and_run_fails_the_run(cli, tmp_path, own):
    """A sweep lasts hours: what a later seed finds in the file must be what it was planned with."""
    imports = "import pathlib, sys"
    later = "pathlib.Path(__file__).write_text(pathlib.Path(__file__).read_text().replace('told', 'edited'))"
    plugin = write(tmp_path, imports=imports, later=later)
    done = cli(
        *("run", "--dataset", own, "--models", "mine", "--plugin", plugin, "--seeds", 2, "--jobs", 1),
        *("--results", tmp_path / "results"),
    )
    assert done.returncode == 2
    assert re.search(r"own-\w+ mine n_clusters=2 seed 0: ok", done.stderr)
    assert "the source of mine changed since the run was planned" in done.stderr


def test_a_saved_run_is_opened_from_elsewhere_and_not_with_other_code(cli, tmp_path, own):
    here, there = tmp_path / "here", tmp_path / "there"
    plugin = write(here, imports="from helper import X", value="X")
    (here / "helper.py").write_text("X = 1\n")
    arguments = ("--dataset", own, "--models", "mine", "--plugin", plugin, "--seeds", 1)
    done = cli("run", *arguments, "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    (folder,) = (path.parent for path in tmp_path.rglob("record.json"))
    points = torch.linspace(-2, 2, 9)[:, None].expand(9, 2)
    before = load_run(folder).model().log_assign(points)
    here.rename(there)
    own = own.rename(there / "own.npz")

    with pytest.raises(
        UserError, match=r"here/mine\.py, which is not there; .*plugins=\[FILE\.py\].*--plugin"
    ):
        load_run(folder)
    saved = load_run(folder, plugins=[there / "mine.py"])
    assert torch.equal(saved.model().log_assign(points), before)
    with pytest.raises(UserError, match=r"own\.npz, which is not there; .*data=\[PATH\].*--data"):
        _ = saved.data
    assert len(load_run(folder, [there / "mine.py"], [own]).data.dataset.x("all")) == 40
    moved = cli("evaluate", folder, "--again", "--plugin", there / "mine.py", "--data", own)
    assert moved.returncode == 0, moved.stderr
    assert "here/mine.py, which is not there" in cli("evaluate", folder, "--again").stderr

    (there / "helper.py").write_text("X = 2\n")
    with pytest.raises(UserError, match="source of mine has changed since this run"):
        load_run(folder, plugins=[there / "mine.py"]).model()


def test_what_a_plugin_changes_on_import_changes_no_other_run(cli, tmp_path):
    changes = [
        "torch.set_default_dtype(torch.float64)",
        "torch.set_num_threads(2)",
        "torch.use_deterministic_algorithms(True)",
        "torch.manual_seed(5); numpy.random.seed(5); random.seed(5)",
        "warnings.simplefilter('error')",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "os.chdir('/'); os.environ.clear(); sys.argv.clear()",
    ]
    imports = "import numpy, os, random, signal, sys, warnings\n" + "\n".join(changes)
    plugin = write(tmp_path, "greedy", imports, value="str(torch.rand(()).dtype)")
    common = ("run", "--models", "kmeans,vade", "--seeds", 1, "--budget", "smoke")
    alone = cli(*common, "--results", tmp_path / "alone")
    beside = cli(*common, "--results", tmp_path / "beside", "--plugin", plugin)
    assert alone.returncode == beside.returncode == 0, beside.stderr
    kept = ("digest", "metrics", "diagnostics", "last_losses", "fid")
    found = [[{name: r[name] for name in kept} for r in records(tmp_path / d)] for d in ("alone", "beside")]
    for runs in found:
        for values in runs:
            for entry in values["fid"].values():
                entry.pop("seconds", None)
    assert len(found[0]) == 2
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import argparse\nargparse.ArgumentParser().parse_args()\n", r"ends the process \(exit code 2\)"),
        ("import os\nos._exit(0)\n", r"ends the process \(exit code 0\)"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "died while it loaded"),
    ],
)
def test_a_plugin_that_ends_the_process_is_named(cli, tmp_path, text, reason):
    path = tmp_path / "program.py"
    path.write_text(text)
    run = cli("run", "--models", "kmeans", "--plugin", path, "--results", tmp_path / "results")
    assert run.returncode == 1
    assert re.search(reason, run.stderr)
    assert str(path) in run.stderr
    assert "Traceback" not in run.stderr
    if "_exit" in text:
        listed = cli("list", "--plugin", path)
        assert listed.returncode == 0
        assert re.search(f"{path} could not be loaded: importing it {reason}", listed.stdout)


def test_an_edited_range_of_a_data_set_makes_its_runs_new_ones(tmp_path):
    """Models are told of it, and the arrays do not show it."""
    text = (
        "import numpy as np\nfrom benchmark.api import Dataset\n\n"
        "class Line(Dataset):\n    name = title = 'line'\n"
        "    splits, shape, n_classes, value_range = ('all',), (1,), 2, {}\n"
        "    def x(self, split):\n        return np.linspace(0, 1, 20, dtype=np.float32)[:, None]\n"
        "    def y(self, split):\n        return np.arange(20) // 10\n"
    )
    path, digests = tmp_path / "line.py", []
    for value_range in ("(0.0, 1.0)", "(0.0, 1.0)  # the same", "None"):
        path.write_text(text.format(value_range))
        digests.append(plan(Request("line", ("kmeans",), 1, plugins=(str(path),))).runs[0].digest)
    assert digests[0] == digests[1] != digests[2]


NO_DECORATOR = ("@dataclass(frozen=True)", "")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            NO_DECORATOR,
            r"mine\.py can't be used: .*no @dataclass\(frozen=True\) above it, so shift can't be set",
        ),
        (("shift: float = 0.0", "shift: float"), r"mine\.shift has no value for own-\w+; give it a default"),
        (
            ("def diagnose", "def skip_reason(cls, data):\n        pass\n\n    def diagnose"),
            "the model mine can't be planned: TypeError: .*skip_reason",
        ),
        (
            ('name = "mine"', 'name = "mine"\n    presets = {"*": {"shitf": 1}}'),
            r"unknown hyper-parameter of mine\.presets\['\*'\] 'shitf'; did you mean shift",
        ),
    ],
)
def test_mistakes_of_authors_get_one_sentence(tmp_path, own, edit, words):
    plugin = write(tmp_path)
    plugin.write_text(plugin.read_text().replace(*edit))
    with pytest.raises(UserError, match=words) as error:
        plan(Request(str(own), ("mine",), plugins=(str(plugin),)))
    assert "\n" not in str(error.value)


def test_the_command_line_says_it_in_one_line(cli, tmp_path, own):
    plugin = write(tmp_path)
    plugin.write_text(plugin.read_text().replace(*NO_DECORATOR))
    done = cli("run", "--dataset", own, "--models", "mine", "--plugin", plugin, "--results", tmp_path / "r")
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*no @dataclass.*\n", done.stderr)


def test_values_from_python_are_taken_as_what_is_typed(tmp_path, own):
    plugin = write(tmp_path)
    runs = [
        plan(Request(str(own), ("mine",), 1, plugins=(str(plugin),), overrides={"mine": values})).runs
        for values in ({"shift": 0.5, "n_clusters": 3}, {"shift": "0.5", "n_clusters": "3"})
    ]
    assert runs[0][0].key == runs[1][0].key
    assert runs[0][0].overrides == {"shift": 0.5, "n_clusters": 3}
