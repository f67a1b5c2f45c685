"""The commands that make a table again, from the runs on. Imports no torch."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from benchmark.reading import Reading
from benchmark.records.run import THREADS, Record
from benchmark.records.select import as_typed, is_own


def run_command(dataset: str, protocol: str, budget: str, records: Sequence[Record], results: Path) -> str:
    """The commands that plan exactly these runs, one for each way in which they were asked for."""
    groups: dict[str, list[Record]] = {}
    seeds: dict[str, int] = {}
    for record in records:
        seeds[record["digest"]] = max(seeds.get(record["digest"], 0), record["seed"] + 1)
    for record in records:
        asked = record.get("asked", {"dataset": dataset, "plugins": []})
        settings = dict(record.get("overrides", {}))
        made_on = [record["key"].get("device"), record["key"].get("threads")]
        clusters = None
        if asked["plugins"] or is_own(record):  # which may have no labels that tell K
            clusters = record["key"]["config"]["n_clusters"]
            settings.pop("n_clusters", None)
        model = record["key"]["model"] if settings else None
        same = json.dumps([asked, settings, clusters, model, made_on, seeds[record["digest"]]])
        groups.setdefault(same, []).append(record)
    lines = []
    for text, group in sorted(groups.items(), key=lambda item: (len(item[0]), item[0])):
        asked, settings, clusters, _, (device, threads), n = json.loads(text)
        models = sorted({r["key"]["model"] for r in group})
        variables = {
            "DATASET": asked["dataset"],
            "PROTOCOL": "" if protocol == "neutral" else protocol,
            "MODELS": ",".join(models),
            "SEEDS": n,
            "BUDGET": budget,
            "CLUSTERS": clusters or "",
            "DEVICE": device or "",
            "PLUGIN": next(iter(asked["plugins"]), ""),
        }
        options = [word for plugin in asked["plugins"][1:] for word in ("--plugin", plugin)]
        options += Reading.of(asked).words()
        if device and threads != THREADS[device]:
            options += ["--threads", str(threads)]
        for name, value in settings.items():
            options += ["--set", f"{models[0]}.{name}={as_typed(value)}"]
        variables["ARGS"] = shlex.join(options)
        given = [f"{name}={shlex.quote(str(value))}" for name, value in variables.items() if value != ""]
        lines.append(" ".join(["make bench", *given]) + results_variable(results))
    return "\n".join(lines)


def tables_command(results: Path, options: str = "") -> str:
    """The command that prints the tables of a results folder and writes them into it."""
    return f"make tables{results_variable(results)}" + (f' ARGS="{options}"' if options else "")


def results_variable(results: Path) -> str:
    """What names the results folder to make, unless it is make's own."""
    return "" if str(results) == "results" else f" RESULTS={shlex.quote(str(results))}"
