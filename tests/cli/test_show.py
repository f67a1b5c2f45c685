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
