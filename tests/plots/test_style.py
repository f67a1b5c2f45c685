"""Files of figures."""

from benchmark.plots import confusion, save


def test_files_have_the_same_bytes_every_time(tmp_path):
    first = [p.read_bytes() for p in (save(confusion([[1, 0], [0, 1]]), tmp_path / n, "c") for n in "xy")]
    assert first[0] == first[1]
    assert (tmp_path / "x" / "c.pdf").read_bytes() == (tmp_path / "y" / "c.pdf").read_bytes()
