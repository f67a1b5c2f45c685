"""Own data in files of numpy, and a word about what else a file may be."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.own_points import Points, check_numbers, clean_labels, refuse
from benchmark.errors import UserError
from benchmark.reading import Reading

KERAS = ("x_train", "y_train", "x_test", "y_test")

POINTS = ("x", "data", "images", "features", "x_train", "train_x", "train_images", "arr_0")
LABELS = ("y", "target", "targets", "label", "labels", "y_train", "train_labels", "classes", "arr_1")
BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; `git lfs pull` fetches it"),
    (b"\x93NUMPY", "one array as numpy.save writes it; give the file a name that ends in .npy"),
    (b"PK", "an archive; if numpy.savez has written it, give it a name that ends in .npz"),
    (b"\x89HDF", "an HDF5 file; read it with h5py, then numpy.savez({name!r}, X=x, y=y)"),
    (b"MATLAB", "a MATLAB file; read it with scipy.io.loadmat, then numpy.savez({name!r}, X=x, y=y)"),
    (b"\x1f\x8b", "gzip; unpack it"),
    (b"\x80", "a pickle of Python objects; read it where you trust it, then numpy.savez({name!r}, X=x, y=y)"),
)


def read_npz(path: Path, reading: Reading) -> Points:
    """Arrays X and y of an .npz file, or Keras's x_train, y_train, x_test, y_test, checked.

    Objects are refused: loading them runs whatever they hold.
    """
    refuse(reading, path, "an .npz file", "--size", "--colour", "--labels", "--names")
    if other := _what_else(path, b"PK", "an .npz file with 50 4b (PK)"):
        raise UserError(f"{path} can't be read as an .npz file of numeric arrays: {other}")
    with _loaded(path, "an .npz file of numeric arrays") as file:
        names = list(file.files)
        if "X" not in names and (split := _split(path, names, file)):
            return split
        arrays = {key: file[key] for key in names if key in ("X", "y")}
        if "X" in arrays and "y" not in arrays:
            _refuse_other_labels(path, names, file, len(arrays["X"]))
    if "X" not in arrays:
        raise UserError(
            f"{path} has no array X (it has: {', '.join(names) or 'no arrays'}); {_renamed(path, names)}"
        )
    x, y = arrays["X"], arrays.get("y")
    check_numbers(x, f"{path}: X")
    return Points(x, None if y is None else clean_labels(y, len(x), f"{path}: y"))


def read_npy(path: Path, reading: Reading) -> Points:
    """The one array of an .npy file: points without labels."""
    refuse(reading, path, "an .npy file", "--size", "--colour", "--labels", "--names")
    if other := _what_else(path, b"\x93NUMPY", "an .npy file with 93 4e 55 4d 50 59"):
        raise UserError(f"{path} can't be read as an .npy file: {other}")
    with _loaded(path, "an .npy file of numbers") as x:
        check_numbers(x, f"{path}: the array")
        return Points(x)


@contextlib.contextmanager
def _loaded(path: Path, what: str) -> Iterator[Any]:
    """What numpy makes of a file, without unpickling; an error in the block is one of the file."""
    try:
        found = np.load(path, allow_pickle=False)
        with found if isinstance(found, np.lib.npyio.NpzFile) else contextlib.nullcontext():
            yield found
    except UserError:
        raise
    except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
        why = "it holds Python objects, not numbers" if "pickle" in str(error).lower() else str(error)
        raise UserError(f"{path} can't be read as {what}: {why}") from error


def _split(path: Path, names: list[str], file: np.lib.npyio.NpzFile) -> Points | None:
    """Training and test points by Keras's names, in capitals or not; None where there are no such arrays."""
    arrays = {key: file[name] for name in names if (key := name.lower()) in KERAS}
    if not {"x_train", "x_test"} <= arrays.keys():
        return None
    parts = [arrays["x_train"], arrays["x_test"]]
    for x, name in zip(parts, ("x_train", "x_test"), strict=True):
        check_numbers(x, f"{path}: {name}")
    if parts[0].shape[1:] != parts[1].shape[1:] or parts[0].dtype != parts[1].dtype:
        given = " and ".join(f"{x.dtype} {x.shape}" for x in parts)
        raise UserError(f"{path}: x_train and x_test are {given}, expected points of one shape and type")
    y = [arrays[name] for name in ("y_train", "y_test") if name in arrays]
    if len(y) == 1:
        raise UserError(f"{path} has one of y_train and y_test; give labels of both, or of neither")
    if y and (y[0].ndim != y[1].ndim or any(len(a) != len(b) for a, b in zip(y, parts, strict=True))):
        given = " and ".join(str(a.shape) for a in y)
        raise UserError(f"{path}: y_train and y_test have the shapes {given}, expected a label per point")
    x = np.concatenate(parts)
    labels = clean_labels(np.concatenate(y), len(x), f"{path}: y_train and y_test") if y else None
    return Points(x, labels, train=len(parts[0]))


def _what_else(path: Path, expected: bytes, described: str) -> str | None:
    """What a file is that does not begin as expected."""
    with open(path, "rb") as file:
        start = file.read(300)
    if start.startswith(expected):
        return None
    for beginning, what in BEGINNINGS:
        if start.startswith(beginning):
            return f"it is {what.format(name=path.name)}"
    if not start:
        return "it is empty"
    text = start.decode("utf-8", "replace").strip()
    if text.lower().startswith(("<!doctype", "<html", "<?xml")):
        return f"it is a web page ({text[:60]!r}...); download the file itself"
    if text.isprintable() or sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text):
        return f"it is text that begins with {text[:60]!r}"
    return f"it begins with the bytes {start[:8].hex(' ')}, {described}"


def _renamed(path: Path, names: list[str]) -> str:
    """How a file is written anew whose arrays have other names."""
    lower = {name.lower(): name for name in names}
    x = next((lower[name] for name in POINTS if name in lower), None)
    y = next((lower[name] for name in LABELS if name in lower), None)
    if x is None:
        return f"write it with numpy.savez({path.name!r}, X=x, y=y)"
    new = f"X=f[{x!r}]" + (f", y=f[{y!r}]" if y is not None else "")
    return f"with f = numpy.load({path.name!r}), write another with numpy.savez('own.npz', {new})"


def _refuse_other_labels(path: Path, names: list[str], file: np.lib.npyio.NpzFile, n: int) -> None:
    """Raise where there is no y but something that may be meant as it."""
    for name in names:
        if name.lower() in LABELS and file[name].shape[:1] == (n,):
            raise UserError(
                f"{path} has no array y, but {name} of the same length as X; if these are the labels, with"
                f" f = numpy.load({path.name!r}), write another with numpy.savez('own.npz', X=f['X'],"
                f" y=f[{name!r}]); if they are not, without {name}"
            )
