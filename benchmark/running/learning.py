"""Learning curves: how well a model clusters at several steps of its training, measured afterwards.

While it trains, its state is kept from time to time. What those states are worth is looked at when the run
has ended, so that labels are read after training only.
"""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmark.api import Action, ClusteringModel, Dataset
from benchmark.errors import Interrupted
from benchmark.evaluation.evaluate import evaluate
from benchmark.files import whole_file
from benchmark.records.select import COMPARED
from benchmark.records.store import LEARNING


class Snapshots:
    """States of a model at `count` evenly spaced steps of its training, one file each, until they are
    measured.
    """

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder, count

    def due(self, done: int, total: int) -> bool:
        """Whether one is to be kept after `done` of at most `total` steps."""
        return done * self.count // total > (done - 1) * self.count // total

    def keep(
        self, model: ClusteringModel, index: int, stage: str, done: int, seconds: float, cpu_seconds: float
    ) -> None:
        """Write the state after `done` steps.

        Args:
            index, stage: of the stage, in the plan of the training.
            seconds, cpu_seconds: wall and processor time of training so far.
        """
        state = {
            "model": model.state_dict(),
            "index": index,
            "row": {"step": done, "stage": stage, "seconds": seconds, "cpu_seconds": cpu_seconds},
        }
        self.folder.mkdir(exist_ok=True)
        with whole_file(self.folder / f"{done:010d}.pt", binary=True) as file:
            torch.save(state, file)

    def measure(
        self,
        build: Callable[[], ClusteringModel],
        x: Tensor,
        dataset: Dataset,
        seed: int,
        report: Callable[..., None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write the metrics of every state to learning.csv beside the folder, which goes.

        Each is measured as if training had ended there: the actions that were still to come, such as a
        mixture fitted to the codes, are done first, the steps are not. One that comes again and again, such
        as kVAEs' new assignments, is done once: without steps between them, further rounds would say nothing
        of the state.

        Args:
            build: makes the model, untrained, on the device of x.
            x: all stored training points.
            dataset: divided by its protocol; its test points are assigned where it has such.
            seed: of the run.
            report, stop: see `benchmark.running.train.Trainer`; asked before every state, some of which take
                minutes.

        Raises:
            Interrupted: `stop` said so; the states stay.
        """
        split = next(name for name in COMPARED if name in dataset.splits)
        rows = []
        paths = sorted(self.folder.glob("*.pt"))
        for i, path in enumerate(paths):
            if stop():
                raise Interrupted(f"stopped with {i} of {len(paths)} states of its learning curve measured")
            report(f"learning curve, {i + 1} of {len(paths)}", 0, 0, 1, 1, {})
            state = torch.load(path, map_location=x.device, weights_only=True)
            model = build()
            plan = list(model.stages(x))  # before the state is loaded, as in training
            model.load_state_dict(state["model"])
            model.eval()
            done = set()
            for item in plan[state["index"] + 1 :]:
                if isinstance(item, Action) and item.name not in done:
                    item.run()
                    done.add(item.name)
            metrics, _ = evaluate(model, dataset, seed, splits=[split], first_rule=True)
            (found,) = metrics[split].values()
            numbers = {name: value for name, value in found.items() if not isinstance(value, list)}
            rows.append({**state["row"], "split": split, **numbers})
        if rows:
            with whole_file(self.folder.parent / LEARNING) as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        shutil.rmtree(self.folder, ignore_errors=True)
