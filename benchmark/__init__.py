"""DGCBench: a comparative benchmark suite of deep generative clustering models.

Importing this package is cheap: it imports neither torch nor any model. The contract that a plugin author
needs is in `benchmark.api`; the command line is `python -m benchmark`.
"""

from pathlib import Path

__version__ = "0.1.0"

# In a checkout models/ and datasets/ lie beside this package, not in it. They are imported as
# benchmark.models.vade and benchmark.datasets.mnist in both cases, so that no top-level package called
# "datasets" ever exists.
if not (Path(__file__).parent / "models").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))
