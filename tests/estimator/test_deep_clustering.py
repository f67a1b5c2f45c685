"""DeepClustering is a scikit-learn estimator, and the same computation as a run."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from benchmark import DeepClustering, plots
from benchmark.models._mixture import information
from benchmark.running.execute import execute
from benchmark.running.plan import Request, plan
from benchmark.running.train import Trainer

ROOT = Path(__file__).resolve().parents[2]
TINY = {"hidden": (16,), "em_restarts": 1, "pretrain_epochs": 1, "epochs": 1}
ONE_CLUSTER = "it asks for one cluster, and no model of the suite makes fewer than two"
# What scikit-learn's checks are expected to fail, and why; docs/python.md repeats it.
EXPECTED = {
    "check_dont_overwrite_parameters": ONE_CLUSTER,
    "check_fit2d_1feature": ONE_CLUSTER,
    "check_fit2d_predict1d": ONE_CLUSTER,
    "check_methods_subset_invariance": ONE_CLUSTER,
}
CONSTANT = """
from dataclasses import dataclass
import torch
from benchmark.api import ClusteringModel, ModelConfig

class Constant(ClusteringModel):
    name = "constant"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        pass

    def stages(self, x):
        return []

    def log_assign(self, x):
        return torch.eye(self.config.n_clusters)[:1].log().expand(len(x), -1)
