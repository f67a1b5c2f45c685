"""New points of the user's own, assigned by a trained run as the run itself would have assigned them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.api import in_full_precision
from benchmark.data.own_kinds import TABLES, read_own
from benchmark.errors import Unsupported, UserError, explained
from benchmark.evaluation.distribution import check_distribution
from benchmark.reading import Reading
from benchmark.records.load import SavedRun
from benchmark.seeding import start


@dataclass(frozen=True)
class Prediction:
    """Clusters of new points.

    Attributes:
        names: (N,) of their files or rows; their places where they have none.
        log_q: (N, K) by the model's first assignment rule, as in a run's own assignments.
    """

    names: tuple[str, ...]
    log_q: np.ndarray

    @property
    def clusters(self) -> np.ndarray:
        return self.log_q.argmax(axis=1)

    @property
    def probabilities(self) -> np.ndarray:
        """(N,) the model's own, of the cluster that a point is assigned to."""
        return np.exp(self.log_q.max(axis=1))


def predict(run: SavedRun, path: Path) -> Prediction:
    """Assign the points at `path`, of any kind of own data. The run's own data are not needed.

    They are treated as the run's were: images get its size and colours, columns of a table are found by their
    names, vectors are standardised with its mean and scale.

    Raises:
        UserError: the points can't be read or are of another shape, or the model can't assign new ones.
    """
    model = run.model()
    points = read_own(path, _reading(run, path), run.record["data"].get("columns", ()))
    x = run.stored(points.x).to(model.device)
    start(run.run.seed, "eval")
    name = run.record["key"]["model"]
    with explained(f"{name} failed to assign these points"):
        try:
            log_q = in_full_precision(model.assign(x)).cpu().numpy()
        except Unsupported as reason:
            raise UserError(f"{name} can't assign points that it was not fitted on: {reason}") from None
        check_distribution(log_q, len(x), next(iter(model.assignments())))
    names = points.names or tuple(map(str, range(len(x))))
    return Prediction(names, log_q)


def _reading(run: SavedRun, path: Path) -> Reading:
    """How new points are read: as the run's reading says of data of their kind, but without labels."""
    if not path.is_dir():
        return Reading(names=run.run.reading.names if path.suffix.lower() in TABLES else None)
    shape = run.spec().shape
    if len(shape) != 3:
        raise UserError(
            f"{path} is a folder, expected a file: the run was trained on vectors of shape {shape}"
        )
    channels, height, width = shape
    return Reading(size=height if height == width else None, colour="grey" if channels == 1 else "rgb")
