"""Finding plugins: folders, files, failures and names that are taken."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.registry import Registry

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


def write(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_the_folders_are_found():
    registry = Registry()
    assert {"kmeans", "gmm", "agglomerative", "nmf", "ae_kmeans", "vade"} <= set(registry.models)
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
