"""`gpu-check`: one command for whoever has a GPU, and one Markdown file that can be sent back."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from benchmark.cli.gpu_check_page import Check, Done, page
from benchmark.errors import UserError
from benchmark.files import write_atomically
from benchmark.records.provenance import describe_machine
from benchmark.registry import Registry
from benchmark.running.parts import Ended, Part, make_parts
from benchmark.running.timing import FORMS, Form, Task, Timing, is_timed

SECONDS = 8 * 60.0
PYTEST = ["pytest", "-v", "--tb=short", "--no-header", "-n", "0", "-p", "no:cacheprovider"]
TESTED = {"cuda": ["-m", "gpu", "tests"], "cpu": ["tests/running/test_capture.py"]}


def gpu_check(options: argparse.Namespace) -> int:
    """Make all parts, and the page anew after each of them. Exit code 2: some part did not end well."""
    began, device, path = time.monotonic(), options.device, options.out
    if device == "cuda" and not torch.cuda.is_available():
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        raise UserError(
            f"there is no CUDA device for torch {torch.__version__}, which is built {built}; run this "
            "where there is one, or try it in a small form with --device cpu (DEVICE=cpu)"
        )
    form = FORMS[device]
    parts = plan_parts(device, form, timed_models(options.models, form))
    check = Check(device, form, describe_machine(device), SECONDS)
    try:
        write_atomically(path, page(check))
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}; name another file with --out") from error
    print(
        f"{len(parts)} parts on {device}, at most {SECONDS / 60:.0f} minutes; {path} grows with each",
        flush=True,
    )
    try:
        for part, limit, seconds, ended in make_parts(parts, SECONDS - (time.monotonic() - began)):
            check.done.append(read_part(part, limit, seconds, ended))
            write_atomically(path, page(check))
            print(check.done[-1].line(), flush=True)
    except KeyboardInterrupt:
        print(f"stopped; {path} has the parts that have ended", file=sys.stderr)
        return 130
    print(f"{path} is whole: attach it to an issue, so that it helps others")
    return 2 if any(done.failure for done in check.done) else 0


def timed_models(names: Sequence[str], form: Form) -> list[str]:
    """The models with steps to time: those asked for, or those of every sweep."""
    found = [model.name for model in Registry().chosen(names) if is_timed(model, form)]
    if names != ("all",) and (without := [name for name in names if name not in found]):
        raise UserError(f"{', '.join(without)} has no training steps; leave it out, or name none to time all")
    return found


def plan_parts(device: str, form: Form, models: Sequence[str]) -> list[Part]:
    """The tests, each model alone, each model with several seeds side by side."""
    python = [sys.executable, "-m"]

    def timing(model: str, seed: int = 0, together: str = "") -> list[str]:
        task = asdict(Task(model, device, seed, together))
        return [*python, "benchmark.running.timing", json.dumps(task)]

    def alone(model: str, _: Path) -> list[list[str]]:
        return [timing(model)]

    def together(model: str, folder: Path) -> list[list[str]]:
        return [timing(model, seed, str(folder)) for seed in range(form.seeds)]

    return [
        Part("tests", "", 6, lambda _: [[*python, *PYTEST, *TESTED[device]]]),
        *(Part("alone", model, 1.5, partial(alone, model)) for model in models),
        *(Part("together", model, 1, partial(together, model)) for model in models),
    ]


def read_part(part: Part, limit: float, seconds: float, ended: Sequence[Ended]) -> Done:
    """What the processes of a part found, and the first one's reason where some failed."""
    failures = [process.reason(limit) for process in ended if process.code != 0]
    if part.kind == "tests":
        log = ended[0].output.strip().splitlines()
        if ended[0].code == 1 and log:  # pytest has ended, and sums up
            failures = [log[-1].strip("= ")]
    else:
        log = [line for process in ended if process.code != 0 for line in process.errors.strip().splitlines()]
    timings = [
        Timing(**json.loads(line))
        for process in ended
        for line in process.output.splitlines()
        if line.startswith('{"item"') and line.endswith("}")  # a model may print, too
    ]
    return Done(part.name, part.kind, part.model, seconds, next(iter(failures), ""), timings, log)
