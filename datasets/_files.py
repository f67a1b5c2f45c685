"""Data sets that are kept as files: found in the data folder, downloaded from mirrors, verified, never
unpacked to disk.
"""

import hashlib
import os
import re
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import numpy as np
from tqdm import tqdm

from benchmark.api import Dataset
from benchmark.data import verify
from benchmark.data.ranges import check_finite, check_labels, check_points
from benchmark.errors import UserError

from ._archives import CHUNK, check_gzip, member_names

TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class Remote:
    """A file of a data set, and where it can be had.

    Attributes:
        name: of the file in the data folder.
        urls: its public homes, tried in order; none if it can't be downloaded automatically.
        digest: "sha256:..." or "md5:..." of the file; None where none is known, or where several containers
            (a gzip file packed anew) hold the same, which the digests of the arrays then show.
        members: paths in the archive of what is read; the archive may also lie unpacked in the folder.
        alternatives: other files with the same content that are taken where this one is not there; never
        downloaded.
    """

    name: str
    urls: tuple[str, ...] = ()
    digest: str | None = None
    members: tuple[str, ...] = ()
    alternatives: tuple["Remote", ...] = ()

    def __post_init__(self) -> None:
        if self.digest is not None and not re.match("(sha256|md5):", self.digest):
            raise UserError(
                f"the digest of {self.name} is {self.digest!r}, expected sha256: or md5: before the digits"
            )


class Found(NamedTuple):
    """A form of a file that is there: the file, or the folder in which it was unpacked."""

    form: Remote
    path: Path


