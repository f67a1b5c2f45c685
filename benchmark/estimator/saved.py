"""A fitted `DeepClustering` on disk: a file of its own, or the folder that a run left."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from benchmark.api import DataSpec
from benchmark.data.own_file import Standardisation
from benchmark.errors import UserError
from benchmark.files import whole_file
from benchmark.records.load import load_run
from benchmark.records.run import STANDARDISATION
from benchmark.records.source import source_digest

if TYPE_CHECKING:
    from benchmark.estimator.deep_clustering import DeepClustering

FORMAT = "dgcbench estimator 1"
# Attributes of a fitted estimator that are numbers and text.
PLAIN = ("config_", "seed_", "metrics_", "diagnostics_", "curves_", "n_features_in_", "preprocessing_")


def write(fitted: "DeepClustering", path: Path) -> None:
    """Write a file of tensors, numbers and text, no code, whole or not at all."""
    arrays = fitted.standardisation_
    plugins = [str(plugin) for plugin in fitted.plugins]
    params = {**fitted.get_params(), "random_state": fitted.seed_, "plugins": plugins}
    state = {
        "format": FORMAT,
        "params": {name: _plain(value) for name, value in params.items()},
        "spec_": dataclasses.asdict(fitted.spec_),
        "source": source_digest(type(fitted.model_).__module__),
        "weights": {name: tensor.cpu() for name, tensor in fitted.model_.state_dict().items()},
        "standardisation": arrays and {k: torch.from_numpy(v) for k, v in vars(arrays).items()},
        "names": [str(name) for name in getattr(fitted, "feature_names_in_", ())],
        "labels_": torch.from_numpy(fitted.labels_),
        **{name: getattr(fitted, name) for name in PLAIN},
    }
    with whole_file(path, binary=True) as file:
        torch.save(state, file)


def _plain(value: Any) -> Any:
    """A parameter with Python's numbers in place of numpy's, which a file without code can't hold."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def read_file(cls: "type[DeepClustering]", path: Path, plugins: Sequence[str]) -> "DeepClustering":
    """The estimator that `write` wrote.

    Raises:
        UserError: it is none, or the model's source has changed since.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"there is no file {path}; expected one that save() wrote, or a run's folder"
        ) from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    except Exception as error:  # a damaged archive raises whatever its bytes happen to mean
        raise UserError(f"{path} can't be loaded, expected a file that save() wrote") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} holds no estimator of this version, expected a file that save() wrote")
    params = state["params"] | {"plugins": tuple(plugins or state["params"]["plugins"])}
    if params["device"] == "cuda" and not torch.cuda.is_available():
        params["device"] = None
    found = cls(**params)
    if source_digest(found.model_class().__module__) != state["source"]:
        raise UserError(f"the source of {found.model} has changed since {path} was saved; fit it again")
    for name in PLAIN:
        setattr(found, name, state[name])
    found.labels_ = state["labels_"].numpy()
    found.spec_ = DataSpec(**state["spec_"])
    arrays = state["standardisation"]
    found.standardisation_ = arrays and Standardisation(**{k: v.numpy() for k, v in arrays.items()})
    if state["names"]:
        found.feature_names_in_ = np.array(state["names"], dtype=object)
    found.model_ = found.built(state["weights"])
    return found


def read_run(cls: "type[DeepClustering]", folder: Path, plugins: Sequence[str]) -> "DeepClustering":
    """A run that has ended, as an estimator that was fitted to its data.

    Raises:
        UserError: see `load_run`.
    """
    run_saved = load_run(folder, plugins)
    run, record, model = run_saved.run, run_saved.record, run_saved.model()
    file = folder / STANDARDISATION
    standardisation = Standardisation.read(file) if file.is_file() else None
    overrides = {name: value for name, value in run.overrides.items() if name != "n_clusters"}
    found = cls(
        run.key["model"],
        run.key["config"]["n_clusters"],
        budget=run.key["budget"],
        overrides=overrides or None,
        standardise=standardisation is not None or model.data.kind == "image",
        random_state=run.seed,
        plugins=tuple(map(str, plugins or run.plugins)),
    )
    found.model_, found.spec_, found.config_, found.seed_ = model, model.data, run.key["config"], run.seed
    found.n_features_in_ = model.data.dim
    found.standardisation_, found.preprocessing_ = standardisation, record["data"]["preprocessing"]
    split = next(iter(record["metrics"]))  # the one that the model was fitted on
    found.metrics_ = next(iter(record["metrics"][split].values()))
    found.diagnostics_ = record["diagnostics"]
    assigned = pd.read_csv(folder / "assignments.csv")
    found.labels_ = assigned["cluster"][assigned["split"] == split].to_numpy()
    curves = folder / "curves.csv"
    rows = pd.read_csv(curves).to_dict("records") if curves.read_text("utf-8").strip() else []
    found.curves_ = [{name: value for name, value in row.items() if value == value} for row in rows]
    return found