"""


def vade(n_clusters=3, **more):
    return DeepClustering("vade", n_clusters, budget="smoke", overrides=TINY, random_state=0, **more)


@pytest.fixture(scope="module")
def digits():
    return load_digits().images[:120].astype(np.float32) / 16


@pytest.fixture(scope="module")
def vectors():
    """Points on scales that differ by a factor of a million."""
    x, _ = make_blobs(90, 4, centers=3, random_state=0)
    return x * [1, 1e3, 1e6, 1] + [0, 0, 1e7, 0]


@parametrize_with_checks([vade()], expected_failed_checks=lambda estimator: EXPECTED)
def test_it_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ae_kmeans", "agglomerative", "kmeans"])
def test_further_models_pass_scikit_learns_checks(name):
    """docs/python.md says which of the others do not, and why."""
    check_estimator(
        DeepClustering(name, 3, budget="smoke", random_state=0), expected_failed_checks=EXPECTED, on_skip=None
    )


@pytest.mark.parametrize("kind", ["images", "vectors"])
def test_it_gives_the_labels_of_a_run_and_opens_its_folder(kind, digits, vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "save", lambda *_: None)  # pictures take most of the time
    x = digits if kind == "images" else vectors
    np.savez(tmp_path / "own.npz", X=x)
    request = Request(str(tmp_path / "own.npz"), ("vade",), 2, "smoke", "cpu", {"vade": TINY}, clusters=3)
    run = plan(request).runs[1]
    folder = run.folder(tmp_path)
    run.write(folder)
    record = execute(run, folder, lambda *_: None, lambda: False)
    assert record["status"] == "ok", record

    fitted = vade().set_params(random_state=1).fit(x)
    assigned = pd.read_csv(folder / "assignments.csv")
    np.testing.assert_array_equal(fitted.labels_, assigned["cluster"])
    np.testing.assert_allclose(fitted.predict_proba(x).max(axis=1), assigned["probability"], atol=1e-5)
    assert fitted.config_ == run.key["config"]
    assert fitted.metrics_ == record["metrics"]["all"]["default"]
    assert fitted.diagnostics_ == record["diagnostics"]

    opened = DeepClustering.load(folder)
    np.testing.assert_array_equal(opened.labels_, fitted.labels_)
    np.testing.assert_array_equal(opened.predict_proba(x), fitted.predict_proba(x))
    np.testing.assert_array_equal(opened.sample(5, cluster=2), fitted.sample(5, cluster=2))
    assert opened.get_params()["overrides"].keys() == TINY.keys()
    assert [row.keys() for row in opened.curves_] == [row.keys() for row in fitted.curves_]
    np.testing.assert_array_equal(clone(opened).fit(x).labels_, fitted.labels_)
    opened.save(tmp_path / "run.pt")
    np.testing.assert_array_equal(DeepClustering.load(tmp_path / "run.pt").predict(x), fitted.labels_)


@pytest.mark.parametrize("through", ["file", "pickle"])
def test_what_is_saved_is_the_estimator_with_its_standardisation(through, vectors, tmp_path):
    frame = pd.DataFrame(vectors, columns=list("abcd"))
    fitted = vade().fit(frame)
    if through == "file":
        fitted.save(tmp_path / "m.pt")
        again = DeepClustering.load(tmp_path / "m.pt")
    else:
        again = pickle.loads(pickle.dumps(fitted))
    assert again.get_params() == fitted.get_params()
    for method in ("predict", "predict_proba", "transform", "reconstruct", "score"):
        np.testing.assert_array_equal(getattr(again, method)(frame), getattr(fitted, method)(frame))
    np.testing.assert_array_equal(again.sample(7), fitted.sample(7))
    np.testing.assert_array_equal(again.labels_, fitted.predict(frame))
    assert list(again.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[list("dcba")])
    # one point alone: the training data's mean and scale are used, not its own
    np.testing.assert_allclose(again.predict_proba(frame[:1]), fitted.predict_proba(frame)[:1], atol=1e-5)


def test_parameters_in_numpys_types_are_saved(vectors, tmp_path):
    fitted = DeepClustering("kmeans", np.int64(3), random_state=0, threads=np.int64(1)).fit(vectors)
    fitted.set_params(overrides={"restarts": [np.int64(2)]}).save(tmp_path / "m.pt")
    again = DeepClustering.load(tmp_path / "m.pt")
    assert again.get_params() == fitted.get_params()
    np.testing.assert_array_equal(again.predict(vectors), fitted.labels_)


def test_cuda_is_refused_where_there_is_none(vectors, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="CUDA was asked for, but torch finds no CUDA device"):
        vade(device="cuda").fit(vectors)


def test_samples_and_reconstructions_of_vectors_are_in_their_own_units(vectors):
    fitted = vade().fit(vectors)
    for points in (fitted.sample(500), fitted.reconstruct(vectors)):
        assert points.shape[1:] == (4,)
        np.testing.assert_allclose(
            points.mean(axis=0), vectors.mean(axis=0), atol=2 * vectors.std(axis=0).max()
        )
        assert (np.abs(points.mean(axis=0) - vectors.mean(axis=0)) < 2 * vectors.std(axis=0)).all()
    unchanged = vade(standardise=False).fit(vectors / vectors.std(axis=0))
    assert unchanged.predict(vectors / vectors.std(axis=0)).shape == (90,)


def test_every_layout_of_images_is_taken(digits):
    fitted = vade().fit(digits)
    for x in (digits[..., None], digits[:, None], digits.astype(float), digits.tolist()):
        np.testing.assert_array_equal(vade().fit(x).labels_, fitted.labels_)
        np.testing.assert_array_equal(fitted.predict(x), fitted.labels_)
    assert fitted.n_features_in_ == 64
    assert fitted.sample(4, cluster=1).shape == (4, 1, 8, 8)
    assert fitted.reconstruct(digits).shape == (120, 1, 8, 8)
    assert fitted.transform(digits).shape == (120, 3)
    assert not np.array_equal(fitted.sample(4), fitted.sample(4, random_state=1))
    coloured = (np.repeat(digits[..., None], 3, axis=3) * 255).astype(np.uint8)
    in_bytes = vade().fit(coloured)
    assert in_bytes.spec_.shape == (3, 8, 8)
    np.testing.assert_array_equal(in_bytes.predict(coloured), in_bytes.labels_)


def test_the_score_is_the_mutual_information(digits):
    fitted = vade().fit(digits)
    q = fitted.predict_proba(digits)
    assert fitted.score(digits) == pytest.approx(information(torch.from_numpy(q)).item())
    hard = DeepClustering("kmeans", 2, random_state=0).fit(np.array([[0.0], [0], [1], [1]]))
    assert hard.score(np.array([[0.0], [1]])) == pytest.approx(np.log(2))
    assert hard.score(np.array([[0.0], [0]])) == 0


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(digits, vectors, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    once = vade().fit(digits)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", interrupted)
        fresh = vade()
        with pytest.raises(KeyboardInterrupt):
            fresh.fit(vectors)
        with pytest.raises(KeyboardInterrupt):
            once.fit(pd.DataFrame(vectors, columns=list("abcd")))
    assert vars(fresh) == vars(vade())
    with pytest.raises(NotFittedError):
        fresh.predict(vectors)
    np.testing.assert_array_equal(once.predict(digits), once.labels_)
    assert not hasattr(once, "feature_names_in_")


def test_the_callers_random_numbers_and_threads_stay(digits):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    fitted = vade(threads=2).fit(digits)
    fitted.sample(3)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)


def test_it_works_in_a_pipeline_and_draws_a_seed_where_none_is_given(vectors):
    pipeline = make_pipeline(MinMaxScaler(), vade())
    np.testing.assert_array_equal(
        pipeline.fit_predict(vectors), clone(pipeline).fit(vectors).predict(vectors)
    )
    kmeans = DeepClustering("kmeans", 3)
    assert kmeans.fit(vectors).seed_ != kmeans.fit(vectors).seed_
    kmeans.set_params(random_state=np.random.RandomState(0))
    assert kmeans.fit(vectors).seed_ != 0


def test_what_a_model_cannot_do_is_said_in_a_sentence(vectors):
    kmeans = DeepClustering("kmeans", 3, random_state=0).fit(vectors)
    with pytest.raises(AttributeError, match="the model kmeans can't sample"):
        kmeans.sample(3)
    with pytest.raises(AttributeError, match="the model kmeans can't reconstruct"):
        kmeans.reconstruct(vectors)
    assert not hasattr(kmeans, "transform")
    with pytest.raises(AttributeError) as error:
        kmeans.transform(vectors)
    assert "the model kmeans has no embedding" in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "vad"}, "unknown model 'vad'; did you mean vade"),
        ({"n_clusters": 1}, "the number of clusters is 1, expected at least 2"),
        ({"n_clusters": 200}, "fewer than the 200 clusters"),
        ({"budget": "long"}, "budget is 'long'"),
        ({"overrides": {"latent": "x"}}, "vade.latent was given 'x', expected int"),
        ({"model": "mpcc", "overrides": None}, "mpcc can't be used on these data"),
        ({"random_state": -1}, "Seed must be between 0 and"),
        ({"plugins": ("nowhere.py",)}, "the plugin nowhere.py can't be used"),
    ],
)
def test_a_wrong_parameter_is_a_value_error(change, message, vectors):
    with pytest.raises(ValueError, match=message):
        vade().set_params(**change).fit(vectors)


def test_points_of_another_kind_are_refused(digits, tmp_path):
    fitted = vade().fit(digits)
    with pytest.raises(ValueError, match=r"X has points of shape \(1, 8, 7\), expected \(1, 8, 8\)"):
        fitted.predict(digits[:, :, :7])
    with pytest.raises(ValueError, match=r"X has points of shape \(64,\), expected \(1, 8, 8\)"):
        fitted.predict(digits.reshape(120, 64))
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        fitted.predict(digits * 16)
    with pytest.raises(ValueError, match="all values"):
        vade().fit(digits * 0)
    with pytest.raises(ValueError, match="cluster is 3, expected None or 0 to 2"):
        fitted.sample(1, cluster=3)
    (tmp_path / "text.pt").write_text("no estimator")
    for path, message in [
        ("nowhere.pt", "there is no file"),
        ("text.pt", r"can't be loaded, expected a file that save\(\) wrote$"),
        ("text.pt/m.pt", "can't be read: Not a directory"),
        (".", "no run"),
    ]:
        with pytest.raises(ValueError, match=message):
            DeepClustering.load(tmp_path / path)


def test_a_plugin_is_fitted_warned_of_and_found_again_where_it_has_moved(vectors, tmp_path):
    (tmp_path / "constant.py").write_text(CONSTANT)
    constant = DeepClustering("constant", 3, plugins=(str(tmp_path / "constant.py"),), random_state=0)
    with pytest.warns(
        ConvergenceWarning, match="constant has collapsed: 100 % of the points are in one of 3"
    ):
        constant.fit(vectors)
    constant.save(tmp_path / "m.pt")
    assert DeepClustering.load(tmp_path / "m.pt").score(vectors) == 0
    shutil.move(tmp_path / "constant.py", tmp_path / "moved.py")
    with pytest.raises(ValueError, match="plugin"):
        DeepClustering.load(tmp_path / "m.pt")
    assert DeepClustering.load(tmp_path / "m.pt", [str(tmp_path / "moved.py")]).predict(vectors).max() == 0
    (tmp_path / "moved.py").write_text(CONSTANT.replace("[:1]", "[1:2]"))
    with pytest.raises(ValueError, match="source of constant has changed"):
        DeepClustering.load(tmp_path / "m.pt", [str(tmp_path / "moved.py")])


def test_verbose_shows_a_bar(vectors, capsys):
    vade(verbose=True).fit(vectors)
    assert "vade" in capsys.readouterr().err
    vade().fit(vectors)
    assert not capsys.readouterr().err


def test_importing_the_package_imports_no_torch():
    code = "import benchmark, sys; assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
