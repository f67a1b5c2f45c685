"""`python -m benchmark data` and the matrix of `info`, in this process."""

import shutil

import numpy as np
import pytest

from benchmark.cli.parser import main
from benchmark.data import array_digest
from benchmark.plots import contact_sheet
from benchmark.registry import Registry


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DGCBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DGCBENCH_OFFLINE", "1")
    return tmp_path / "data"


def test_list_names_every_data_set_and_what_is_missing(own_folder, capsys):
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    for name, cls in Registry().datasets.items():
        assert f"| {name} " in printed
        missing = cls(own_folder).missing()
        assert missing is None or f"{name} is missing {missing}" in printed
    assert "linked from https://github.com/sudiptodip15/ClusterGAN (Google Drive)" in printed


def test_doctor_says_how_to_get_what_is_missing(own_folder, capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for name in Registry().datasets:
        assert f"  {name}: " in printed
    assert "cifar10: cifar-10-binary.tar.gz; `python -m benchmark data fetch cifar10` downloads" in printed


def test_fetch_without_a_network(own_folder, capsys):
    assert main(["data", "fetch", "pendigits", "digits", "tenx73k"]) == 1
    printed = capsys.readouterr()
    assert "digits was there; `data verify` checks it" in printed.out
    assert "pendigits.tra of Pendigits could not be downloaded; put it into" in printed.err
    assert "10x_73k can't be downloaded automatically" in printed.err


def test_verify_compares_digests(own_folder, capsys):
    assert main(["data", "verify", "digits", "usps"]) == 1
    printed = capsys.readouterr()
    digits = Registry().dataset("digits", own_folder)
    assert f"all.x {array_digest(digits.x('all'))}" in printed.out
    assert "usps is not here: usps.bz2" in printed.err
    assert main(["data", "verify"]) == 0  # those that are here


def test_verify_finds_a_damaged_file(own_folder, real_data, monkeypatch, capsys):
    monkeypatch.setenv("DGCBENCH_DATA", str(own_folder))
    shutil.copytree(real_data / "pendigits", own_folder / "pendigits", copy_function=shutil.copyfile)
    assert main(["data", "verify", "pendigits"]) == 0
    assert "pendigits: right, by the SHA-256 of the arrays" in capsys.readouterr().out
    with open(own_folder / "pendigits" / "pendigits.tes", "r+") as file:
        file.write(" 89")
    assert main(["data", "verify", "pendigits"]) == 1
    assert "pendigits.tes is not the file that it should be" in capsys.readouterr().err


def test_show_writes_a_contact_sheet(own_folder, tmp_path, capsys):
    assert main(["data", "show", "digits", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    digits = Registry().dataset("digits", own_folder)
    assert array_digest(digits.x("all")) in printed
    assert " ".join(map(str, np.bincount(digits.y("all")))) in printed
    assert (tmp_path / "digits.png").stat().st_size > 1000
    assert main(["data", "show", "digits", "--out", "/dev/null/x"]) == 1
    assert "choose another folder with --out" in capsys.readouterr().err


def test_a_contact_sheet_has_one_row_per_class():
    from pathlib import Path

    digits = Registry().dataset("digits", Path())
    image = contact_sheet(digits.title, digits.x("all"), digits.y("all")).axes[0].images[0].get_array()
    assert image.shape == (10 * 8, 20 * 8)
    first = np.flatnonzero(digits.y("all") == 7)[2]
    np.testing.assert_allclose(image[56:64, 16:24], digits.x("all")[first, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "show"], "data show: which data set? known: cifar10"),
        (["data", "fetch", "cifar"], "unknown data set 'cifar'; did you mean cifar"),
    ],
)
def test_wrong_usage(own_folder, capsys, arguments, message):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_info_shows_which_pairs_exist(own_folder, capsys):
    assert main(["info"]) == 0
    rows = [
        [c.strip() for c in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("|")
    ]
    table = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}
    assert set(table) == set(Registry().datasets)
    assert table["har"]["nmf"] == "–"  # it has negative values
    assert table["pendigits"]["nmf"] == "yes"
    assert table["mnist"]["vade"] == "own"


def test_preprocessing_and_caveat_are_in_the_record(tmp_path, monkeypatch):
    import json

    from benchmark.running.execute import execute
    from benchmark.running.plan import Request, plan

    class_ = Registry().datasets["digits"]
    monkeypatch.setattr(class_, "caveat", lambda self: "for testing only")
    run = plan(Request("digits", ("kmeans",), 1, "smoke", "cpu")).runs[0]
    run.folder(tmp_path).mkdir(parents=True)
    execute(run, run.folder(tmp_path), lambda *_: None, lambda: False)
    record = json.loads((run.folder(tmp_path) / "record.json").read_text())
    assert record["data"] == {
        "title": "Digits",
        "preprocessing": "values / 16",
        "caveat": "for testing only",
        "points_of": None,
    }
    from benchmark.tables.means import build

    assert "- for testing only" in build([record])[0].markdown()
