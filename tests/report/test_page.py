"""The page: complete, with nothing from elsewhere, the same from the same records."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

from benchmark.report.page import write_report


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_nothing_is_loaded_from_elsewhere_and_every_picture_is_there(results, page):
    tags = Tags(page).tags
    assert not re.search(r"url\(|@import|https?://", page)
    links = [a.get("src") or a.get("href") for t, a in tags if t in ("script", "link", "img", "iframe", "a")]
    files = {link for link in links if link and not link.startswith(("#", "data:"))}
    assert files
    assert all((results / unquote(file)).is_file() for file in files)


def test_pictures_are_loaded_when_they_are_seen_and_say_what_they_show(page):
    pictures = [a for t, a in Tags(page).tags if t == "img"]
    assert all(a["loading"] == "lazy" and int(a["width"]) and int(a["height"]) for a in pictures)
    assert {
        "curves of vade on mnist, neutral protocol, quick budget, mean and range over 2 seeds",
        "confusion of kmeans on mnist, neutral protocol, quick budget, test split, seed 0",
        "embedding of kmeans on digits, neutral protocol, quick budget, seed 0",
        "clusters of kmeans on digits, neutral protocol, quick budget, seed 0",
        "samples of kmeans on digits, neutral protocol, quick budget, seed 0",
        "ACC against seconds of every run on mnist, neutral protocol, quick budget",
    } <= {a["alt"] for a in pictures}


def test_tables_failures_and_records_are_there(page):
    assert "mnist, neutral protocol, quick budget" in page
    assert ">2/3<" in page
    assert "&lt;b&gt;NaN&lt;/b&gt; &amp; more" in page
    assert "Traceback: &lt;i&gt;line&lt;/i&gt;" in page
    assert "seed-2/record.json" in page


def test_every_link_leads_to_something(page):
    tags = Tags(page).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for t, a in tags if t == "a" and a["href"].startswith("#")}
    assert {"mnist-neutral-quick", "digits-neutral-quick"} <= links <= set(ids)


def test_numbers_from_memory_are_grey(page):
    assert any("memory" in a.get("class", "").split() for t, a in Tags(page).tags if t in ("td", "th"))


def test_every_table_names_the_command_that_makes_it(page):
    assert "make bench DATASET=mnist MODELS=kmeans SEEDS=2 BUDGET=quick" in page
    assert "make bench DATASET=mnist MODELS=vade SEEDS=3 BUDGET=quick" in page
    assert "make bench DATASET=mnist PROTOCOL=pooled MODELS=vade SEEDS=1 BUDGET=paper" in page
    assert "make bench PAPER=vade DATASET=mnist" in page
    assert "make tables RESULTS=" in page


def test_the_same_records_give_the_same_page(results, page):
    pictures = {p.name: p.stat().st_mtime_ns for p in (results / "figures").iterdir()}
    assert write_report(results).read_text(encoding="utf-8") == page
    assert {
        p.name: p.stat().st_mtime_ns for p in (results / "figures").iterdir()
    } == pictures  # not drawn again
