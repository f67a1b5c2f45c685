"""Plugin files and what lies beside them: each folder is a package of its own."""

import sys

import pytest

from benchmark.errors import UserError
from benchmark.isolation import isolated
from benchmark.plugin_files import forget, import_file, own_paths


def write(folder, text, name="mine.py"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def load(*paths):
    with isolated():
        return [import_file(path) for path in paths]


USES = """
from ._one import ONE
import two
import package.three as three
from package import THREE
import json

def values():
    import four
    from . import _five
    return ONE, two.TWO, three.THREE, THREE, four.FOUR, _five.FIVE, json.dumps(1)
"""


def fill(folder, value):
    """A plugin file with helpers beside it that all hold `value`."""
    (folder / "package").mkdir(parents=True)
    for name, constant in (
        ("_one", "ONE"),
        ("four", "FOUR"),
        ("_five", "FIVE"),
        ("package/__init__", "THREE"),
    ):
        (folder / f"{name}.py").write_text(f"{constant} = {value}\n")
    (folder / "two.py").write_text("from four import FOUR as TWO\n")  # a helper's helper
    (folder / "package" / "three.py").write_text("import two\nTHREE = two.TWO\n")
    return write(folder, USES)


def test_plugins_import_what_lies_beside_them_and_never_what_lies_beside_others(tmp_path):
    paths, modules = list(sys.path), set(sys.modules)
    files = [fill(tmp_path / name, value) for name, value in (("a", 1), ("b", 2))]
    first, second = load(*files)
    assert first.values() == (1,) * 6 + ("1",)
    assert second.values() == (2,) * 6 + ("1",)
    assert sys.path == paths
    assert not {"two", "four", "package", "_one"} & (set(sys.modules) - modules)


def test_a_folder_that_a_plugin_adds_to_the_path_is_its_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "lib" / "tool.py").write_text(f"NAME = {name!r}\n")
        text = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\n"
        later = "import tool\ndef late():\n    import tool\n    return tool.NAME\n"
        write(tmp_path / name, text + later)
    first, second = load(tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py")
    assert (first.late(), second.late()) == ("a", "b")
    assert (first.tool.NAME, second.tool.NAME) == ("a", "b")
    assert own_paths(first.__name__) == [tmp_path / "a", tmp_path / "a" / "lib"]


def test_a_folder_without_init_is_a_package_unless_there_is_another_of_its_name(tmp_path):
    write(tmp_path / "nets", "X = 1\n", "mlp.py")
    write(tmp_path / "numpy", "X = 1\n", "mlp.py")
    plugin = write(tmp_path, "import nets.mlp, numpy\nfrom nets import mlp\nZEROS = numpy.zeros(2)\n")
    (module,) = load(plugin)
    assert module.nets.mlp.X == module.mlp.X == 1
    assert module.numpy is sys.modules["numpy"]


def test_own_files_come_before_those_of_python_but_for_their_folder_alone(tmp_path):
    write(tmp_path / "a", "MINE = True\n", "statistics.py")
    with_own = write(tmp_path / "a", "import statistics\nimport benchmark.api\n")
    without = write(tmp_path / "b", "import statistics\n")
    first, second = load(with_own, without)
    assert first.statistics.MINE
    assert second.statistics.mean([1, 3]) == 2
    assert first.benchmark is sys.modules["benchmark"]


def test_two_plugins_of_a_folder_share_their_helper_until_it_is_read_again(tmp_path):
    write(tmp_path, "LIST = []\n", "shared.py")
    files = [write(tmp_path, "from shared import LIST\n", name) for name in ("a.py", "b.v2.py")]
    first, second = load(*files)
    assert first.LIST is second.LIST
    forget(files)
    assert load(files[0])[0].LIST is not first.LIST


@pytest.mark.parametrize(
    ("name", "words"), [("none.py", "there is no file"), ("mine.txt", "is not a Python file")]
)
def test_what_is_no_python_file_is_named(tmp_path, name, words):
    write(tmp_path, "", "mine.txt")
    with pytest.raises(UserError, match=words):
        load(tmp_path / name)


def test_a_file_that_fails_is_not_half_there(tmp_path):
    plugin = write(tmp_path, "X = 1\nraise LookupError\n")
    for _ in range(2):
        with pytest.raises(LookupError):
            load(plugin)


def test_a_file_in_another_encoding_and_with_a_name_of_any_letters(tmp_path):
    path = tmp_path / "聚类-model.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nWORD = 'é'\n".encode("latin-1"))
    assert load(path)[0].WORD == "é"
