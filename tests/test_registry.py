"""Finding plugins: folders, files, failures and names that are taken."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.registry import ON_REQUEST, Registry

MODEL = """
from dataclasses import dataclass
from benchmark.api import ClusteringModel, ModelConfig

class Mine(ClusteringModel):
    "A model of my own."
    name = "{name}"
    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass
    def stages(self, x): return []
    def log_assign(self, x): ...
"""


DATASET = """
from benchmark.api import Dataset

class Mine(Dataset):
    "Data of my own."
    name = title = "mine"
    shape = (2,)
    n_classes = None
    def x(self, split): ...
    def y(self, split): ...
"""


def write(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_the_folders_are_found():
    registry = Registry()
    assert {"kmeans", "gmm", "agglomerative", "nmf", "ae_kmeans", "random", "untrained", "vade"} <= set(
        registry.models
    )
    assert {"digits", "mnist", "fashion_mnist", "modes3", "modes5", "modes9"} <= set(registry.datasets)
    assert registry.failures == {}


def test_an_own_file_can_not_pass_for_a_data_set_of_the_suite(tmp_path):
    registry = Registry()
    for name in ("digits", "vector"):
        np.savez(tmp_path / f"{name}.npz", X=np.eye(3))
        assert registry.dataset(str(tmp_path / f"{name}.npz"), tmp_path).name.startswith(f"{name}-")


def test_a_plugin_file_adds_its_models(tmp_path, fakes):
    plugin = write(tmp_path, MODEL.format(name="mine"))
    registry = Registry([plugin, fakes])
    registry.require([plugin, fakes])
    assert registry.model("mine").__name__ == "Mine"
    assert "raises" in registry.models
    assert "_Fake" not in [cls.__name__ for cls in registry.models.values()]


def test_unknown_names_list_near_matches():
    with pytest.raises(UserError, match="unknown model 'vada'; did you mean vade"):
        Registry().model("vada")
    with pytest.raises(UserError, match="unknown data set 'minst'; did you mean mnist"):
        Registry().dataset("minst", Path())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import a_module_that_is_not_there", "No module named"),
        ("this is no Python", "SyntaxError"),
        ("raise SystemError('broken')", "broken"),
        (MODEL.format(name="vade"), "the name 'vade' is taken by benchmark.models.vade"),
        (MODEL.format(name="mine").replace("def log_assign", "def assign"), "Mine must define log_assign"),
        (MODEL.format(name="mine").replace('name = "mine"', ""), "needs a class attribute name"),
        (MODEL.format(name="mine").replace("(ModelConfig)", ""), "must be a dataclass that extends"),
        (
            MODEL.format(name="mine")
            .replace("@dataclass(frozen=True)", "")
            .replace("pass", "lr: float = 0.1"),
            "Mine.Config has no @dataclass(frozen=True) above it, so lr can't be set",
        ),
        (DATASET.replace("= title", ""), "Mine must define title"),
        (DATASET.replace("shape", "form").replace("n_classes", "k"), "Mine must define shape, n_classes"),
        (MODEL.format(name="deep/kmeans"), "has the name 'deep/kmeans', expected letters, digits and _"),
        (DATASET.replace('"mine"', '"a,b"'), "has the name 'a,b'"),
        (MODEL.format(name="all"), "has the name 'all'"),
        ("", "it defines no model and no data set"),
        (
            MODEL.format(name="mine").replace("class Mine", "class _Mine"),
            "it defines no model and no data set",
        ),
        ("from benchmark.models.kmeans import KMeans", "it defines no model and no data set"),
        ("import sys\nsys.exit('no')", "importing it ends the process (exit code no)"),
        ("import argparse\nargparse.ArgumentParser().parse_args()", "ends the process (exit code 2)"),
        ("import os\nos._exit(0)", "importing it ends the process (exit code 0)"),
        ("from ..above import x", "attempted relative import beyond top-level package"),
    ],
)
def test_a_broken_plugin_is_reported_and_fatal_only_when_asked_for(tmp_path, text, message):
    plugin = write(tmp_path, text)
    registry = Registry([plugin])
    assert message in registry.failures[plugin]
    assert registry.model("vade").__module__ == "benchmark.models.vade"
    with pytest.raises(UserError, match="can't be used"):
        registry.require([plugin])
    with pytest.raises(UserError, match="could not be loaded"):
        registry.model("mine")


def test_a_missing_plugin_file_is_named(tmp_path):
    registry = Registry([str(tmp_path / "nothing.py")])
    assert "there is no file" in next(iter(registry.failures.values()))


def test_a_model_file_imported_a_second_time_under_another_name_is_refused():
    path = str(Path(__file__).resolve().parent.parent / "models" / "kmeans.py")
    assert "taken by benchmark.models.kmeans" in Registry([path]).failures[path]


def test_an_edited_plugin_and_an_edited_helper_are_read_again(tmp_path):
    """Also within a second and at the same length, which is all that a .pyc is recognised by."""
    plugin = write(tmp_path, "from helper import X\n" + MODEL.format(name="mine") + "    x = X\n")
    for value in (1, 2):
        (tmp_path / "helper.py").write_text(f"X = {value}\n")
        assert Registry([plugin]).model("mine").x == value
    assert not (tmp_path / "__pycache__").exists()


def test_two_plugins_of_one_name_are_two_and_a_file_given_twice_is_one(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, MODEL.format(name=name))
    monkeypatch.chdir(tmp_path)
    registry = Registry(["a/mine.py", "b/mine.py", str(tmp_path / "a" / "mine.py")])
    assert registry.failures == {}
    models = [registry.model(name) for name in ("a", "b")]
    assert models[0].__module__ != models[1].__module__
    assert [registry.origins[model] for model in models] == ["a/mine.py", "b/mine.py"]


def test_a_name_that_two_plugins_want_is_an_error_that_names_both_files(tmp_path):
    plugins = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plugins.append(write(tmp_path / name, MODEL.format(name="same")))
    assert f"taken by {plugins[0]}, {plugins[1]} must" in Registry(plugins).failures[plugins[1]]


def test_a_sweep_without_names_leaves_comparison_models_out_and_all_is_all():
    registry = Registry()
    assert registry.models.keys() >= ON_REQUEST
    assert {model.name for model in registry.chosen(())} == registry.models.keys() - ON_REQUEST
    assert {model.name for model in registry.chosen(("all",))} == registry.models.keys()
    assert [model.name for model in registry.chosen(("vade", "dec"))] == ["vade", "dec"]
