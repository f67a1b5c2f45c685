"""Own data in a folder of PNG or JPEG files: found, decoded once with Pillow, and kept in the data folder."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from benchmark.data.folder import data_folder
from benchmark.data.own_points import Points, clean_labels, refuse
from benchmark.errors import UserError
from benchmark.files import digest, locked, make_cache_folder, whole_file, write_atomically
from benchmark.reading import Reading

IMAGES = (".png", ".jpg", ".jpeg")
OTHER_POINTS = (".npz", ".npy", ".csv", ".parquet", ".gif", ".bmp", ".tif", ".tiff", ".webp")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "F")  # Pillow's modes without colour
SHOWN = 10  # damaged files that a record names
VERSION = 1  # of what is made of a file; another one decodes all folders again


def read(folder: Path, reading: Reading) -> Points:
    """The images of a folder and of those in it, in the order of their names, which are paths within it.

    Returns:
        x: (N, C, H, W) uint8, mapped from the file in which they are kept once decoded, so that they need not
            fit into memory. C is 1 where all files are grey.
        y: the sub-folders, if the reading asks for them; images outside of any are not labelled.

    Raises:
        UserError: the folder has no images or other data besides, or its images have several sizes or are
            both grey and coloured, and the reading does not say what they shall become.
    """
    refuse(reading, folder, "a folder of images", "--names")
    if reading.labels not in (None, "folders"):
        raise UserError(
            f"--labels {reading.labels} was given for the folder {folder}, expected --labels folders: a"
            " sub-folder for each class"
        )
    files = _find(folder)
    x, damaged = _decoded(folder, files, reading)
    names = tuple(name for name in files if name not in damaged)
    y = None
    if reading.labels is not None:
        classes = np.array([name.split("/")[0] if "/" in name else "" for name in names])
        y = clean_labels(classes, len(names), f"{folder}: its sub-folders")
    return Points(x, y, names, caveat=_caveat(damaged, len(files)))


def _find(folder: Path) -> dict[str, tuple[int, int]]:
    """{name: (bytes, time of the last change)} of the image files, sorted by name; hidden ones are none."""
    found, others, seen = {}, [], set()
    try:
        for where, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
            # of a folder that is linked into itself, once
            seen.add(os.path.realpath(where))
            folders[:] = [
                f for f in folders if f[0] != "." and os.path.realpath(os.path.join(where, f)) not in seen
            ]
            for file in files:
                path = Path(where, file)
                name = path.relative_to(folder).as_posix()
                if file[0] != "." and path.suffix.lower() in IMAGES:
                    state = path.stat()
                    found[name] = (state.st_size, state.st_mtime_ns)
                elif file[0] != "." and path.suffix.lower() in OTHER_POINTS:
                    others.append(name)
    except OSError as error:
        raise UserError(f"the folder {folder} can't be read: {error}") from error
    if not found:
        inside = f"; it has {', '.join(sorted(others)[:3])}" if others else ""
        raise UserError(f"the folder {folder} has no PNG or JPEG files{inside}")
    if others:
        raise UserError(
            f"the folder {folder} has {len(found)} PNG or JPEG files, and data of other kinds besides:"
            f" {', '.join(sorted(others)[:3])}{' ...' if len(others) > 3 else ''}; move these elsewhere"
        )
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    raise error


def _decoded(
    folder: Path, files: Mapping[str, tuple[int, int]], reading: Reading
) -> tuple[np.ndarray, dict[str, str]]:
    """The images, (N, C, H, W), and {name: reason} of the damaged files; from the cache if they are there."""
    key = {"version": VERSION, "folder": str(folder.resolve()), "files": files}
    name = digest({**key, "size": reading.size, "colour": reading.colour})[:24]
    path = data_folder() / "own" / f"{name}.images"
    note = path.with_suffix(".json")  # written last: where it is, the images are whole
    with locked(path):
        if not (note.is_file() and path.is_file()):
            try:
                make_cache_folder(path.parent)
                with whole_file(path, binary=True) as out:
                    entry = _decode(folder, list(files), reading, out)
                write_atomically(note, json.dumps(entry))
            except OSError as error:
                print(f"note: the images can't be kept, they are decoded each time: {error}", file=sys.stderr)
                with tempfile.TemporaryFile() as out:
                    return _mapped(folder, _decode(folder, list(files), reading, out), out)
        return _mapped(folder, json.loads(note.read_text("utf-8")), path)


def _mapped(
    folder: Path, entry: Mapping[str, Any], where: Path | IO[bytes]
) -> tuple[np.ndarray, dict[str, str]]:
    damaged = entry["damaged"]
    if damaged:
        print(f"note: damaged files of {folder}, left out ({len(damaged)}):", file=sys.stderr)
        print(*(f"  {name}: {reason}" for name, reason in damaged.items()), sep="\n", file=sys.stderr)
    # "c": writable, as torch expects it of an array, but never into the file
    return np.memmap(where, np.uint8, "c", shape=tuple(entry["shape"])), damaged


def _decode(folder: Path, files: Sequence[str], reading: Reading, out: IO[bytes]) -> dict[str, Any]:
    """Write the pixels of all files one after the other; returns their shape, and what was damaged."""
    damaged: dict[str, str] = {}
    first: tuple[str, np.ndarray] | None = None
    for name in tqdm(files, desc=f"decoding {folder.name}", unit="image", dynamic_ncols=True):
        try:
            pixels = decode(folder / name, reading.size, reading.colour)
        except Exception as error:  # a damaged file raises whatever its bytes happen to mean
            if isinstance(error, OSError) and error.errno is not None:
                raise UserError(f"{folder / name} can't be read: {error.strerror}") from error
            damaged[name] = str(error).replace(str(folder / name), "the file") or type(error).__name__
            continue
        first = first or (name, pixels)
        if pixels.shape != first[1].shape:
            raise UserError(f"{folder}: {_difference(name, pixels, *first)}")
        out.write(pixels.tobytes())
    if first is None:
        name, reason = next(iter(damaged.items()))
        raise UserError(f"the folder {folder} has no file that can be decoded; {name}: {reason}")
    out.flush()
    return {"shape": [len(files) - len(damaged), *first[1].shape], "damaged": damaged}


def decode(path: Path, size: int | None, colour: str | None) -> np.ndarray:
    """(C, H, W) uint8 of a PNG or JPEG file, turned as its EXIF says, what is transparent in it on white.

    Args:
        size: None as it is; otherwise its middle square, resized (bilinear, with antialiasing).
        colour: "grey", "rgb", or None as it is.
    """
    with Image.open(path, formats=("PNG", "JPEG")) as file:
        image: Image.Image = ImageOps.exif_transpose(file)
        grey = image.mode in GREY
        if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to 8
            image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if colour == "grey" or (grey and colour is None) else "RGB")
        if size is not None:
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _difference(name: str, pixels: np.ndarray, other: str, others: np.ndarray) -> str:
    """How two images differ that can't be in one data set, and what to do."""
    if len(pixels) != len(others):
        grey, coloured = (name, other) if len(pixels) == 1 else (other, name)
        return f"{grey} is grey and {coloured} in colour; --colour grey or --colour rgb makes them alike"
    (h, w), (height, width) = pixels.shape[1:], others.shape[1:]
    return (
        f"{name} has {w} x {h} pixels and {other} {width} x {height}; `run --size N` makes all N x N,"
        " resized and cropped at the centre"
    )


def _caveat(damaged: Mapping[str, str], n: int) -> str | None:
    if not damaged:
        return None
    shown = ", ".join(list(damaged)[:SHOWN]) + (" ..." if len(damaged) > SHOWN else "")
    return f"{len(damaged)} of {n} files are damaged and left out: {shown}"
