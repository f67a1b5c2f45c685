"""Downloading and verifying files, over a real server on this machine."""

import hashlib
import http.server
import threading

import numpy as np
import pytest

import benchmark.datasets._files as files
from benchmark.errors import UserError

CONTENT = bytes(range(256)) * 20


class Handler(http.server.BaseHTTPRequestHandler):
    """/good gives the content, /short ends too early, /html is an error page that claims to be fine."""

    def do_GET(self):
        body = b"<html>moved</html>" if self.path.startswith("/html") else CONTENT
        if self.path.startswith("/absent"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100] if self.path.startswith("/short") else body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def dataset(folder, *urls):
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

    class Small(files.FileDataset):
        name = title = "small"
        folders = ("small", "")
        shape = (1,)
        n_classes = 256
        files = (globals()["files"].Remote("data.bin", urls, digest),)

        def read(self, split):
            data = np.frombuffer(self.locate(self.files[0]).path.read_bytes(), dtype=np.uint8)
            return data[:, None], data

    return Small(folder)


def test_a_file_is_downloaded_once_and_verified(tmp_path, server, monkeypatch):
    found = dataset(tmp_path, f"{server}/good/data.bin")
    assert "data fetch small" in found.missing()
    found.fetch()
    assert (tmp_path / "small" / "data.bin").read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "small").iterdir()] == ["data.bin"]
    monkeypatch.setenv("DGCBENCH_OFFLINE", "1")
    found.fetch()  # what is there needs no network
    assert found.missing() is None
    assert found.y("train").tolist() == list(CONTENT)


def test_bad_mirrors_are_passed_over(tmp_path, server):
    urls = [f"{server}/{kind}/data.bin" for kind in ("absent", "short", "html", "good")]
    found = dataset(tmp_path, "http://nowhere.invalid/data.bin", *urls)
    found.fetch()
    assert (tmp_path / "small" / "data.bin").read_bytes() == CONTENT


def test_when_all_mirrors_fail_each_reason_is_said(tmp_path, server):
    urls = [f"{server}/{kind}/data.bin" for kind in ("absent", "short", "html")]
    with pytest.raises(
        UserError, match=r"could not be downloaded; put it into .*small, or set DGCBENCH_DATA"
    ) as error:
        dataset(tmp_path, *urls).fetch()
    for reason in ("404", "ended after 100 of 5120 bytes|IncompleteRead", "its sha256 is"):
        assert any(part in str(error.value) for part in reason.split("|"))
    assert "html/data.bin: data.bin is not the file that it should be" in str(error.value)
    # no advice to delete what is gone
    assert str(error.value).endswith(f", expected {hashlib.sha256(CONTENT).hexdigest()}")
    assert list((tmp_path / "small").iterdir()) == []


def test_a_file_without_an_address(tmp_path):
    found = dataset(tmp_path)
    found.how_to_get = "ask the authors"
    with pytest.raises(
        UserError, match=r"can't be downloaded automatically: data.bin; ask the authors, and put into .*small"
    ):
        found.fetch()


def test_a_folder_that_cannot_be_written(tmp_path, server):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        dataset(tmp_path / "file", f"{server}/good/data.bin").fetch()


def test_a_damaged_file_is_not_read(tmp_path):
    # in the data folder itself, where torchvision keeps some
    (tmp_path / "data.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(
        UserError,
        match=r"data.bin is not the file that it should be, or is truncated: its sha256 is .*; delete it",
    ):
        dataset(tmp_path).x("train")


def test_a_digest_may_have_capital_letters_and_must_have_its_kind(tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    found, digest = dataset(tmp_path), hashlib.sha256(CONTENT).hexdigest()
    found.files = (files.Remote("data.bin", digest=f"sha256:{digest.upper()}"),)
    assert len(found.x("train")) == len(CONTENT)
    with pytest.raises(UserError, match=r"the digest of data.bin is .*, expected sha256: or md5: before"):
        files.Remote("data.bin", digest=digest)


def test_labels_must_fit(tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    found = dataset(tmp_path)
    found.n_classes = 10
    with pytest.raises(UserError, match=r"y\('train'\) has labels from 0 to 255, expected 0 to 9"):
        found.x("train")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            np.zeros((3, 1), np.uint8),
            np.zeros(2, int),
            r"int64 \(2,\), expected integers of shape \(3,\), one for every point",
        ),
        (np.zeros((3, 1), np.uint8), np.zeros((3, 1), int), r"int64 \(3, 1\), expected integers"),
        (np.zeros((3, 1), np.uint8), np.zeros(3), "float64"),
        (
            np.zeros((3, 2), np.uint8),
            np.zeros(3, int),
            r"uint8 \(3, 2\), expected uint8 or float32 of shape \(N, 1\)",
        ),
        (np.zeros((3, 1)), np.zeros(3, int), "float64"),
        (np.full((3, 1), np.nan, np.float32), np.zeros(3, int), "NaN or infinite"),
    ],
)
def test_points_and_labels_must_be_what_the_class_says(tmp_path, x, y, message):
    found = dataset(tmp_path)
    found.read = lambda split: (x, y)
    with pytest.raises(UserError, match=message):
        found.y("train")


def test_what_no_reader_foresaw_is_an_error_with_the_folder(tmp_path):
    found = dataset(tmp_path)
    found.read = lambda split: {}["a column"]
    with pytest.raises(UserError, match=rf"small in {tmp_path} can't be read: KeyError: 'a column'"):
        found.x("train")


def test_a_gzip_file_without_a_digest_must_at_least_be_one(tmp_path, server):
    found = dataset(tmp_path)
    found.files = (files.Remote("data.gz", (f"{server}/html/data.gz", f"{server}/good/data.gz")),)
    with pytest.raises(
        UserError, match=r"html/data\.gz: data\.gz is not a gzip file.*\n.*good/data\.gz: data\.gz is not"
    ):
        found.fetch()


def test_which_digest_is_known_depends_on_what_was_found(tmp_path):
    found = dataset(tmp_path)
    assert found.known_digests() == "SHA-256 of the files"
    found.files = (files.Remote("a.zip", digest="sha256:0", members=("x/one",)),)
    (tmp_path / "small" / "x").mkdir(parents=True)
    (tmp_path / "small" / "x" / "one").write_bytes(b"1")
    assert found.known_digests() == "unknown"
