"""The page: self-contained, complete, sortable; looked at in headless Chromium where that is installed."""

import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from benchmark.cli.parser import _parser
from benchmark.cli.run import _requests
from benchmark.records.store import write_record
from benchmark.report import _run_command, write_report
from benchmark.running.plan import Request, plan
from tests.conftest import ROOT
from tests.helpers import record

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two models on one data set, one failed run with a log, one run under a paper's protocol."""
    results = tmp_path_factory.mktemp("results")
    models = {"vade": 0.6, "kmeans": 0.9}
    records = [
        record(m, seed=s, accuracy=models[m] + 0.01 * s, budget="quick") for m in models for s in (0, 1)
    ]
    records.append(record("vade", seed=2, status="diverged", budget="quick", error="<b>NaN</b> & more"))
    records.append(record(protocol="pooled", splits=("all",)))
    for r in records:
        folder = (
            results
            / "runs"
            / "mnist"
            / r["key"]["model"]
            / r["digest"].replace(" ", "")
            / f"seed-{r['seed']}"
        )
        write_record(folder, r)
        (folder / "log.txt").write_text("Traceback: <i>line</i>\n")
        (folder / "curves.csv").write_text("stage,step,loss,kl\ntrain,1,2.5,\ntrain,2,1.5,\n")
    np.savez(
        folder / "embedding.npz", z=np.random.default_rng(0).normal(size=(60, 2)), cluster=np.arange(60) % 10
    )
    return results


@pytest.fixture(scope="module")
def page(results):
    return write_report(results).read_text()


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_nothing_is_loaded_from_elsewhere(page):
    tags = Tags(page).tags
    loaded = [a.get("src") or a.get("href") for t, a in tags if t in ("script", "link", "img", "iframe")]
    assert all(source is None or source.startswith("data:image/png;base64,") for source in loaded)
    assert not re.search(r"url\(|@import", page)


def test_tables_failures_pictures_and_records_are_there(page):
    assert "mnist, neutral protocol, quick budget" in page
    assert "not separable with 2 seeds" in page
    assert ">2/3<" in page
    assert "&lt;b&gt;NaN&lt;/b&gt; &amp; more" in page
    assert "Traceback: &lt;i&gt;line&lt;/i&gt;" in page
    assert "an overall ranking needs two models with runs on two data sets" in page
    captions = {a["alt"] for t, a in Tags(page).tags if t == "img"}
    assert {
        "losses: mean and range over 2 seeds",
        "classes and clusters on the test split, seed 0",
        "embedding, coloured by cluster, seed 0",
        "quality against cost: every run, and the models' means",
    } <= captions


def test_every_number_leads_to_its_records(page):
    tags = Tags(page).tags
    ids = {a["id"] for _, a in tags if "id" in a}
    links = [a["href"][1:] for t, a in tags if t == "a"]
    assert links
    assert set(links) <= ids
    assert "seed-2/record.json" in page


def test_numbers_from_memory_are_grey(page):
    tags = Tags(page).tags
    assert any("memory" in a.get("class", "").split() for t, a in tags if t == "td")


def test_every_table_names_the_command_that_makes_it(page):
    assert "make bench DATASET=mnist MODELS=kmeans,vade SEEDS=3 BUDGET=quick" in page
    assert "make bench DATASET=mnist PROTOCOL=pooled MODELS=vade SEEDS=1 BUDGET=paper" in page
    assert "make bench PAPER=vade DATASET=mnist" in page
    assert "make tables RESULTS=" in page


def test_settings_made_by_hand_are_part_of_the_command():
    overrides = {"hidden": [5, 6], "decode": True}
    assert (
        _run_command("mnist", "neutral", "quick", [record("m", seed=4, overrides=overrides)])
        == "make bench DATASET=mnist MODELS=m SEEDS=5 BUDGET=quick ARGS='--set m.hidden=5,6 --set"
        " m.decode=true'"
    )


def test_own_files_and_plugins_are_part_of_the_command():
    asked = {"dataset": "/my data/own.npz", "plugins": ["/a/m.py", "/b/d e.py"], "standardise": False}
    found = _run_command(
        "own-123abc", "neutral", "quick", [record("m", config={"n_clusters": 7}, asked=asked)]
    )
    assert found == (
        "make bench DATASET='/my data/own.npz' MODELS=m SEEDS=1 BUDGET=quick CLUSTERS=7 PLUGIN=/a/m.py"
        """ ARGS='--plugin '"'"'/b/d e.py'"'"' --no-standardise'"""
    )


def test_the_command_of_an_own_file_with_a_plugin_plans_the_same_runs(tmp_path, fakes):
    """As make passes it on, from its variables to the options of `run`."""
    folder = tmp_path / "my data"
    folder.mkdir()
    np.savez(folder / "own.npz", X=np.random.default_rng(0).normal(size=(60, 3)))
    request = Request(
        str(folder / "own.npz"), ("fine",), clusters=4, plugins=(fakes,), standardise=False, budget="smoke"
    )
    planned = plan(request).runs
    records = [run.record("ok", metrics={}) for run in planned]
    command = _run_command(planned[0].key["dataset"], "neutral", "smoke", records)
    made = subprocess.run(
        [*shlex.split(command), "-n", "-o", ".venv/.installed", f"RESULTS={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    (line,) = [line for line in made.stdout.replace("\\\n", " ").splitlines() if "benchmark run" in line]
    options = _parser().parse_args(shlex.split(line)[3:])
    (asked,) = _requests(options, None)
    again = plan(asked).runs
    assert [(r.digest, r.seed) for r in again] == [(r.digest, r.seed) for r in planned]


def test_the_same_records_give_the_same_page_and_pictures(results, page):
    first = page.encode()
    pictures = {p.name: p.read_bytes() for p in (results / "figures").iterdir()}
    assert {p.rsplit(".")[-1] for p in pictures} == {"png", "pdf"}
    assert write_report(results).read_bytes() == first
    assert {p.name: p.read_bytes() for p in (results / "figures").iterdir()} == pictures


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_sorting_works_in_a_browser_without_errors(page, tmp_path):
    probe = """<script>
    const table = document.querySelector("section table.sortable");
    const first = row => row.cells[0].textContent;
    const names = () => [...new Set([...table.tBodies[0].rows].map(first))].join(" ");
    const index = [...table.tHead.rows[0].cells].findIndex(run => run.textContent === "ACC");
    const button = table.tHead.rows[0].cells[index].firstChild;
    const before = names();
    button.click();
    const ascending = names();
    button.click();
    document.title = [before, ascending, names(), document.querySelectorAll("table").length].join("|");
    </script></body>"""
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path}/profile", f"file://{tmp_path}/probe.html"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "CONSOLE" not in found.stderr, found.stderr
    before, ascending, descending, tables = re.search(r"<title>(.*?)</title>", found.stdout)[1].split("|")
    assert (before, ascending, descending) == ("kmeans vade", "vade kmeans", "kmeans vade")
    assert int(tables) > 5
