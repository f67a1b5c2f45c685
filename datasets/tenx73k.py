"""10x_73k: gene expression of single blood cells, as in ClusterGAN."""

import numpy as np
from scipy.io import mmread

from benchmark.errors import UserError

from ._files import FileDataset, Remote

TRAIN = 60_000


class Tenx73k(FileDataset):
    """Blood cells of 8 types, counts of 720 genes each: 60,000 training and 13,233 test cells."""

    name = "tenx73k"
    title = "10x_73k"
    source = (
        "Zheng et al. 2017, Massively parallel digital transcriptional profiling of single cells; selected by"
        " ClusterGAN"
    )
    licence = "CC BY 4.0 (10x Genomics)"
    shape = (720,)
    n_classes = 8
    preprocessing = "log2(1 + x) / largest; split by numpy's RandomState(0) (ClusterGAN)"
    folders = ("tenx73k", "10x_73k")
    files = (Remote("sub_set-720.mtx"), Remote("labels.txt"))
    how_to_get = (
        "no automatic download: take the folder data/10x_73k of ClusterGAN's data sets, linked from "
        "https://github.com/sudiptodip15/ClusterGAN (Google Drive)"
    )
    n = 73_233  # in both parts

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        counts, labels = (self.locate(file).path for file in self.files)
        try:
            # their labels are 8 of the numbers from 0 to 9
            y = np.unique(np.loadtxt(labels, ndmin=1).astype(np.int64), return_inverse=True)[1]
            sparse = mmread(counts).tocsr()
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"{self.title} in {self.folder} can't be read: {error}") from error
        if sparse.shape != (self.n, *self.shape) or y.shape != (self.n,):
            raise UserError(
                f"{self.title} in {self.folder} has counts {sparse.shape} and labels {y.shape}, "
                f"expected {(self.n, *self.shape)} and {(self.n,)}"
            )
        if len(np.unique(y)) != self.n_classes or sparse.nnz == 0 or sparse.data.min() < 0:
            raise UserError(
                f"{self.title} in {self.folder}: expected counts, and {self.n_classes} kinds of labels"
            )
        sparse.data = np.log2(1 + sparse.data)
        sparse.data = (sparse.data / sparse.data.max()).astype(np.float32)
        order = np.random.RandomState(0).permutation(self.n)
        chosen = order[:TRAIN] if split == "train" else order[TRAIN:]
        return sparse[chosen].toarray(), y[chosen]