class FileDataset(Dataset):
    """A data set read from files. Subclasses state the files, and read a split of them.

    Class attributes:
        folders: where in the data folder the files may lie; downloads go to the first. "" is the folder
            itself, where torchvision keeps some.
        files: what is needed.
        how_to_get: how to get the files that have no address.
    """

    folders: tuple[str, ...]
    files: tuple[Remote, ...]
    how_to_get: str = ""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._arrays: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @abstractmethod
    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, *shape) and labels (N,) of a split, from the files; -1 where a point is not labelled."""

    def check(self, file: Remote, path: Path) -> None:
        """Raise if what was just downloaded to `path`, which is temporary, is not what it should be."""
        if wrong := wrong_digest(file, path):
            raise UserError(f"{file.name} {wrong}")
        if path.suffix == ".gz" and file.digest is None:
            check_gzip(path)
        if file.members:
            names = member_names(path)
            if absent := [
                m for m in file.members if m not in names and not any(n.startswith(f"{m}/") for n in names)
            ]:
                raise UserError(f"{file.name} does not contain {', '.join(absent)}")

    def missing(self) -> str | None:
        absent = [file for file in self.files if self.find(file) is None]
        if not absent:
            return None
        place = self.folder / self.folders[0]
        names = ", ".join(file.name for file in absent)
        if not all(file.urls for file in absent):
            return f"{names}; {self.how_to_get}, and put into {place}"
        homes = ", ".join(dict.fromkeys(file.urls[0].rsplit("/", 1)[0] for file in absent))
        return (
            f"{names}; `python -m benchmark data fetch {self.name}` downloads, or put into {place} (from"
            f" {homes})"
        )

    def fetch(self) -> None:
        for file in self.files:
            if self.find(file) is None:
                if not file.urls:
                    raise UserError(f"{self.title} can't be downloaded automatically: {self.missing()}")
                self._download(file)

    def known_digests(self) -> str:
        if self.digests:
            return super().known_digests()
        kinds: set[str | None] = set()
        for file in self.files:
            form, path = self.find(file) or (file, None)
            unpacked = path is not None and path.is_dir()  # of which no digest is known
            kinds.add(form.digest.split(":")[0] if form.digest and not unpacked else None)
        return (
            "unknown"
            if None in kinds
            else f"{', '.join(sorted(map(str, kinds))).upper().replace('SHA', 'SHA-')} of the files"
        )

    def x(self, split: str) -> np.ndarray:
        return self._load(split)[0]

    def y(self, split: str) -> np.ndarray:
        return self._load(split)[1]

    def find(self, file: Remote) -> Found | None:
        """The first form of a file that is in any of the folders that it may lie in."""
        for folder in self.folders:
            place = self.folder / folder
            for form in (file, *file.alternatives):
                if (place / form.name).is_file():
                    return Found(form, place / form.name)
                if form.members and all((place / member).exists() for member in form.members):
                    return Found(form, place)
        return None

    def locate(self, file: Remote) -> Found:
        """`find`, but raises where there is none, or where it is not the file that it should be."""
        found = self.find(file)
        if found is None:
            raise UserError(f"{self.title} is not complete in {self.folder}: {self.missing()}")
        if found.path.is_file() and (wrong := wrong_digest(found.form, found.path)):
            raise UserError(f"{found.path} {wrong}; delete it to have it downloaded again")
        return found

    def _load(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        if split not in self._arrays:
            with self.reading():
                x, y = self.read(split)
            x_of, y_of = (f"{self.title} in {self.folder}: {part}({split!r})" for part in "xy")
            check_points(x, self.shape, x_of)
            check_labels(y, len(x), self.n_classes, y_of)
            if x.dtype == np.float32:
                check_finite(x, x_of)
            places = ", ".join(str(found.path) for file in self.files if (found := self.find(file)))
            for part, array in (("x", x), ("y", y)):
                verify(f"{split}.{part} of {self.title}", array, self.digests.get(f"{split}.{part}"), places)
            self._arrays[split] = x, y
        return self._arrays[split]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Whatever a damaged file makes its reader raise becomes a UserError."""
        try:
            yield
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise UserError(
                f"{self.title} in {self.folder} can't be read: {type(error).__name__}: {error}"
            ) from error

    def _download(self, file: Remote) -> None:
        """Fetch a file from the first home that has the right one; it appears in the data folder only when
        whole.
        """
        place = self.folder / self.folders[0]
        failures = []
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place, prefix=".download-") as temporary:
                path = Path(temporary) / file.name
                for url in file.urls:
                    try:
                        download(url, path)
                        self.check(file, path)
                        os.replace(path, place / file.name)
                        return
                    except (OSError, HTTPException, UserError) as error:
                        failures.append(f"{url}: {error}")
        except OSError as error:
            raise UserError(
                f"the data folder {place} can't be written: {error}; set DGCBENCH_DATA"
            ) from error
        raise UserError(
            f"{file.name} of {self.title} could not be downloaded; put it into {place}, or set DGCBENCH_DATA"
            " to a folder that has it.\n  " + "\n  ".join(failures)
        )


def download(url: str, path: Path) -> None:
    """Write what is at an address to `path`, with a progress bar on a terminal. Raises OSError or
    HTTPException.
    """
    if os.environ.get("DGCBENCH_OFFLINE"):
        raise OSError("DGCBENCH_OFFLINE is set")
    request = Request(url, headers={"User-Agent": "dgcbench"})
    with urlopen(request, timeout=TIMEOUT) as response, open(path, "wb") as file:
        expected = int(response.headers.get("Content-Length") or 0)
        with tqdm(
            desc=path.name, total=expected or None, unit="B", unit_scale=True, disable=None, leave=False
        ) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if (size := path.stat().st_size) < expected:
        raise OSError(f"the connection ended after {size} of {expected} bytes")


def wrong_digest(file: Remote, path: Path) -> str | None:
    """How a file differs from the digest that is known of it, or None where it does not."""
    if file.digest is None:
        return None
    kind, expected = file.digest.split(":")
    with open(path, "rb") as opened:
        found = hashlib.file_digest(opened, kind).hexdigest()
    if found == expected.lower():  # some programs print capital letters
        return None
    return f"is not the file that it should be, or is truncated: its {kind} is {found}, expected {expected}"
