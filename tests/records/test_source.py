"""The digest of a model's code: which edits change it."""

import importlib.util
import sys
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.isolation import isolated
from benchmark.plugin_files import import_file, own_paths
from benchmark.records import source
from benchmark.registry import Registry

MODEL = '"""Doc."""\nfrom ._neighbour import x\n\ndef loss():\n    """Doc."""\n    return x + 1  # why\n'


@pytest.fixture
def digest(tmp_path):
    """Digest of the code that stands in a file now."""

    def of(path=tmp_path / "edited.py", name="edited_for_test"):
        source._canonical_source.cache_clear()
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        return source.source_digest(name)

    (tmp_path / "_neighbour.py").write_text("x = 1\n")
    yield of
    sys.modules.pop("edited_for_test", None)


def test_an_edited_loss_changes_it_and_comments_docstrings_and_layout_do_not(digest, tmp_path):
    path = tmp_path / "edited.py"
    path.write_text(MODEL)
    first = digest()
    path.write_text('"""Other."""\nfrom ._neighbour import x\n\n\ndef loss():\n    return (x + 1)\n')
    assert digest() == first
    path.write_text(MODEL.replace("x + 1", "x + 2"))
    assert digest() != first


def test_a_core_module_that_moves_or_is_renamed_leaves_it_alone(digest, tmp_path):
    path = tmp_path / "edited.py"
    body = "\n\ndef loss():\n    from benchmark.plots import save\n    return Stage, save\n"
    path.write_text("from benchmark.api import Stage" + body)
    first = digest()
    path.write_text(
        "from benchmark.contract.stages import Stage" + body.replace("benchmark.plots", "benchmark.figures")
    )
    assert digest() == first
    path.write_text("import benchmark.api\nfrom benchmark.api import Stage" + body)
    assert digest() == first


def test_another_function_of_the_core_under_the_same_name_changes_it(digest, tmp_path):
    path = tmp_path / "edited.py"
    body = "\n\ndef f(x):\n    return convert(x)\n"
    path.write_text("from benchmark.api import as_float as convert, Stage" + body)
    first = digest()
    path.write_text("from benchmark.contract import as_float as convert" + body)
    assert digest() == first
    path.write_text("from benchmark.api import in_full_precision as convert, Stage" + body)
    assert digest() != first


def test_presets_and_what_only_they_use_do_not_count(digest, tmp_path):
    """They act through the config, which is in the key."""
    path = tmp_path / "edited.py"
    shared = "COMMON = {}\nUSED = 1\n\ndef f():\n    return USED\n\n"
    shared += "class C:\n    _more = COMMON\n    presets = {'a': _more, 'b': USED}\n    hour = {}\n"
    path.write_text(shared)
    first = digest()
    path.write_text(
        shared.replace("COMMON = {}", "COMMON = {'lr': 1}").replace("hour = {}", "hour = {'a': COMMON}")
    )
    assert digest() == first
    path.write_text(shared.replace("USED = 1", "USED = 2"))
    assert digest() != first


@pytest.mark.parametrize(
    "code",
    [
        "quick = {{'a': {}}}\n\ndef f():\n    return quick['a']\n",
        "quick = {{'a': {}}}\n",  # of a module: another may import it
        "class C:\n    smoke = {{'a': {}}}\n\n    def f(self):\n        return self.smoke\n",
        "class C:\n    hour = {}\n",
    ],
)
def test_what_only_has_the_name_of_a_preset_counts(digest, tmp_path, code):
    path = tmp_path / "edited.py"
    path.write_text(code.format(1))
    first = digest()
    path.write_text(code.format(2))
    assert digest() != first


