"""Rankings and papers' tables on the page."""

from benchmark.report.across import papers, ranking
from benchmark.report.pictures import Album
from tests.helpers import record


def test_where_nothing_can_be_ranked_the_reason_is_said(tmp_path):
    found = ranking(Album(tmp_path), [record()], "paper")
    assert not found.tables
    assert "two data sets" in found.reason


def test_a_ranking_of_six_data_sets_has_its_pairs_folded_and_a_diagram(tmp_path):
    records = [
        record(m, f"d{i}", seed=s, accuracy=a + 0.01 * s)
        for m, a in (("a", 0.5), ("b", 0.6), ("c", 0.7))
        for i in range(6)
        for s in range(3)
    ]
    found = ranking(Album(tmp_path), records, "paper")
    assert [table.open for table in found.tables] == [True, False]
    assert (tmp_path / found.diagram.source).with_suffix(".pdf").is_file()


def test_papers_are_folded_where_they_have_no_number_of_ours(tmp_path):
    album = Album(tmp_path)
    assert not any(table.open for table in papers(album, []))
    (ours,) = [table for table in papers(album, [record(protocol="pooled", splits=("all",))]) if table.open]
    assert "VaDE" in ours.title
