"""One page for all tests of it."""

import pytest

from benchmark.plots import confusion, save
from benchmark.records.store import write_record
from benchmark.report.page import write_report
from benchmark.report.pictures import MADE_BY_RUNS
from tests.helpers import record


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Two models on a data set, a failed run with a log, a run under a paper's protocol, and a second set."""
    results = tmp_path_factory.mktemp("results")
    models = {"vade": 0.9, "kmeans": 0.6}
    records = [
        record(m, seed=s, accuracy=models[m] + 0.01 * s, budget="quick") for m in models for s in (0, 1)
    ]
    records.append(record("vade", seed=2, status="diverged", budget="quick", error="<b>NaN</b> & more"))
    records.append(record(protocol="pooled", splits=("all",)))
    records += [record(m, "digits", accuracy=0.5, budget="quick", splits=("all",)) for m in models]
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
    for name in MADE_BY_RUNS:
        save(confusion([[1, 0], [0, 1]]), folder, name)
    return results


@pytest.fixture(scope="session")
def page(results):
    return write_report(results).read_text(encoding="utf-8")
