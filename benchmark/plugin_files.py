"""Imports --plugin files, each folder as a package of its own.

A plugin file may import what lies beside it, by `from ._helper import x` or by `import helper`, at its top
or later in a function. Both find the modules of its own folder, so that files and helpers of the same name in
two folders never meet. The folder, and what a file adds to sys.path while it is imported, are the package's
`__path__`: the digest of the file's code looks there too.
"""

import builtins
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from benchmark.errors import UserError

PREFIX = "dgcbench_plugins_"
# argparse at a file's top shall refuse, always, instead of reading this program's options as its own.
ARGUMENT = "--imported-as-a-plugin"


class Folder(ModuleType):
    """The package that stands for a folder of plugin files.

    Attributes:
        others_paths: what sys.path held before a file of this folder was imported; None at other times.
    """

    __path__: list[str]
    others_paths: list[str] | None = None

    def has(self, name: str) -> bool:
        """Whether `import name` in a file of this folder means a module of its own."""
        if name == "benchmark":
            return False
        for i, path in enumerate(self.__path__):
            spec = PathFinder.find_spec(name, [path])
            if spec is None or (i > 0 and name in sys.modules):
                continue
            # A folder without __init__.py is a module only where there is no other of that name.
            return spec.origin is not None or importlib.util.find_spec(name) is None
        return False

    def adopt_paths(self) -> None:
        """Take over what a file that is being imported has added to sys.path."""
        if self.others_paths is not None:
            new = [str(Path(entry).absolute()) for entry in sys.path if entry not in self.others_paths]
            self.__path__ += [entry for entry in new if entry not in self.__path__]

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """The import statement of the files in this folder, as `builtins.__import__`."""
        self.adopt_paths()
        top = name.partition(".")[0]
        if level or not self.has(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(f"{self.__name__}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{self.__name__}.{top}"]


class _Loader(SourceFileLoader):
    """Executes a file as it is now, with its folder's import statement."""

    def get_code(self, fullname: str) -> CodeType:
        # Not from a .pyc: that is taken for current when an edit within a second left the length as it was.
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        folder = sys.modules[module.__name__.partition(".")[0]]
        assert isinstance(folder, Folder)
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": folder.import_}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules below a `Folder`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(PREFIX) or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def import_file(path: Path) -> ModuleType:
    """Execute a plugin file and return its module. Changes sys.argv and whatever the file changes.

    Raises:
        UserError: it is not there, or is no Python file.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if path.suffix != ".py":
        raise UserError(f"{path} is not a Python file (expected a name that ends in .py)")
    path = path.resolve()
    folder = _folder(path.parent)
    name = f"{folder.__name__}.{path.stem.replace('.', '_')}"
    if name in sys.modules:  # another plugin of the same folder has imported it
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and inspect look the module up by name
    sys.argv = [str(path), ARGUMENT]
    folder.others_paths = list(sys.path)
    try:
        spec.loader.exec_module(module)
        folder.adopt_paths()
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        folder.others_paths = None
    return module


def forget(files: Iterable[Path]) -> None:
    """Have these files and what lies beside them read again when they are imported the next time."""
    importlib.invalidate_caches()
    for package in {_name(file.resolve().parent) for file in files}:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]


def own_paths(module: str) -> list[Path]:
    """The folders that a plugin file's plain imports are looked up in first; none for other modules."""
    folder = sys.modules.get(module.partition(".")[0])
    return [Path(path) for path in folder.__path__] if isinstance(folder, Folder) else []


def _folder(path: Path) -> Folder:
    name = _name(path)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(path)]
        folder = Folder(name, f"The plugins in {path}.")
        folder.__spec__, folder.__path__, folder.__package__ = spec, [str(path)], name
        sys.modules[name] = folder
    found = sys.modules[name]
    assert isinstance(found, Folder)
    return found


def _name(folder: Path) -> str:
    return PREFIX + hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:12]
