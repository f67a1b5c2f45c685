"""Pendigits, HAR, 10x_73k, Reuters-10k and STL-10 features, from small files of the original layout."""

import gzip
import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import mmwrite
from scipy.sparse import coo_matrix

import benchmark.datasets.reuters10k as reuters
from benchmark.data import data_spec, dataset_digest
from benchmark.datasets.har import INNER, PARTS, Har
from benchmark.datasets.pendigits import Pendigits
from benchmark.datasets.stl10_features import IMAGES, Stl10Features, read_images, write_features
from benchmark.datasets.tenx73k import Tenx73k
from benchmark.errors import UserError

RNG = np.random.default_rng(0)


# ---- Pendigits


def pendigits(folder, text):
    """The data set with `text` as both files, its digests set to theirs."""
    (folder / "pendigits").mkdir(exist_ok=True)
    dataset = Pendigits(folder)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    dataset.files, dataset.digests = tuple(replace(f, digest=digest) for f in dataset.files), {}
    for file in dataset.files:
        (folder / "pendigits" / file.name).write_text(text)
    return dataset


def test_pendigits_in_the_original_layout(tmp_path):
    rows = [[*RNG.integers(0, 101, 16), k] for k in (8, 2, 1)]
    dataset = pendigits(tmp_path, "".join(",".join(f"{v:3d}" for v in row) + "\n" for row in rows))
    np.testing.assert_allclose(dataset.x("train"), np.array(rows)[:, :16] / 100, rtol=1e-6)
    assert dataset.y("test").tolist() == [8, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "3 columns, expected 16"),
        ("a,b\n", "not a table of integers"),
        (",".join(["1"] * 16) + ",11\n", "labels from 11 to 11"),
    ],
)
def test_pendigits_of_another_kind(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        pendigits(tmp_path, text).x("train")


def test_pendigits_original(real_data):
    dataset = Pendigits(real_data)
    # first row of the original: 47,100, 27, 81, 57, 37, 26,  0,  0, 23, 56, 53,100, 90, 40, 98, 8
    np.testing.assert_allclose(dataset.x("train")[0, :6], [0.47, 1.0, 0.27, 0.81, 0.57, 0.37], rtol=1e-6)
    assert dataset.y("train")[0] == 8
    # pendigits.names
    assert np.bincount(dataset.y("test")).tolist() == [363, 364, 364, 336, 364, 335, 336, 364, 336, 336]


# ---- HAR


@pytest.fixture
def har(monkeypatch):
    """Arrays, and the original inner archive as bytes."""
    monkeypatch.setattr(Har, "rows", {"train": 4, "test": 4})
    arrays, inner = {}, io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for split, names in PARTS.items():
            x, y = RNG.uniform(-1, 1, (4, 561)), RNG.integers(1, 7, 4)
            arrays[split] = x, y
            archive.writestr(names[0], "".join("".join(f" {v: .7e}" for v in row) + "\n" for row in x))
            archive.writestr(names[1], "".join(f"{k}\n" for k in y))
        archive.writestr("__MACOSX/UCI HAR Dataset/._README.txt", b"")
    return arrays, inner.getvalue()


@pytest.mark.parametrize("form", ["outer", "inner", "unpacked"])
def test_har_in_every_layout(tmp_path, har, form, monkeypatch):
    arrays, inner = har
    place = tmp_path / "har"
    place.mkdir()
    dataset = Har(tmp_path)
    outer = dataset.files[0]
    if form == "outer":
        with zipfile.ZipFile(place / outer.name, "w") as archive:
            archive.writestr(INNER, inner)
            archive.writestr("UCI HAR Dataset.names", "...")
    elif form == "inner":
        (place / INNER).write_bytes(inner)
    else:
        with zipfile.ZipFile(io.BytesIO(inner)) as archive:
            archive.extractall(place)
    if form != "unpacked":
        # not the original, which is what its digest is for
        with pytest.raises(UserError, match="its sha256 is"):
            dataset.x("train")
    dataset.files = (
        replace(outer, digest=None, alternatives=(replace(outer.alternatives[0], digest=None),)),
    )
    for split, (x, y) in arrays.items():
        np.testing.assert_allclose(dataset.x(split), x, rtol=1e-5)
        np.testing.assert_array_equal(dataset.y(split), y - 1)
    assert data_spec(dataset).kind == "vector"
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"the train part has the shape \(4, 561\), expected \(7352, 561\)"):
        dataset.read("train")


def test_har_with_a_broken_inner_archive(tmp_path, har):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr(INNER, har[1][:1000])
    dataset = Har(tmp_path)
    dataset.files = (replace(dataset.files[0], name="outer.zip", digest=None),)
    with pytest.raises(UserError, match=r"UCI HAR Dataset.zip in .*outer.zip can't be read"):
        dataset.x("train")


# ---- 10x_73k


