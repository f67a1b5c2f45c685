"""Finds models and data sets by name: the folders models/ and datasets/, installed entry points, and --plugin
files.

A plugin that can't be imported is kept as a failure with its reason: `list` shows it, and it is fatal only
when something that was asked for can't be found otherwise.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import benchmark
from benchmark.api import ClusteringModel, Dataset, ModelConfig
from benchmark.data.own_file import OwnDataset
from benchmark.data.own_kinds import KINDS, is_own
from benchmark.errors import UserError, unknown
from benchmark.isolation import isolated
from benchmark.plugin_files import PREFIX, forget, import_file
from benchmark.reading import DEFAULT, Reading

T = TypeVar("T")


# Comparison models, which a sweep has when they are named, or with --models all: with them `make bench` would
# take an hour. Any other model, a plugin's too, is in every sweep.
ON_REQUEST = frozenset(
    {
        "aae",
        "aim",
        "dcn",
        "dec",
        "idec",
        "infogan",
        "mfcvae",
        "n2d",
        "spectral",
        "umap_gmm",
        "umap_hdbscan",
        "vae",
        "vae_em",
        "vmm",
    }
)


class Registry:
    """All models and data sets that can be found, by name.

    Attributes:
        models, datasets: the classes by name.
        origins: {class: where it is from}; of a --plugin file its path, as it was given.
        failures: {where: reason} of the plugins that could not be loaded.

    Args:
        plugins: --plugin files; each is read as it is now, also if an earlier registry has imported it.
        loading: called with where a plugin is from before its code is executed, which may end the process.
    """

    def __init__(self, plugins: Sequence[str] = (), loading: Callable[[str], object] = lambda where: None):
        self.models: dict[str, type[ClusteringModel]] = {}
        self.datasets: dict[str, type[Dataset]] = {}
        self.origins: dict[type, str] = {}
        self.failures: dict[str, str] = {}
        forget(Path(plugin) for plugin in plugins)
        for where, load in _sources(plugins):
            loading(where)
            try:
                with isolated():
                    module = load()
                classes = list(_plugin_classes(module))
                if not classes:
                    raise UserError(
                        "it defines no model and no data set (names with _ and imported ones are left out)"
                    )
                for cls in classes:
                    self._add(cls)
                    self.origins.setdefault(cls, where)
            except SystemExit as exit_:
                self.failures[where] = (
                    f"importing it ends the process (exit code {exit_.code}); "
                    'what it does as a program belongs below `if __name__ == "__main__":`'
                )
            except UserError as error:
                self.failures[where] = str(error)
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
                f"the name {cls.name!r} is taken by {_home(other)}, {_home(cls)} must choose another"
            )
        table[cls.name] = cls

    def model(self, name: str) -> type[ClusteringModel]:
        return self._find("model", name, self.models)

    def dataset(self, name: str, folder: Path, reading: Reading = DEFAULT) -> Dataset:
        """The data set of that name, or the user's own data at that path, read as `reading` says."""
        if self.is_own(name):
            return OwnDataset(Path(name), reading)
        neither = f"; nor is there a file or folder of that name, for data of your own: {KINDS}"
        found = self._find("data set", name, self.datasets, neither)
        if given := reading.given():
            raise UserError(
                f"{' and '.join(given)} was given for the data set {name}, and is for data of your own:"
                f" {KINDS}; leave it out"
            )
        return found(folder)

    def is_own(self, name: str) -> bool:
        """Whether that is the path of the user's own data."""
        return is_own(name, self.datasets)

    def chosen(self, names: Sequence[str]) -> list[type[ClusteringModel]]:
        """Models by their names; without any those of every sweep, and with "all" all of them."""
        if not names:
            names = sorted(self.models.keys() - ON_REQUEST)
        return [self.model(name) for name in (sorted(self.models) if list(names) == ["all"] else names)]

    def _find(self, kind: str, name: str, table: dict[str, T], more: str = "") -> T:
        if name in table:
            return table[name]
        error = unknown(kind, name, table)
        reasons = "".join(f"\n  {where} could not be loaded: {why}" for where, why in self.failures.items())
        raise UserError(f"{error}{more}{reasons}")


def _sources(plugins: Sequence[str]) -> Iterator[tuple[str, Callable[[], ModuleType]]]:
    """(where, function that imports it) of every module that may hold plugins."""
    for package in ("models", "datasets"):
        folders = [str(Path(p) / package) for p in benchmark.__path__]
        for info in sorted(pkgutil.iter_modules(folders), key=lambda i: i.name):
            if not info.name.startswith("_"):
                module = f"benchmark.{package}.{info.name}"
                yield f"{package}/{info.name}.py", lambda m=module: importlib.import_module(m)  # type: ignore[misc]
    for point in entry_points(group="dgcbench"):
        yield f"entry point {point.name}", point.load
    # The same file may be given twice, by several names.
    for plugin in reversed({Path(p).resolve(): p for p in reversed(plugins)}.values()):
        yield plugin, lambda p=plugin: import_file(Path(p))  # type: ignore[misc]


def _home(cls: type) -> str:
    """Where a class is defined: a plugin's file, or the module of others."""
    file = sys.modules[cls.__module__].__file__ if cls.__module__.startswith(PREFIX) else None
    return file or cls.__module__


def _plugin_classes(module: ModuleType) -> Iterator[type[ClusteringModel] | type[Dataset]]:
    """The complete plugin classes that a module defines itself, checked against the contract."""
    for cls in vars(module).values():
        if not inspect.isclass(cls) or cls.__module__ != module.__name__ or cls.__name__.startswith("_"):
            continue
        if issubclass(cls, (ClusteringModel, Dataset)):
            missing = sorted(getattr(cls, "__abstractmethods__", ()))
            if issubclass(cls, Dataset):
                missing += [name for name in ("title", "shape", "n_classes") if not hasattr(cls, name)]
            if missing:
                raise UserError(f"{cls.__name__} must define {', '.join(missing)}; see benchmark/api.py")
            if not isinstance(getattr(cls, "name", None), str):
                raise UserError(f'{cls.__name__} needs a class attribute name = "..."')
            # Folders are called so; options list names with commas, and "all" is all of them.
            if not re.fullmatch(r"\w[\w.-]*", cls.name) or cls.name == "all":
                raise UserError(
                    f"{cls.__name__} has the name {cls.name!r}, expected letters, digits and _, from the"
                    " second on also . and -, and not all"
                )
            if issubclass(cls, ClusteringModel):
                _check_config(cls)
            yield cls


def _check_config(model: type[ClusteringModel]) -> None:
    config = getattr(model, "Config", None)
    if not (inspect.isclass(config) and issubclass(config, ModelConfig)):
        raise UserError(f"{model.__name__}.Config must be a dataclass that extends benchmark.api.ModelConfig")
    for cls in config.__mro__[: config.__mro__.index(ModelConfig)]:
        # A subclass of a dataclass passes for one, but its own fields are none without the decorator.
        if (fields := inspect.get_annotations(cls)) and "__dataclass_fields__" not in vars(cls):
            raise UserError(
                f"{model.__name__}.Config has no @dataclass(frozen=True) above it, "
                f"so {', '.join(fields)} can't be set"
            )
