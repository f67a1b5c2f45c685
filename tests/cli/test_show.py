"""What `list`, `info` and `doctor` print."""


def test_list_shows_models_data_sets_and_broken_plugins(cli, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    found = cli("list", "--plugin", tmp_path / "broken.py")
    assert found.returncode == 0
    for name in ("vade", "kmeans", "digits", "mnist"):
        assert f"| {name} " in found.stdout
    assert "broken.py could not be loaded: ModuleNotFoundError" in found.stdout


def test_doctor_and_info_of_data_sets(cli):
    found = cli("doctor")
    assert found.returncode == 0
    assert "torch 2" in found.stdout
    assert "train-images-idx3-ubyte.gz" in found.stdout
    assert "DGCBENCH_DATA" in found.stdout
    assert "1797 points" in cli("info", "digits").stdout
    assert "not here" in cli("info", "mnist").stdout


def test_info_of_a_model_shows_every_budget_and_what_it_is_on_top_of(cli):
    found = cli("info", "vade").stdout
    headings = [line for line in found.splitlines() if line.startswith("budget ")]
    assert headings == [
        "budget paper:",
        "budget hour (on top of paper):",
        "budget quick (on top of hour):",
        "budget smoke (on top of quick):",
    ]
    assert "budget hour (on top of paper): no settings of its own" in cli("info", "kmeans").stdout