@pytest.fixture
def tenx(tmp_path, monkeypatch):
    import benchmark.datasets.tenx73k as module

    monkeypatch.setattr(module, "TRAIN", 30)
    monkeypatch.setattr(Tenx73k, "n", 40)
    monkeypatch.setattr(Tenx73k, "shape", (6,))
    counts = RNG.poisson(1.0, (40, 6))
    labels = np.resize([0, 1, 2, 4, 6, 7, 8, 9], 40)
    (tmp_path / "10x_73k").mkdir()
    mmwrite(tmp_path / "10x_73k" / "sub_set-720.mtx", coo_matrix(counts))
    np.savetxt(tmp_path / "10x_73k" / "labels.txt", labels)
    return Tenx73k(tmp_path), counts, labels


def test_10x_is_scaled_and_split_as_in_clustergan(tenx):
    dataset, counts, labels = tenx
    logs = np.log2(counts + 1)
    np.random.seed(0)  # noqa: NPY002  (as their code does it)
    order = np.random.permutation(np.arange(40))  # noqa: NPY002
    expected = (logs / logs.max())[order]
    np.testing.assert_allclose(dataset.x("train"), expected[:30], rtol=1e-6)
    np.testing.assert_allclose(dataset.x("test"), expected[30:], rtol=1e-6)
    ranks = {label: k for k, label in enumerate([0, 1, 2, 4, 6, 7, 8, 9])}
    assert dataset.y("test").tolist() == [ranks[k] for k in labels[order][30:]]


