"""The page in headless Chromium: sorting, selector, links, widths, and without JavaScript.

One page with four frames of it, whose documents a script looks into: at 400, 800 and 1400 pixels, and without
scripts. So one start of the browser will do, and no driver is needed. Skipped where there is no Chromium.
"""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --allow-file-access-from-files "
    "--enable-logging=stderr --virtual-time-budget=20000 --dump-dom"
)
PROBE = """<!DOCTYPE html><title>probe</title><pre id="found"></pre>
<iframe id="w400" style="width:400px;height:800px;border:0" src="report.html"></iframe>
<iframe id="w800" style="width:800px;height:800px;border:0" src="report.html"></iframe>
<iframe id="w1400" style="width:1400px;height:800px;border:0" src="report.html"></iframe>
<iframe id="off" style="width:800px;height:800px;border:0" sandbox="allow-same-origin"
  src="report.html"></iframe>
<script>
const wait = () => new Promise(done => setTimeout(done, 200));
const shown = d => [...d.querySelectorAll("section.result")].filter(s => s.offsetHeight > 0).map(s => s.id);
addEventListener("load", async () => {
  const found = { overflow: {} };
  for (const id of ["w400", "w800", "w1400", "off"]) {
    const d = document.getElementById(id).contentDocument;
    d.querySelectorAll("details").forEach(e => { e.open = true; });
    found.overflow[id] = d.documentElement.scrollWidth - d.documentElement.clientWidth;
  }
  const off = document.getElementById("off").contentDocument;
  found.off = { shown: shown(off), tables: off.querySelectorAll("table").length,
    selector: off.getElementById("selector").offsetHeight };
  const frame = document.getElementById("w800"), d = frame.contentDocument, w = frame.contentWindow;
  found.tables = d.querySelectorAll("table").length;
  found.first = shown(d);

  const form = d.getElementById("selector");
  const choose = (name, value) => {
    form.elements[name].value = value;
    form.elements[name].dispatchEvent(new w.Event("change", { bubbles: true }));
  };
  const values = name => [...form.elements[name].options].map(o => o.value);
  choose("dataset", "mnist");
  found.mnist = { shown: shown(d), hash: w.location.hash,
    protocols: values("protocol"), budgets: values("budget") };
  choose("protocol", "pooled");
  found.pooled = { shown: shown(d), budgets: values("budget") };
  d.querySelector('#overview a[href="#digits-neutral-quick"]').click();
  await wait();
  found.clicked = { shown: shown(d), chosen: form.elements.dataset.value };

  choose("dataset", "mnist");
  const table = d.querySelector("#mnist-neutral-quick table");
  const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent.trim()).join(" ");
  const heading = name => [...table.tHead.rows[0].cells].find(c => c.textContent.trim() === name);
  found.sorted = ["ACC", "ACC", "seconds", "model"].map(name => {
    heading(name).querySelector("button").click();
    return [names(), heading(name).getAttribute("aria-sort")];
  });
  table.tBodies[0].rows[0].cells[0].querySelector("a").click();
  await wait();
  found.record = d.getElementById(decodeURIComponent(w.location.hash.slice(1))).open;
  const wide = [...document.getElementById("w400").contentDocument.querySelectorAll(".wide")]
    .find(e => e.scrollWidth > e.clientWidth + 50);
  wide.scrollLeft = 50;
  const left = e => e.getBoundingClientRect().left;
  found.sticky = left(wide.querySelector("tbody th")) - left(wide);
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


@pytest.fixture(scope="module")
def browser(results, page, tmp_path_factory):
    """(what the probe found, what the browser logged)."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: the page is not looked at in a browser (apt-get install chromium)")
    probe = results / "probe.html"
    probe.write_text(PROBE)
    profile = tmp_path_factory.mktemp("profile")
    command = [
        CHROMIUM,
        *OPTIONS.split(),
        "--window-size=1500,900",
        f"--user-data-dir={profile}",
        f"file://{probe}",
    ]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300)
    text = re.search(r'<pre id="found">(.*?)</pre>', made.stdout)
    found = text[1] if text else ""
    assert found, made.stderr
    return json.loads(html.unescape(found)), made.stderr


def test_nothing_is_wrong_in_the_console(browser):
    # what the frame without scripts says of the script that it may not run
    said = [line for line in browser[1].splitlines() if "CONSOLE" in line and "sandboxed" not in line]
    assert not said


@pytest.mark.parametrize("width", ["w400", "w800", "w1400", "off"])
def test_nothing_overflows_with_everything_unfolded(browser, width):
    assert browser[0]["overflow"][width] <= 0


def test_without_javascript_every_table_is_there(browser):
    found = browser[0]
    assert found["off"]["tables"] == found["tables"] > 10
    assert set(found["off"]["shown"]) == {"digits-neutral-quick", "mnist-neutral-quick", "mnist-pooled-paper"}
    assert found["off"]["selector"] == 0


def test_the_selector_shows_one_choice_and_offers_what_there_is(browser):
    found = browser[0]
    assert found["first"] == ["digits-neutral-quick"]
    assert found["mnist"]["shown"] == ["mnist-neutral-quick"]
    assert found["mnist"]["hash"] == "#mnist-neutral-quick"
    assert found["mnist"]["protocols"] == ["neutral", "pooled"]
    assert found["mnist"]["budgets"] == ["quick"]
    assert found["pooled"] == {"shown": ["mnist-pooled-paper"], "budgets": ["paper"]}


def test_links_select_and_unfold_what_they_lead_to(browser):
    assert browser[0]["clicked"] == {"shown": ["digits-neutral-quick"], "chosen": "digits"}
    assert browser[0]["record"] is True


def test_the_first_click_puts_the_best_on_top(browser):
    assert browser[0]["sorted"] == [
        ["vade kmeans", "descending"],
        ["kmeans vade", "ascending"],
        ["kmeans vade", "ascending"],
        ["kmeans vade", "ascending"],
    ]


def test_the_first_column_stays_when_a_table_is_scrolled(browser):
    assert abs(browser[0]["sticky"]) < 1
