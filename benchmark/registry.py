"""Finds models and data sets by name: the folders models/ and datasets/, installed entry points, and --plugin
files.

A plugin that can't be imported is kept as a failure with its reason: `list` shows it, and it is fatal only
when something that was asked for can't be found otherwise.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import benchmark
from benchmark.api import ClusteringModel, Dataset, ModelConfig
from benchmark.data.own_file import NpzDataset
from benchmark.errors import UserError, unknown

T = TypeVar("T")


class Registry:
    """All models and data sets that can be found, by name.

    Attributes:
        models, datasets: the classes by name.
        failures: {where: reason} of the plugins that could not be loaded.
    """

    def __init__(self, plugins: Sequence[str] = ()):
        self.models: dict[str, type[ClusteringModel]] = {}
        self.datasets: dict[str, type[Dataset]] = {}
        self.failures: dict[str, str] = {}
        for where, load in _sources(plugins):
            try:
                for cls in _plugin_classes(load()):
                    self._add(cls)
            except Exception as error:  # whatever a stranger's plugin raises must not stop the others
                self.failures[where] = f"{type(error).__name__}: {error}"

    def require(self, plugins: Iterable[str]) -> None:
        """Raise if one of these --plugin files could not be loaded."""
        for plugin in plugins:
            if plugin in self.failures:
                raise UserError(f"the plugin {plugin} can't be used: {self.failures[plugin]}")

    def _add(self, cls: type[ClusteringModel] | type[Dataset]) -> None:
        table: dict[str, type] = self.models if issubclass(cls, ClusteringModel) else self.datasets
        other = table.get(cls.name)
        if other is not None and other is not cls:
            raise UserError(
                f"the name {cls.name!r} is taken by {other.__module__}, {cls.__module__} must choose another"
            )
        table[cls.name] = cls

    def model(self, name: str) -> type[ClusteringModel]:
        return self._find("model", name, self.models)

    def dataset(self, name: str, folder: Path, standardise: bool = True) -> Dataset:
        """The data set of that name; a name that ends in .npz is a file of the user's own.

        Args:
            standardise: the vectors of an own file, see `NpzDataset`.
        """
        if name.endswith(".npz"):
            return NpzDataset(Path(name), standardise)
        return self._find("data set", name, self.datasets)(folder)

    def _find(self, kind: str, name: str, table: dict[str, T]) -> T:
        if name in table:
            return table[name]
        error = unknown(kind, name, table)
        reasons = "".join(f"\n  {where} could not be loaded: {why}" for where, why in self.failures.items())
        raise UserError(f"{error}{reasons}")


def _sources(plugins: Iterable[str]) -> Iterator[tuple[str, Callable[[], ModuleType]]]:
    """(where, function that imports it) of every module that may hold plugins."""
    for package in ("models", "datasets"):
        folders = [str(Path(p) / package) for p in benchmark.__path__]
        for info in sorted(pkgutil.iter_modules(folders), key=lambda i: i.name):
            if not info.name.startswith("_"):
                module = f"benchmark.{package}.{info.name}"
                yield f"{package}/{info.name}.py", lambda m=module: importlib.import_module(m)  # type: ignore[misc]
    for point in entry_points(group="dgcbench"):
        yield f"entry point {point.name}", point.load
    for plugin in plugins:
        yield plugin, lambda p=plugin: _import_file(Path(p))  # type: ignore[misc]


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    name = f"dgcbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file (expected a name that ends in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and inspect look the module up by name
    spec.loader.exec_module(module)
    return module


def _plugin_classes(module: ModuleType) -> Iterator[type[ClusteringModel] | type[Dataset]]:
    """The complete plugin classes that a module defines itself, checked against the contract."""
    for cls in vars(module).values():
        if not inspect.isclass(cls) or cls.__module__ != module.__name__ or cls.__name__.startswith("_"):
            continue
        if issubclass(cls, (ClusteringModel, Dataset)):
            if missing := sorted(getattr(cls, "__abstractmethods__", ())):
                raise UserError(f"{cls.__name__} must define {', '.join(missing)}; see benchmark/api.py")
            if not isinstance(getattr(cls, "name", None), str):
                raise UserError(f'{cls.__name__} needs a class attribute name = "..."')
            config = getattr(cls, "Config", None)
            if issubclass(cls, ClusteringModel) and not (
                inspect.isclass(config) and issubclass(config, ModelConfig)
            ):
                raise UserError(
                    f"{cls.__name__}.Config must be a dataclass that extends benchmark.api.ModelConfig"
                )
            yield cls
