"""SVHN: house numbers from street images, cropped to digits."""

from zlib import error as ZlibError

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from benchmark.errors import UserError

from ._files import FileDataset, Remote

HOME = "http://ufldl.stanford.edu/housenumbers/"


def _file(name: str, digest: str) -> Remote:
    return Remote(name, (HOME + name,), digest)


TRAIN, TEST, EXTRA = (  # SHA-256 as torchvision's prototype data sets stated it
    _file("train_32x32.mat", "sha256:435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
    _file("test_32x32.mat", "sha256:cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    _file("extra_32x32.mat", "sha256:a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"),
)


class Svhn(FileDataset):
    """Digits from house numbers: 73,257 training and 26,032 test images, 32x32 in colour."""

    name = "svhn"
    title = "SVHN"
    source = "Netzer, Wang, Coates, Bissacco, Wu and Ng 2011, Reading digits in natural images"
    licence = "for non-commercial use only"
    shape = (3, 32, 32)
    n_classes = 10
    preprocessing = "values / 255"
    folders = ("svhn", "SVHN", "")
    files: tuple[Remote, ...] = (TRAIN, TEST)

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        parts = [self._read_mat(file) for file in self.files if (file is TEST) == (split == "test")]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    def _read_mat(self, file: Remote) -> tuple[np.ndarray, np.ndarray]:
        path = self.locate(file).path
        try:
            arrays = loadmat(path, variable_names=("X", "y"))
            x, y = arrays["X"], arrays["y"]
        except (OSError, ValueError, TypeError, NotImplementedError, MatReadError, ZlibError) as error:
            raise UserError(f"{path} is not a MATLAB 5 file, or is truncated: {error}") from error
        except KeyError as error:
            raise UserError(f"{path} has no array {error}") from error
        if x.dtype != np.uint8 or x.shape[:3] != (32, 32, 3) or x.ndim != 4 or y.shape != (x.shape[3], 1):
            raise UserError(
                f"{path}: X is {x.dtype} {x.shape}, y {y.shape}, expected uint8 (32, 32, 3, N) and (N, 1)"
            )
        # the label 10 is the digit 0
        return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), (y[:, 0] % 10).astype(np.uint8)


class SvhnExtra(Svhn):
    """SVHN trained on the 531,131 extra images as well, 604,388 in all, as GMVAE's code does; 1.9 GB of
    memory.
    """

    name = "svhn_extra"
    title = "SVHN with extra"
    points_of = "svhn"
    files = (TRAIN, EXTRA, TEST)
