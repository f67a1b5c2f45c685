"""Zip, tar and gzip files, read without unpacking them to disk."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmark.errors import UserError

CHUNK = 1 << 20


def check_gzip(path: Path) -> None:
    """Raise if a file is not a whole gzip file: servers answer with pages of text, and connections end too
    early.
    """
    try:
        with gzip.open(path) as file:
            while file.read(CHUNK):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path.name} is not a gzip file, or is truncated: {error}") from error


def member_names(path: Path) -> set[str]:
    """Paths of the files in a zip or tar archive, or in a folder.

    Raises:
        UserError: the archive is damaged, or has a path that leads out of the folder that it would be
        unpacked in.
    """
    if path.is_dir():
        return {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    with _archive(path) as archive:
        names = archive.namelist() if isinstance(archive, zipfile.ZipFile) else archive.getnames()
        return {_inside(path, name) for name in names}


def read_members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Content of some files of a zip or tar archive, or of a folder, by name, in the order of `names`.

    Nothing is written, so that no path in an archive can do harm; one that would is refused nevertheless.

    Raises:
        UserError: a file is absent, the archive is damaged, or it has a path that leads out of its folder.
    """
    wanted = dict.fromkeys(names)
    found: dict[str, bytes] = {}
    if path.is_dir():
        found = {name: (path / name).read_bytes() for name in wanted if (path / name).is_file()}
    else:
        with _archive(path) as archive:
            if isinstance(archive, zipfile.ZipFile):
                there = {_inside(path, name) for name in archive.namelist()}
                found = {name: archive.read(name) for name in wanted if name in there}
            else:
                for member in archive:  # to the end, in one pass: each unpacks the whole of a .tar.gz
                    if _inside(path, member.name) in wanted and member.isfile():
                        content: IO[bytes] | None = archive.extractfile(member)
                        found[member.name] = content.read() if content else b""
    if absent := [name for name in wanted if name not in found]:
        raise UserError(f"{path} does not contain {', '.join(absent[:5])}")
    return {name: found[name] for name in wanted}


def _inside(path: Path, name: str) -> str:
    """`name` itself, unless it leads out of the folder that the archive would be unpacked in."""
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
        raise UserError(f"{path} is refused: the path {name!r} in it leads out of the folder")
    return name


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """An opened archive; damage that shows on reading becomes a UserError."""
    opener: Callable[[Path], zipfile.ZipFile | tarfile.TarFile] = (
        zipfile.ZipFile if path.suffix == ".zip" else tarfile.open
    )
    try:
        with opener(path) as archive:
            yield archive
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise UserError(f"{path} can't be read ({error}); delete it to have it downloaded again") from error