def test_10x_of_another_size_or_damaged(tenx):
    dataset, _, labels = tenx
    place = dataset.folder / "10x_73k"
    np.savetxt(place / "labels.txt", labels[:-1])
    with pytest.raises(UserError, match=r"counts \(40, 6\) and labels \(39,\), expected"):
        dataset.x("train")
    np.savetxt(place / "labels.txt", labels // 5)
    with pytest.raises(UserError, match="expected counts, and 8 kinds of labels"):
        dataset.x("train")
    (place / "sub_set-720.mtx").write_text(
        "%%MatrixMarket matrix coordinate integer general\n40 6 100\n1 1 3\n"
    )
    with pytest.raises(UserError, match="can't be read"):
        dataset.x("train")


# ---- Reuters-10k

WORDS = [f"word{i}" for i in range(12)]


@pytest.fixture
def stories(tmp_path, monkeypatch):
    """Small files in the layout of the paper's appendices 8 and 12; words and category of every story."""
    monkeypatch.setattr(reuters, "WORDS", 8)
    monkeypatch.setattr(reuters.Reuters10k, "shape", (8,))
    monkeypatch.setattr(reuters.Reuters10k, "n", 15)
    place = tmp_path / "reuters10k"
    place.mkdir()
    found, topics, number = [], [], 2286
    for file in reuters.TOKENS:
        text = ""
        for _ in range(6):
            words = RNG.choice(WORDS, 20, p=np.arange(1, 13) / 78).tolist()
            kinds = RNG.choice([*reuters.CATEGORIES, "E11"], RNG.integers(1, 3), replace=False).tolist()
            text += f".I {number}\n.W\n{' '.join(words[:12])}\n{' '.join(words[12:])}\n\n"
            topics += [f"{kind} {number} 1\n" for kind in kinds]
            mine = [k for k in kinds if k in reuters.CATEGORIES]
            if len(mine) == 1:
                found.append((words, reuters.CATEGORIES.index(mine[0])))
            number += 1
        (place / file.name).write_bytes(gzip.compress(text.encode()))
    (place / reuters.TOPICS.name).write_bytes(gzip.compress("".join(topics).encode()))
    return tmp_path, found


def test_reuters_is_the_tf_idf_of_scikit_learn(stories):
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    folder, found = stories
    dataset = reuters.Reuters10k(folder)
    dataset.fetch()
    texts = [" ".join(words) for words, _ in found]
    assert len(texts) > 15
    vectorizer = CountVectorizer(max_features=8, dtype=np.float64)
    expected = (
        TfidfTransformer(norm="l2", sublinear_tf=True)
        .fit_transform(vectorizer.fit_transform(texts))
        .toarray()
        * 8**0.5
    )
    chosen = np.sort(np.random.RandomState(reuters.SEED).permutation(len(texts))[:15])
    mine = dataset.x("all")
    # columns: another order
    np.testing.assert_allclose(np.sort(mine, axis=1), np.sort(expected[chosen], axis=1), rtol=1e-5)
    np.testing.assert_allclose(mine @ mine.T, (expected @ expected.T)[np.ix_(chosen, chosen)], rtol=1e-4)
    assert dataset.y("all").tolist() == [found[i][1] for i in chosen]
    for file in dataset.files:  # made once, so the stories can go
        (folder / "reuters10k" / file.name).unlink()
    again = reuters.Reuters10k(folder)
    assert again.missing() is None
    np.testing.assert_array_equal(again.x("all"), mine)
    assert "not the sample of DEC and VaDE" in again.caveat()


def test_reuters_of_vades_authors_comes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(reuters.Reuters10k, "n", 5)
    place = tmp_path / "reuters10k"
    place.mkdir()
    dataset = reuters.Reuters10k(tmp_path)
    assert "x10k.npy" in dataset.missing()
    x = RNG.random((5, 2000))
    np.save(place / "x10k.npy", x)
    np.save(place / "y10k.npy", np.array([[0], [1], [2], [3], [0]]))
    assert dataset.missing() is None
    np.testing.assert_allclose(dataset.x("all"), x, rtol=1e-6)
    assert dataset.y("all").tolist() == [0, 1, 2, 3, 0]
    assert dataset.caveat() is None
    np.save(place / "x10k.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="can't be read as numeric arrays"):
        reuters.Reuters10k(tmp_path).x("all")


def test_reuters_of_stories_in_the_second_folder(stories):
    """The stories may lie in the second folder; what is made of them goes to the first."""
    folder, _ = stories
    (folder / "reuters10k").rename(folder / "reuters")
    dataset = reuters.Reuters10k(folder)
    dataset.fetch()
    assert (folder / "reuters10k" / reuters.BUILT).is_file()
    assert len(dataset.x("all")) == 15


@pytest.mark.parametrize("name", [reuters.BUILT, reuters.TOPICS.name, reuters.TOKENS[0].name])
def test_reuters_of_other_text(stories, name):
    folder, _ = stories
    path = folder / "reuters10k" / name
    path.write_bytes(gzip.compress(b".I\n") if name.endswith(".gz") else b"PK text")
    dataset = reuters.Reuters10k(folder)
    with pytest.raises(UserError, match="can't be read"):
        dataset.x("all") if name == reuters.BUILT else dataset.fetch()


def test_reuters_from_truncated_files(stories):
    folder, _ = stories
    path = folder / "reuters10k" / reuters.TOKENS[2].name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"lyrl2004_tokens_test_pt1.dat.gz can't be read"):
        reuters.Reuters10k(folder).fetch()


# ---- STL-10 features


def test_features_are_made_by_the_users_network(tmp_path):
    content, images, labels = {}, [], []
    for name in IMAGES.members:  # pixels by columns, channel after channel; labels from 1
        n = 3 if "train" in name else 2
        if name.endswith("X.bin"):
            images.append(RNG.integers(0, 256, (n, 3, 96, 96), dtype=np.uint8))
            content[name] = images[-1].transpose(0, 1, 3, 2).tobytes()
        else:
            labels.append(RNG.integers(1, 11, n, dtype=np.uint8))
            content[name] = labels[-1].tobytes()
    (tmp_path / "stl10_binary").mkdir()
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    x, y = read_images(tmp_path)
    np.testing.assert_array_equal(x, np.concatenate(images))
    np.testing.assert_array_equal(y, np.concatenate(labels).astype(int) - 1)

    assert "make it from the images" in Stl10Features(tmp_path).missing()
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 8, stride=32), torch.nn.Flatten()).eval()
    write_features(network, tmp_path, batch_size=2)
    dataset = Stl10Features(tmp_path)
    assert dataset.shape == (45,)
    assert dataset.x("all").std() == pytest.approx(1, rel=1e-5)
    with torch.no_grad():
        expected = network(torch.from_numpy(x).float() / 255).numpy()
    np.testing.assert_allclose(dataset.x("all") * expected.std(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(dataset.y("all"), y)
    assert data_spec(dataset).dim == 45


@pytest.mark.parametrize(
    "x", [None, np.zeros((4, 3), np.float32), np.array([{}]), np.zeros((4, 3), int), b"", b"x"]
)
def test_features_of_another_kind_spoil_no_list_of_data_sets(tmp_path, x):
    (tmp_path / "stl10_features").mkdir()
    path = tmp_path / "stl10_features" / "features.npz"
    path.write_bytes(x) if isinstance(x, bytes) else np.savez(
        path, y=np.zeros(4, int), **({} if x is None else {"X": x})
    )
    dataset = Stl10Features(tmp_path)
    assert dataset.shape == (2048,)
    with pytest.raises(UserError, match=r"must have arrays X and y|expected finite floats \(13000, D\)"):
        dataset.x("all")


def test_digests_tell_two_networks_apart(tmp_path):
    (tmp_path / "stl10_features").mkdir()
    digests = []
    for _ in range(2):
        np.savez(
            tmp_path / "stl10_features" / "features.npz",
            X=RNG.random((12, 3), np.float32),
            y=np.arange(12) % 10,
        )
        digests.append(dataset_digest(Stl10Features(tmp_path)))
    assert digests[0] != digests[1]


def test_absent_images_are_asked_for_at_their_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DGCBENCH_OFFLINE", "1")
    with pytest.raises(
        UserError, match=r"stl10_binary\.tar\.gz of STL-10 features could not be downloaded; put it into"
    ):
        read_images(tmp_path)
