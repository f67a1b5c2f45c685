"""A copy of a results folder for a repository: all records, and little else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import UserError
from benchmark.records.store import all_records, read_curves, write_record
from benchmark.report.commands import run_command
from benchmark.report.export import export
from benchmark.report.pictures import Album
from tests.helpers import record


def write(results, pixels=None, curves="", **values):
    made = record("vade", "digits", **values)
    folder = results / "runs/digits/vade/abc" / f"seed-{made['seed']}"
    write_record(folder, made)
    (folder / "model.pt").write_bytes(b"0" * 1000)
    (folder / "curves.csv").write_text(curves)
    (folder / "learning.csv").write_text("step,accuracy\n10,0.123456\n")
    if pixels is not None:
        for name in ("samples", "embedding", "other"):
            Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def test_records_and_small_pictures_of_the_first_good_seed_are_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.report.export.LIMIT", limit := 5000)
    noise = np.random.default_rng(0).integers(256, size=(60, 80, 3), dtype=np.uint8)
    curves = "stage,step,loss,kl\nfit,1,2.123456,\nfit,12345678,3,\n"
    results, target = tmp_path / "results", tmp_path / "copy"
    write(results, noise, curves, seed=0, status="failed")
    for seed in (2, 1):
        write(results, noise, curves, seed=seed)
    assert export(results, target) == (3, 1)
    assert [r for _, r in all_records(target)] == [r for _, r in all_records(results)]
    kept = target / "runs/digits/vade/abc/seed-1"
    assert {p.name for p in kept.iterdir()} == {
        "record.json",
        "learning.csv",
        "curves.csv",
        "samples.png",
        "embedding.png",
    }
    assert sum(p.stat().st_size for p in kept.iterdir() if p.name != "record.json") <= limit
    with Image.open(kept / "samples.png") as image:
        assert image.width / image.height == pytest.approx(4 / 3, abs=0.02)
    rows = [list(row.values()) for row in read_curves(kept)]
    assert read_curves(kept, "learning.csv") == [{"step": "10", "accuracy": "0.1235"}]
    assert rows == [["fit", "1", "2.123", ""], ["fit", "12345678", "3", ""]]
    assert {p.name for p in kept.with_name("seed-2").iterdir()} == {"record.json", "learning.csv"}
    galleries = Album(target).galleries("Digits", "digits", {"vade": list(all_records(target))})
    sources = [picture.source for gallery in galleries for picture in gallery.pictures]
    assert "runs/digits/vade/abc/seed-1/samples.png" in sources
    assert "figures/digits-vade-curves.png" in sources


def test_own_data_and_plugins_keep_their_names_not_their_folders(tmp_path):
    asked = {"dataset": "/home/me/my images/cells.npz", "plugins": ["/home/me/m.py"], "standardise": True}
    write(tmp_path / "results", asked=asked)
    export(tmp_path / "results", tmp_path / "copy")
    ((_, copied),) = all_records(tmp_path / "copy")
    assert copied["asked"] == {"dataset": "cells.npz", "plugins": ["m.py"], "standardise": True}
    command = run_command("cells-123abc", "neutral", "quick", [copied], Path("results"))
    assert command.startswith("make bench DATASET=cells.npz MODELS=vade SEEDS=1 BUDGET=quick CLUSTERS=")


def test_a_picture_of_few_colours_stays_as_large_as_it_was(tmp_path):
    pixels = np.zeros((90, 120, 3), np.uint8)
    pixels[:40] = (250, 10, 10)
    write(tmp_path / "results", pixels)
    export(tmp_path / "results", tmp_path / "copy")
    with Image.open(tmp_path / "copy/runs/digits/vade/abc/seed-0/samples.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels)


def test_a_results_folder_is_not_copied_onto_itself(tmp_path):
    results, merged = tmp_path / "results", tmp_path / "results/merged/theirs"
    folders = [write(results, seed=0), write(merged, seed=1)]
    (tmp_path / "link").symlink_to(results)
    for target in (results, tmp_path / "link", results / ".." / "results", merged):
        with pytest.raises(UserError, match="holds the runs that are to be copied"):
            export(results, target)
    assert all("0.123456" in (folder / "learning.csv").read_text() for folder in folders)


def test_a_folder_without_records_is_named(tmp_path):
    with pytest.raises(UserError, match="no records under"):
        export(tmp_path, tmp_path / "copy")
