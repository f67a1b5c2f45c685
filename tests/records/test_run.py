"""What identifies a run, and its file."""

from benchmark.records.run import Run

KEY = {"dataset": "digits", "model": "vade", "config": {"lr": 0.1}, "device": "cpu", "threads": 2}


def test_a_run_comes_back_from_its_file(tmp_path):
    run = Run(KEY, 3, "digits", ("a.py",), "clf", 100, {"lr": 0.1})
    run.write(tmp_path / "new")
    assert vars(Run.read(tmp_path / "new")) == vars(run)


def test_the_seed_is_not_in_the_digest_but_in_the_folder(tmp_path):
    first, second = Run(KEY, 0, "digits", ()), Run(KEY, 1, "digits", ())
    assert first.digest == second.digest
    assert first.folder(tmp_path) == tmp_path / "runs" / "digits" / "vade" / first.digest / "seed-0"
    assert first.folder(tmp_path) != second.folder(tmp_path)
    assert Run({**KEY, "threads": 1}, 0, "digits", ()).digest != first.digest


def test_a_record_says_whose_it_is():
    record = Run(KEY, 1, "digits", (), overrides={"lr": 0.1}).record("failed", error="why")
    assert (record["status"], record["seed"], record["key"], record["error"]) == ("failed", 1, KEY, "why")
    assert record["overrides"] == {"lr": 0.1}


def test_its_title_tells_it_from_others_of_a_sweep():
    assert Run(KEY, 1, "digits", ()).title == "digits vade seed 1"
    assert Run(KEY, 1, "digits", (), overrides={"n_clusters": 8}).title == "digits vade n_clusters=8 seed 1"
    own = {**KEY, "dataset": "flowers-a1b2c3", "config": {"n_clusters": 5}}
    assert Run(own, 1, "/flowers", ()).title == "flowers-a1b2c3 vade n_clusters=5 seed 1"
