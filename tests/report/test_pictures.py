"""Pictures: drawn again only when what they show changes; of the first seed, whatever its result."""

import pytest
from matplotlib.figure import Figure

from benchmark.report.pictures import Album, slug
from tests.helpers import record


@pytest.fixture
def drawn(tmp_path):
    """Draws "a picture" of some data; returns how often it was really drawn."""
    album, times = Album(tmp_path), []

    def draw(data):
        def figure():
            times.append(data)
            return Figure(figsize=(1, 1))

        assert album.draw("a", {"data": data}, figure) == tmp_path / "figures" / "a.png"
        return len(times)

    return draw


def test_a_picture_is_drawn_again_only_for_other_data(drawn, tmp_path):
    assert [drawn(1), drawn(1), drawn(2)] == [1, 1, 2]
    (tmp_path / "figures" / "a.png").write_bytes(b"damaged")
    assert drawn(2) == 3


def test_pictures_are_of_the_first_seed_that_ended_well(tmp_path):
    runs = [(tmp_path / f"{s}", record(seed=s, status="failed" if s == 0 else "ok")) for s in (3, 2, 0)]
    (gallery,) = Album(tmp_path).galleries("MNIST", "mnist", {"vade": runs})
    (picture,) = gallery.pictures
    assert picture.alt == "confusion of vade on MNIST, test split, seed 2"
    assert (tmp_path / picture.source).is_file()


def test_names_of_files_are_short_and_tell_apart():
    a, b = (slug("vade (" + "x=1, " * 40 + f"y={i})") for i in (1, 2))
    assert a != b
    assert len(a) <= 80
    assert slug("kvaes (K=3)") == "kvaes-K-3"
