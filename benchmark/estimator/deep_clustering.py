"""Any registered model as a scikit-learn estimator: `from benchmark import DeepClustering`."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import TransformerTags, check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from benchmark import config
from benchmark.api import ClusteringModel, DataSpec, in_full_precision
from benchmark.data.folder import data_spec
from benchmark.data.own_file import OwnDataset, prepared
from benchmark.data.ranges import check_values
from benchmark.errors import Unsupported, UserError
from benchmark.estimator import saved
from benchmark.estimator.parameters import check_parameters, check_sample, seed_of
from benchmark.evaluation.collapse import diagnose
from benchmark.evaluation.evaluate import evaluate
from benchmark.evaluation.metrics import mutual_information
from benchmark.isolation import isolated
from benchmark.reading import Reading
from benchmark.records.run import THREADS
from benchmark.records.signs import signs_of_collapse
from benchmark.registry import Registry
from benchmark.running.execute import train
from benchmark.running.plan import check_device
from benchmark.running.train import Report
from benchmark.seeding import start

BAR = "{desc} {percentage:3.0f}% |{bar:20}| {elapsed} {postfix}"


def _embeds(estimator: "DeepClustering") -> bool:
    estimator._require("embed")
    return True


class DeepClustering(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """A model of the suite, used as in scikit-learn: `DeepClustering("vade", n_clusters=10).fit(X).labels_`.

    `fit` is what `python -m benchmark run` does with the same points as an own file: equal seeds, budgets,
    devices and numbers of threads give equal labels. A fit that is interrupted or fails leaves the estimator
    as it was before: not fitted, or fitted to the data of the last fit that ended.

    X is an array or a data frame, as in an own file (docs/own-data.md): vectors (N, D), standardised column
    by column, or images (N, H, W), (N, H, W, C) or (N, C, H, W), C = 1 or 3, in bytes or within [0, 1]. New
    points are treated with the training data's mean and scale, which are saved with the estimator. y is
    ignored.

    Args:
        model: name of a registered model; `python -m benchmark list` shows them.
        n_clusters: K, at least 2.
        budget: "quick", "hour", "paper" or "smoke", see docs/protocols.md.
        overrides: {hyper-parameter: value}, what differs from the model's presets.
        standardise: vectors; False leaves them as they are.
        random_state: seed of all random streams; that of a run is the number of its folder, `seed-0`. None
            and a RandomState draw one.
        device: "cpu" or "cuda"; None for what the machine has.
        threads: of the CPU; None for a run's, 1 on the CPU and 4 beside a GPU. Others round differently.
        plugins: files with models of your own.
        verbose: show a progress bar.

    Attributes:
        labels_: (N,) cluster of every training point.
        model_: the trained `ClusteringModel`, in evaluation mode.
        spec_: the `DataSpec` that it was built from.
        config_: its hyper-parameters.
        seed_: the seed of the fit.
        metrics_, diagnostics_: measurements without labels, as in a run's record.
        curves_: losses during training, one row {"stage", "step", loss: value} per reading.
        standardisation_, preprocessing_: what was done to X, `Standardisation` or None, and in words.
        n_features_in_: D, or the number of values of an image; feature_names_in_: of a data frame.
    """

    def __init__(
        self,
        model: str = "vade",
        n_clusters: int = 10,
        *,
        budget: str = "quick",
        overrides: Mapping[str, Any] | None = None,
        standardise: bool = True,
        random_state: int | np.random.RandomState | None = None,
        device: str | None = None,
        threads: int | None = None,
        plugins: Sequence[str] = (),
        verbose: bool = False,
    ):
        self.model = model
        self.n_clusters = n_clusters
        self.budget = budget
        self.overrides = overrides
        self.standardise = standardise
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.plugins = plugins
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "DeepClustering":
        """Train the model on X.

        Raises:
            ValueError: X or a parameter is not what is expected.
            Diverged: a loss became NaN or infinite.
        """
        before = dict(self.__dict__)
        try:
            with _value_errors():
                return self._fit(X)
        except BaseException:  # Ctrl-C too
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _fit(self, X: Any) -> "DeepClustering":
        check_parameters(self.get_params())
        check_device(self.device)
        model_class = self.model_class()
        dataset = OwnDataset(Path("array"), Reading(standardise=self.standardise), self._validated(X))
        spec = data_spec(dataset)
        check_values(dataset)
        if reason := model_class.skip_reason(spec):
            raise UserError(f"{self.model} can't be used on these data: {reason}")
        values = config.resolve(
            model_class, spec, None, self.budget, {**(self.overrides or {}), "n_clusters": self.n_clusters}
        )
        seed = seed_of(self.random_state)
        with self._as_in_a_run(), _progress(self.model, self.verbose) as report:
            x = _tensor(dataset.x("all")).to(self._device())
            trainer = train(model_class, spec, values, x, seed, None, report)
            metrics, log_q = evaluate(trainer.model, dataset, seed)
            diagnostics = diagnose(trainer.model, x, seed)
        self.model_, self.spec_, self.config_, self.seed_ = trainer.model, spec, config.as_dict(values), seed
        self.curves_, self.diagnostics_ = trainer.curves, diagnostics
        self.metrics_ = next(iter(metrics["all"].values()))
        self.labels_ = log_q["all"].argmax(axis=1)
        self.n_features_in_ = spec.dim
        self.standardisation_, self.preprocessing_ = dataset.standardisation, dataset.preprocessing
        signs = signs_of_collapse({"status": "ok", "metrics": metrics, "diagnostics": diagnostics})
        if signs:
            text = f"{self.model} has collapsed: {'; '.join(signs)}; try another seed, budget or model"
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(N,) most probable cluster of every point."""
        return self._log_assign(X).argmax(axis=1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """(N, K) the model's probabilities q(y = k | x), 0 and 1 for methods with hard assignments."""
        q = np.exp(self._log_assign(X).astype(np.float64))
        return q / q.sum(axis=1, keepdims=True)

    def score(self, X: Any, y: Any = None) -> float:
        """Mutual information I(x; y) = H(mean of q) - mean of H(q) of q(y | x), in nats; higher is better.

        log K at most, for clusters of equal size and no doubt about any point; 0 if all points have the same
        q. It needs no labels (y is ignored), and tells collapsed fits from others; whether the clusters are
        those that a person would see it can't tell. For hard assignments it is the entropy of the clusters'
        sizes.
        """
        return mutual_information(self._log_assign(X))

    @available_if(_embeds)  # type: ignore[untyped-decorator]
    def transform(self, X: Any) -> np.ndarray:
        """(N, J) representation of every point. Models without one do not have this method."""
        x = self._prepared(X)
        with self._evaluating(self.seed_):
            return _array(self.model_.map_batches(self.model_.embed, x).flatten(1))

    @available_if(_embeds)  # type: ignore[untyped-decorator]
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """`fit`, then `transform` of the same points."""
        return self.fit(X).transform(X)

    def sample(self, n: int, cluster: int | None = None, random_state: int | None = None) -> np.ndarray:
        """(n, *shape) new points of one cluster, or of the whole model.

        Images are (n, C, H, W) within [0, 1]; vectors are in the units of X.

        Args:
            random_state: None for the fit's seed: every call gives the same points.

        Raises:
            AttributeError: the model can't sample.
            ValueError: an argument is not what is expected.
        """
        check_is_fitted(self)
        self._require("sample")
        check_sample(n, cluster, random_state, self.model_.n_clusters)
        with self._evaluating(self.seed_ if random_state is None else random_state):
            return self._in_own_units(_array(self.model_.sample(n, cluster)))

    def reconstruct(self, X: Any) -> np.ndarray:
        """(N, *shape) the model's reconstruction of every point, in the form of `sample`.

        Raises:
            AttributeError: the model can't reconstruct.
        """
        x = self._prepared(X)
        self._require("reconstruct")
        with self._evaluating(self.seed_):
            return self._in_own_units(_array(self.model_.map_batches(self.model_.reconstruct, x)))

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one file, whole or not at all: numbers and text, no code."""
        check_is_fitted(self)
        saved.write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, plugins: Sequence[str] = ()) -> "DeepClustering":
        """A fitted estimator: the file that `save` wrote, or the folder of a run (`.../seed-0`).

        Args:
            plugins: where the model's file is now, if it is one of your own that has moved.

        Raises:
            ValueError: there is none, or the model's code has changed since.
        """
        read = saved.read_run if Path(path).is_dir() else saved.read_file
        with _value_errors():
            return read(cls, Path(path), plugins)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: a model's optimisers and schedules can't be pickled, its tensors can."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = {name: tensor.cpu() for name, tensor in self.model_.state_dict().items()}
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(dict(state))
        if "model_" in state:
            self.model_ = self.built(state["model_"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if hasattr(self, "transform"):
            tags.transformer_tags = TransformerTags(preserves_dtype=["float32"])
        return tags

    def built(self, weights: Mapping[str, Tensor]) -> ClusteringModel:
        """The trained model from its tensors."""
        model_class = self.model_class()
        with isolated():
            model = model_class(self.spec_, config.from_dict(model_class, self.config_))
        model.load_state_dict(weights)
        return model.to(self._device()).eval()

    def model_class(self) -> type[ClusteringModel]:
        plugins = [str(plugin) for plugin in self.plugins]
        registry = Registry(plugins) if plugins else _installed()
        registry.require(plugins)
        return registry.model(self.model)

    def _require(self, ability: str) -> None:
        """Raise if the model lacks an optional ability, in the words of the model's contract."""
        model_class = type(self.model_) if hasattr(self, "model_") else self.model_class()
        if ability not in model_class.abilities():
            words = {
                "embed": "has no embedding",
                "sample": "can't sample",
                "reconstruct": "can't reconstruct",
            }
            raise AttributeError(f"the model {self.model} {words[ability]}; others do, see docs/models")

    def _device(self) -> str:
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

    @contextlib.contextmanager
    def _as_in_a_run(self) -> Iterator[None]:
        """The threads of a run; the caller's, and its random numbers, are put back."""
        threads = int(self.threads or THREADS[self._device()])
        with isolated(), threadpool_limits(threads):
            torch.set_num_threads(threads)
            yield

    @contextlib.contextmanager
    def _evaluating(self, seed: int) -> Iterator[None]:
        with self._as_in_a_run(), torch.no_grad(), _value_errors():
            start(seed, "eval")
            yield

    def _log_assign(self, X: Any) -> np.ndarray:
        """(N, K) log q(y = k | x)."""
        x = self._prepared(X)
        with self._evaluating(self.seed_):
            return _array(self.model_.assign(x))

    def _prepared(self, X: Any) -> Tensor:
        """New points as stored ones, (N, *shape), on the model's device."""
        check_is_fitted(self)
        with _value_errors():
            x = prepared(self._validated(X, self.spec_), self.standardisation_, self.preprocessing_)
            if x.shape[1:] != self.spec_.shape:
                raise UserError(f"X has points of shape {x.shape[1:]}, expected {self.spec_.shape}")
            return _tensor(x).to(self._device())

    def _validated(self, X: Any, spec: DataSpec | None = None) -> np.ndarray:
        """X as an array of finite numbers, checked as scikit-learn does; `spec` is None when fitting."""
        X = np.asarray(X) if isinstance(X, (list, tuple)) else X
        images = getattr(X, "ndim", 2) > 2
        least = 2 if spec is None else 1
        if images or (spec is not None and spec.kind == "image"):
            if spec is None:
                self.__dict__.pop("feature_names_in_", None)
            return check_array(X, allow_nd=True, ensure_min_samples=least)
        return validate_data(self, X, reset=spec is None, ensure_min_samples=least)

    def _in_own_units(self, x: np.ndarray) -> np.ndarray:
        return x if self.standardisation_ is None else self.standardisation_.inverse(x)


@cache
def _installed() -> Registry:
    """What is registered without plugin files, which may be edited between two fits."""
    return Registry()


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.require(x, requirements="W"))  # torch takes no array that is read-only


def _array(x: Tensor) -> np.ndarray:
    return in_full_precision(x).cpu().numpy()


@contextlib.contextmanager
def _value_errors() -> Iterator[None]:
    """What the suite says in one sentence, as scikit-learn's users expect it."""
    try:
        yield
    except (UserError, Unsupported) as error:
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _progress(name: str, shown: bool) -> Iterator[Report]:
    """A bar that ends with the block, and what the Trainer tells it."""
    with tqdm(desc=name, total=1, disable=not shown, bar_format=BAR) as bar:

        def report(
            stage: str, step: int, steps: int, done: int, total: int, losses: dict[str, float]
        ) -> None:
            bar.n, bar.total = done, max(1, total)
            words = " ".join(f"{loss} {value:.4g}" for loss, value in list(losses.items())[:3])
            bar.set_postfix_str(f"{stage} {words}")

        yield report