@pytest.mark.parametrize(
    ("statement", "helper"),
    [
        ("from ._neighbour import x", "_neighbour.py"),
        ("def f():\n    from ._neighbour import x", "_neighbour.py"),
        ("import myhelper", "myhelper.py"),
        ("from myhelper import x", "myhelper.py"),
        ("import mypackage.nets", "mypackage/nets.py"),
        ("from mypackage import nets", "mypackage/nets.py"),
        ("from mypackage.nets import x", "mypackage/__init__.py"),
        ("import first", "myhelper.py"),  # through a module that imports it
    ],
)
def test_helpers_count_wherever_the_code_imports_them(digest, tmp_path, statement, helper):
    (tmp_path / "mypackage").mkdir()
    for name in ("myhelper.py", "mypackage/__init__.py", "mypackage/nets.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "first.py").write_text("import myhelper\n")
    (tmp_path / "edited.py").write_text(statement + "\n")
    first = digest()
    (tmp_path / helper).write_text("x = 2\n")
    assert digest() != first


@pytest.mark.parametrize(
    "statement",
    [
        "from benchmark.models._networks import mlp",
        "from benchmark.models import _networks",
        "from benchmark.models.vade import VaDE",
    ],
)
def test_the_suites_own_models_count_for_a_plugin_that_uses_them(digest, tmp_path, statement):
    (tmp_path / "edited.py").write_text(statement + "\n")
    Registry().model("vade")
    found = {path.name for path in source._reachable(tmp_path / "edited.py", "edited_for_test")}
    assert {"edited.py", "_networks.py"} <= found
    assert ("vade.py" in found) == ("vade" in statement)
    assert not found & {"api.py", "__init__.py"}


def test_a_package_beside_the_working_folder_counts_and_installed_ones_do_not(digest, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lossfunctions.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(elsewhere)
    (tmp_path / "edited.py").write_text("import numpy, json, sklearn.cluster\nimport lossfunctions\n")
    found = source._reachable(tmp_path / "edited.py", "edited_for_test")
    assert [Path(path).name for path in found] == ["edited.py", "lossfunctions.py"]


def test_every_registered_model_has_one_of_its_own():
    digests = [source.source_digest(cls.__module__) for cls in Registry().models.values()]
    assert len(set(digests)) == len(digests)


def plugin_files_of(path):
    """The files that the digest of a plugin covers, as names relative to its folder."""
    with isolated():
        module = import_file(path)
    found = source._reachable(path, module.__name__.split(".")[0], own_paths(module.__name__))
    return {str(file.relative_to(path.parent)) for file in found}


def test_helpers_of_a_plugin_count_also_from_subfolders_and_from_folders_added_to_the_path(tmp_path):
    for folder in ("nets", "lib"):
        (tmp_path / folder).mkdir()
    (tmp_path / "nets" / "mlp.py").write_text("import helper\n")  # no __init__.py; imports from above
    for file in ("helper.py", "lib/tool.py", "lib/late.py"):
        (tmp_path / file).write_text("x = 1\n")
    path = tmp_path / "mine.py"
    adds = "import sys, pathlib\nsys.path.append(str(pathlib.Path(__file__).parent / 'lib'))\n"
    path.write_text(adds + "import nets.mlp\nimport tool\ndef f():\n    import late\n")
    assert plugin_files_of(path) == {"mine.py", "nets/mlp.py", "helper.py", "lib/tool.py", "lib/late.py"}


def test_a_package_without_init_in_the_working_folder_counts(tmp_path, monkeypatch):
    (tmp_path / "here" / "plain").mkdir(parents=True)
    (tmp_path / "here" / "plain" / "nets.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "here")
    (tmp_path / "mine.py").write_text("from plain.nets import x\n")
    assert plugin_files_of(tmp_path / "mine.py") == {"mine.py", "here/plain/nets.py"}


def test_code_in_another_encoding_is_read_and_what_is_no_python_is_named(digest, tmp_path):
    path = tmp_path / "edited.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    assert digest()
    path.write_text("def f():\n    import broken\n")
    (tmp_path / "broken.py").write_text("this is no Python")
    with pytest.raises(UserError, match=r"broken\.py can't be read as Python"):
        digest()
