"""The digest of a model's code: what its class can reach of its author's, wherever it lies, and nothing of
the suite's.

A record says by this digest which code it was made with. An edit that can't change a result (comments,
docstrings, layout, presets, whose resolved values stand in the key) changes no digest, and neither does a
module of the suite's own core that moves: what of the core changes results has a version of its own in the
key.
"""

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import benchmark
from benchmark.errors import UserError
from benchmark.plugin_files import own_paths

BUDGET_TABLES = ("presets", "hour", "quick", "smoke")
PLUGIN_PACKAGES = ("benchmark.models", "benchmark.datasets")


def source_digest(module: str) -> str:
    """Digest of an imported module's code and of all that it imports, directly or not, of its author's.

    That is every file but those of the suite's core, of Python, and of installed packages, whose versions are
    in the provenance. Only import statements are followed: not what code loads by a name that it makes up.
    """
    file = sys.modules[module].__file__
    if file is None:
        return "builtin"
    found = hashlib.sha256()
    files = _reachable(Path(file), module.split(".")[0], own_paths(module))
    for source in sorted(_canonical_source(path, path.read_bytes()) for path in files):
        found.update(source.encode())
    return found.hexdigest()


def _reachable(path: Path, own: str, paths: Sequence[Path] = ()) -> list[Path]:
    """`path` and, recursively, the author's files that it imports anywhere in its code.

    Args:
        own: the top-level package of the first file, which is the author's also where it is installed.
        paths: folders that plain imports are looked up in first.
    """
    found: list[Path] = []
    queue = [path]
    while queue:
        path = queue.pop()
        if path not in found:
            found.append(path)
            for name in _imported(path, path.read_bytes()):
                queue += _files_of(name, path, own, paths)
    return found


@cache
def _imported(path: Path, code: bytes) -> list[str]:
    """Everything that a file imports and that may be a module, relative names with their dots."""
    names = []
    for node in ast.walk(_parsed(path, code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            dot = "" if base.endswith(".") else "."
            names += [base, *(f"{base}{dot}{alias.name}" for alias in node.names)]
    return names


def _parsed(path: Path, code: bytes) -> ast.Module:
    """A file's syntax tree; of bytes, since a file may say itself how it is encoded.

    Raises:
        UserError: it is no Python.
    """
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path} can't be read as Python: {error}") from error


def _files_of(name: str, importer: Path, own: str, paths: Sequence[Path]) -> Iterator[Path]:
    """The files of the module `name`, and of the packages around it, if they are the author's."""
    level = len(name) - len(name.lstrip("."))
    parts = [part for part in name.lstrip(".").split(".") if part]
    if level:
        yield from _below(importer.parents[level - 1], parts)
    elif parts[0] == "benchmark":
        if ".".join(parts[:2]) in PLUGIN_PACKAGES:
            for root in map(Path, benchmark.__path__):
                yield from _below(root, parts[1:])
    elif beside := next((p for p in (*paths, importer.parent) if list(_below(p, parts))), None):
        yield from _below(beside, parts)
    elif (top := _top_of(parts[0], also_installed=parts[0] == own)) is not None:
        yield from _below(top, parts)


def _below(folder: Path, parts: list[str]) -> Iterator[Path]:
    """The files that importing `parts` from a folder executes: of each package on the way, and of the
    module.
    """
    for i, part in enumerate(parts):
        if (package := folder / part / "__init__.py").is_file():
            yield package
            folder = folder / part
        elif (module := folder / f"{part}.py").is_file():
            yield module
            return
        elif not (folder / part).is_dir() or i == len(parts) - 1:
            return
        else:
            folder = folder / part


@cache
def _top_of(package: str, also_installed: bool) -> Path | None:
    """The folder that an author's own top-level package is imported from; None for Python's and installed
    ones.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.origin is None and spec.submodule_search_locations:  # a folder without __init__.py
        origin = Path(next(iter(spec.submodule_search_locations))).resolve() / "__init__.py"
    elif spec.origin is None or not spec.has_location:
        return None
    else:
        origin = Path(spec.origin).resolve()
    if not also_installed and any(origin.is_relative_to(folder) for folder in _installed()):
        return None
    return origin.parent.parent if spec.submodule_search_locations else origin.parent


@cache
def _installed() -> tuple[Path, ...]:
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(
        Path(folder).resolve() for folder in [*folders, *site.getsitepackages(), site.getusersitepackages()]
    )


@cache
def _canonical_source(path: Path, code: bytes) -> str:
    """The code without docstrings, budgets' tables, and imports of the suite's core."""
    tree = _parsed(path, code)
    dropped: list[ast.stmt] = _budget_tables(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _is_core_import(node):
            # A name under which something is imported does not say what it is, so these stay.
            node.names = [alias for alias in node.names if alias.asname not in (None, alias.name)]
            if isinstance(node, ast.ImportFrom):
                node.module = "benchmark"
            if not node.names:
                dropped.append(node)
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and any(item in dropped for item in block):
                setattr(node, field, [item for item in block if item not in dropped] or [ast.Pass()])
    return ast.unparse(tree)


def _is_core_import(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        name = node.module or ""
        return (
            not node.level
            and name.split(".")[0] == "benchmark"
            and ".".join(name.split(".")[:2]) not in PLUGIN_PACKAGES
        )
    return isinstance(node, ast.Import) and all(
        alias.name.split(".")[0] == "benchmark" for alias in node.names
    )


def _budget_tables(tree: ast.Module) -> list[ast.stmt]:
    """The assignments of a model's presets and budgets, and those of names that only they use."""
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    assigned = {
        item: item.targets[0].id
        for body in bodies
        for item in body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    }
    everywhere = Counter(_names(tree))
    tables = [
        item
        for item, name in assigned.items()
        if name in BUDGET_TABLES and item not in tree.body and not isinstance(item.value, ast.Constant)
    ]
    among_them = Counter(name for item in tables for name in _names(item))
    # One that other code reads may be something else of that name, e.g. a network's.
    found: list[ast.stmt] = [
        item for item in tables if everywhere[assigned[item]] == among_them[assigned[item]]
    ]
    while True:
        inside = Counter(name for item in found for name in _names(item))
        more = [i for i, name in assigned.items() if i not in found and 0 < inside[name] == everywhere[name]]
        if not more:
            return found
        found += more


def _names(node: ast.AST) -> Iterator[str]:
    """Every reading of a name, directly or as an attribute."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
