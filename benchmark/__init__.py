"""DGCBench: a comparative benchmark suite of deep generative clustering models.

Importing this package is cheap: it imports neither torch nor any model. The contract that a plugin author
needs is in `benchmark.api`; the command line is `python -m benchmark`; `from benchmark import DeepClustering`
is the scikit-learn estimator of `benchmark.estimator`, imported when it is asked for.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.estimator.deep_clustering import DeepClustering as DeepClustering

__version__ = "0.1.0"

# In a checkout models/ and datasets/ lie beside this package, not in it. They are imported as
# benchmark.models.vade and benchmark.datasets.mnist in both cases, so that no top-level package called
# "datasets" ever exists.
if not (Path(__file__).parent / "models").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))


def __getattr__(name: str) -> Any:
    if name == "DeepClustering":
        # by its name: the lowest layer imports this package, and does not depend on the estimator
        return importlib.import_module("benchmark.estimator.deep_clustering").DeepClustering
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
