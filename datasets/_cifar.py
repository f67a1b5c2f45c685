"""CIFAR-10 and CIFAR-100: the binary files, or the pickles that torchvision keeps; in an archive or unpacked.

Both forms hold the same images in the same order. What is checked is the SHA-1 of each binary file, to which
a pickle is converted first, so that any container with the right content will do.
"""

import hashlib
import io
import pickle
from collections.abc import Mapping

import numpy as np

from benchmark.errors import UserError

from ._archives import read_members
from ._files import FileDataset, Remote

PIXELS = 3 * 32 * 32


class CifarDataset(FileDataset):
    """32x32 colour images, uint8. Subclasses state the files.

    Class attributes:
        files: one archive with the binary files as members; instead of it, the archive with the pickles.
        labels: names of the label columns in the pickles, in the order of the binary records.
        label: which of them counts.
        sha1: of the binary files, in the order of `members`, the test file last.
        inexact: {SHA-1: what is wrong} of known copies that are not exact, but are accepted for want of
        better ones.
    """

    shape = (3, 32, 32)
    splits = ("train", "test")
    source = "Krizhevsky 2009, Learning multiple layers of features from tiny images"
    licence = "not stated by the author"
    preprocessing = "values / 255"
    labels: tuple[str, ...]
    label: int
    sha1: tuple[str, ...]
    inexact: Mapping[str, str] = {}
    _caveat: str | None = None

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        form, path = self.locate(self.files[0])
        part = slice(-1) if split == "train" else slice(-1, None)
        x, y = [], []
        for (name, data), sha1 in zip(
            read_members(path, form.members[part]).items(), self.sha1[part], strict=True
        ):
            if not name.endswith(".bin"):
                data = self._from_pickle(data, f"{name} in {path}")
            found = hashlib.sha1(data).hexdigest()
            if found in self.inexact:
                self._caveat = self.inexact[found]
            elif found != sha1:
                raise UserError(
                    f"{name} in {path} is not what was published: the SHA-1 of its records is"
                    f" {found[:16]}..., expected {sha1[:16]}...; delete it to have it downloaded again"
                )
            records = np.frombuffer(data, dtype=np.uint8).reshape(-1, len(self.labels) + PIXELS)
            x.append(records[:, -PIXELS:])
            y.append(records[:, self.label])
        return np.concatenate(x).reshape(-1, *self.shape), np.concatenate(y)

    def known_digests(self) -> str:
        return "SHA-1 of the records"

    def caveat(self) -> str | None:
        self.x("test")
        return self._caveat

    def _from_pickle(self, data: bytes, where: str) -> bytes:
        """Records of the pickles in the layout of the binary files."""
        try:
            batch = ArraysOnly(io.BytesIO(data), encoding="latin1").load()
            columns = [np.asarray(batch[name], dtype=np.uint8)[:, None] for name in self.labels]
            return np.concatenate([*columns, np.asarray(batch["data"], dtype=np.uint8)], axis=1).tobytes()
        except (
            pickle.UnpicklingError,
            EOFError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
        ) as error:
            raise UserError(f"{where} is not a batch of CIFAR images: {error!r}") from error


class ArraysOnly(pickle.Unpickler):
    """Reads pickles of plain containers and numpy arrays. Whatever else a pickle would create or call is
    refused.
    """

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in (
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        ):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, _: text.encode("latin1")
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")


def cifar_files(number: int, binary: tuple[str, ...], pickles: tuple[str, ...], md5: str) -> tuple[Remote]:
    """The binary archive of CIFAR-`number`; instead of it, torchvision's."""
    archive = f"cifar-{number}-binary.tar.gz"
    homes = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
    alternatives = Remote(f"cifar-{number}-python.tar.gz", members=pickles)
    return (Remote(archive, tuple(f"{home}{archive}" for home in homes), md5, binary, (alternatives,)),)
