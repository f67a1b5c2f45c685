"""Reuters-10k: newswire stories in four categories, tf-idf of the 2,000 most frequent words, as in DEC and
VaDE.
"""

import gzip
import os
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmark.errors import UserError

from ._files import FileDataset, Remote

HOMES = (
    "https://www.jmlr.org/papers/volume5/lewis04a/",
    "http://www.ai.mit.edu/projects/jmlr/papers/volume5/lewis04a/",
)
CATEGORIES = ("CCAT", "GCAT", "MCAT", "ECAT")
WORDS = 2000
SEED = 0
BUILT = "reuters10k.npz"


def _raw(folder: str, name: str) -> Remote:
    return Remote(
        f"{name}.gz", tuple(f"{home}{folder}/{name}.gz" for home in HOMES), alternatives=(Remote(name),)
    )


TOPICS = _raw("a08-topic-qrels", "rcv1-v2.topics.qrels")
TOKENS = tuple(
    _raw("a12-token-files", f"lyrl2004_tokens_{part}.dat")
    for part in ("train", "test_pt0", "test_pt1", "test_pt2", "test_pt3")
)


class Reuters10k(FileDataset):
    """10,000 stories of RCV1-v2 in four categories, 2,000 tf-idf values each; no split.

    As in DEC: the stories with exactly one of the categories CCAT, GCAT, MCAT and ECAT; the 2,000 words that
    are most frequent in all of these; (1 + log count) idf, each story scaled to length 1 and then by
    sqrt(2000). Which 10,000 stories DEC and VaDE took is not known; ours are drawn with the seed below.
    Making them takes minutes and happens once, in `fetch`; the stories themselves (300 MB) can then be
    deleted. The arrays of VaDE's authors, x10k.npy and y10k.npy, are taken instead where they lie in the
    folder.
    """

    name = "reuters10k"
    title = "Reuters-10k"
    source = (
        "Lewis, Yang, Rose and Li 2004, RCV1: A new benchmark collection for text categorization research"
    )
    licence = "for research use"
    splits = ("all",)
    shape = (WORDS,)
    value_range = None  # not bounded above
    n_classes = 4
    preprocessing = "tf-idf of the 2,000 most frequent words, rows scaled to length sqrt(2000) (DEC, VaDE)"
    folders = ("reuters10k", "reuters")
    files = (TOPICS, *TOKENS)
    n = 10_000

    def missing(self) -> str | None:
        if self.find(Remote(BUILT)) or self._authors() or super().missing() is None:
            return None
        return f"{super().missing()}; or put VaDE's own x10k.npy and y10k.npy there"

    def fetch(self) -> None:
        if self.find(Remote(BUILT)) or self._authors():
            return
        super().fetch()
        with self.reading():
            x, y = self._build()
        place = self.folder / self.folders[0]
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place, prefix=".build-") as temporary:
                np.savez_compressed(Path(temporary) / BUILT, x=x, y=y)
                os.replace(Path(temporary) / BUILT, place / BUILT)
        except OSError as error:
            raise UserError(
                f"the data folder {place} can't be written: {error}; set DGCBENCH_DATA"
            ) from error

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        if authors := self._authors():
            x, y = (_load(path)[""] for path in authors)
        elif built := self.find(Remote(BUILT)):
            arrays = _load(built.path)
            x, y = arrays["x"], arrays["y"]
        else:
            x, y = self._build()
        if x.shape != (self.n, WORDS):
            raise UserError(f"{self.title} in {self.folder} has points {x.shape}, expected {(self.n, WORDS)}")
        return np.ascontiguousarray(x, dtype=np.float32), y.reshape(-1).astype(np.int64)

    def caveat(self) -> str | None:
        return (
            None
            if self._authors()
            else "Reuters-10k: not the sample of DEC and VaDE, which is not known, but one made alike"
        )

    def _authors(self) -> list[Path]:
        found = [self.find(Remote(name)) for name in ("x10k.npy", "y10k.npy")]
        return [f.path for f in found if f] if all(found) else []

    def _build(self) -> tuple[np.ndarray, np.ndarray]:
        """The arrays from the stories, in two passes: word counts of all, then the values of the chosen."""
        category = single_categories(_lines(self.locate(TOPICS).path))
        totals: Counter[str] = Counter()
        stories: Counter[str] = Counter()  # in how many a word is
        labels = []
        for story, words in self._stories(category):
            totals.update(words)
            stories.update(set(words))
            labels.append(category[story])
        if len(labels) < self.n:
            raise UserError(
                f"{self.title}: {len(labels)} stories in {self.folder}, expected more than {self.n:,}"
            )
        # most frequent first, ties in alphabetical order
        column = {
            w: i
            for i, (w, _) in enumerate(sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:WORDS])
        }
        idf = np.log((1 + len(labels)) / (1 + np.array([stories[w] for w in column]))) + 1
        chosen = np.sort(np.random.RandomState(SEED).permutation(len(labels))[: self.n])
        row = {int(i): k for k, i in enumerate(chosen)}
        counts = np.zeros((self.n, WORDS), dtype=np.float32)
        for i, (_, words) in enumerate(self._stories(category)):
            if i in row:
                for word, count in Counter(words).items():
                    if word in column:
                        counts[row[i], column[word]] = count
        return tf_idf(counts, idf.astype(np.float32)), np.array(labels)[chosen]

    def _stories(self, category: dict[int, int]) -> Iterator[tuple[int, list[str]]]:
        """(number, words) of every story that has one of the categories, in the order of the files."""
        for file in TOKENS:
            story, words = -1, list[str]()
            for line in _lines(self.locate(file).path):
                if line.startswith(".I"):
                    if story in category:
                        yield story, words
                    story, words = int(line.split()[1]), []
                elif not line.startswith(".W"):
                    words += [w for w in line.split() if len(w) > 1]
            if story in category:
                yield story, words


def single_categories(lines: Iterable[str]) -> dict[int, int]:
    """{story: 0 to 3} of the stories with exactly one of the four categories, from lines "CCAT 2286 1"."""
    found: dict[int, list[int]] = {}
    for line in lines:
        topic, story, _ = line.split()
        if topic in CATEGORIES:
            found.setdefault(int(story), []).append(CATEGORIES.index(topic))
    return {story: topics[0] for story, topics in found.items() if len(topics) == 1}


def tf_idf(counts: np.ndarray, idf: np.ndarray) -> np.ndarray:
    """(N, W) of (1 + log count) idf, rows scaled to length sqrt(W); a row without any of the words stays
    0.
    """
    logs = np.log(np.maximum(counts, 1)) + 1
    values = np.where(counts > 0, logs * idf, 0)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return (values / np.maximum(lengths, 1e-12) * np.sqrt(counts.shape[1])).astype(np.float32)


def _lines(path: Path) -> Iterator[str]:
    try:
        with (
            gzip.open(path, "rt", encoding="latin-1")
            if path.suffix == ".gz"
            else open(path, encoding="latin-1") as file
        ):
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} can't be read ({error}); delete it to have it downloaded again") from error


def _load(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name, or the one of an .npy file under "". Pickles are refused."""
    try:
        found = np.load(path, allow_pickle=False)
        return {"": found} if isinstance(found, np.ndarray) else {name: found[name] for name in ("x", "y")}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} can't be read as numeric arrays: {error}") from error
