"""What is in a user's own file: arrays X and y, and a word about what else it may be."""

from pathlib import Path

import numpy as np

from benchmark.data.labels import check_classes, labelled
from benchmark.errors import UserError

POINTS = ("x", "data", "images", "features", "x_train", "train_x", "train_images", "arr_0")
LABELS = ("y", "target", "targets", "label", "labels", "y_train", "train_labels", "classes", "arr_1")
BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; `git lfs pull` fetches it"),
    (b"\x93NUMPY", "one array as numpy.save writes it (.npy); numpy.savez({name!r}, X=numpy.load(...))"),
    (b"\x89HDF", "an HDF5 file; read it with h5py, then numpy.savez({name!r}, X=x, y=y)"),
    (b"MATLAB", "a MATLAB file; read it with scipy.io.loadmat, then numpy.savez({name!r}, X=x, y=y)"),
    (b"\x1f\x8b", "gzip; unpack it"),
    (b"\x80", "a pickle of Python objects; read it where you trust it, then numpy.savez({name!r}, X=x, y=y)"),
)


def read(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Arrays X and y of an .npz file, checked. Objects are refused: loading them runs whatever they hold."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; expected an .npz file with an array X and, optionally, y")
    if other := _what_else(path):
        raise UserError(f"{path} can't be read as an .npz file of numeric arrays: {other}")
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
            arrays = {key: file[key] for key in names if key in ("X", "y")}
            if "X" in arrays and "y" not in arrays:
                _refuse_other_labels(path, names, file, len(arrays["X"]))
    except UserError:
        raise
    except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
        why = "it holds Python objects, not numbers" if "pickle" in str(error).lower() else str(error)
        raise UserError(f"{path} can't be read as an .npz file of numeric arrays: {why}") from error
    if "X" not in arrays:
        raise UserError(
            f"{path} has no array X (it has: {', '.join(names) or 'no arrays'}); {_renamed(path, names)}"
        )
    x = arrays["X"]
    if x.dtype.kind not in "uifb" or x.ndim not in (2, 3, 4) or len(x) < 2 or x.size == 0:
        raise UserError(
            f"{path}: X is {x.dtype} {x.shape}, expected numbers, (N, D) vectors or (N, H, W[, C]) images"
        )
    if not np.isfinite(x).all():
        raise UserError(
            f"{path}: X has {int((~np.isfinite(x)).sum())} values that are NaN or infinite; remove them first"
        )
    y = arrays.get("y")
    return x, None if y is None else _labels(y, len(x), path)


def _what_else(path: Path) -> str | None:
    """What a file is that is no .npz archive, by its first bytes."""
    with open(path, "rb") as file:
        start = file.read(300)
    if start.startswith(b"PK"):
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
    return f"it begins with the bytes {start[:8].hex(' ')}, an .npz file with 50 4b (PK)"


def _renamed(path: Path, names: list[str]) -> str:
    """How a file is written anew whose arrays have other names."""
    lower = {name.lower(): name for name in names}
    if {"x_train", "x_test"} <= lower.keys():
        parts = {"X": ("x_train", "x_test")} | (
            {"y": ("y_train", "y_test")} if {"y_train", "y_test"} <= lower.keys() else {}
        )
        new = ", ".join(
            f"{key}=numpy.concatenate([f[{lower[a]!r}], f[{lower[b]!r}]])" for key, (a, b) in parts.items()
        )
    else:
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


def _labels(y: np.ndarray, n: int, path: Path) -> np.ndarray:
    """(N,) integers or strings; whole floats are integers, one-hot rows the places of their ones.

    Not labelled is -1 among integers, which NaN among floats becomes, and "" among strings.
    """
    given = f"{path}: y is {y.dtype} {y.shape}"
    if y.shape == (n, 1):
        y = y[:, 0]
    elif y.ndim == 2 and len(y) == n and y.dtype.kind in "uifb" and np.isin(y, (0, 1)).all():
        if not (y.sum(axis=1) == 1).all():
            raise UserError(f"{given} of 0 and 1, expected exactly one 1 in every row")
        y = y.argmax(axis=1)
    if y.shape != (n,) or y.dtype.kind not in "uibfUS":
        raise UserError(f"{given}, expected integers or strings of shape {(n,)}")
    known = labelled(y)
    if y.dtype.kind == "f":
        whole = y[~np.isnan(y)]
        if not (np.isfinite(whole).all() and (whole == np.floor(whole)).all()):
            raise UserError(f"{given} with fractions, expected integers or strings of shape {(n,)}")
        y = np.where(np.isnan(y), -1, y).astype(np.int64)
    elif y.dtype.kind in "US":
        y = np.where(known, y, y.dtype.type())
    if not known.any():
        raise UserError(f"{path}: y labels no point; leave y out to cluster without labels")
    if len(np.unique(y[known])) == 1:
        raise UserError(f"{path}: y has one class only; leave y out to cluster without labels")
    check_classes(y, f"{path}: y")
    return y
