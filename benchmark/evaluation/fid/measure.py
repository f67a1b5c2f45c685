"""How good a trained model's samples are: FID and FID-clf.

N generated images against N real ones, both rounded to uint8 in the same way. Labels are read here for the
classifier of FID-clf, never for anything that a model sees.
"""

import hashlib
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.api import ClusteringModel, Dataset, in_full_precision
from benchmark.errors import UserError
from benchmark.evaluation.fid import NOT_ASKED, classifier, extractor, weights
from benchmark.evaluation.fid.bounds import reference_values
from benchmark.evaluation.fid.extractor import Extractor, to_uint8
from benchmark.evaluation.fid.frechet import Moments, frechet_distance
from benchmark.evaluation.fid.moments import CHUNK, Progress, accumulate
from benchmark.evaluation.fid.real import (
    FID_VERSION,
    OpenBar,
    ReferenceImages,
    Unavailable,
    labelled_images,
    of_images,
    quiet,
    reference_images,
)
from benchmark.files import best_effort_cache, locked
from benchmark.seeding import derive

EXTRACTORS = ("clf", "inception")  # of FID-clf and of FID


@dataclass(frozen=True)
class FidOptions:
    """How FID is to be measured.

    Attributes:
        n: images a side; all there are where a data set has fewer.
        draws: sets of samples, whose spread is recorded. None: 3, or 1 where a draw takes half an hour, of
        FID on a CPU.
        references: compute the values to compare with, if they are not known yet.
        clusters: also measure every cluster by itself.
    """

    n: int = 10_000
    draws: int | None = None
    references: bool = True
    clusters: bool = False

    def draws_of(self, extractor: str, device: torch.device) -> int:
        return self.draws or (1 if extractor == "inception" and device.type == "cpu" else 3)


def get_extractor(
    name: str, real: ReferenceImages, device: torch.device, open_bar: OpenBar = quiet
) -> tuple[Extractor, dict[str, Any]]:
    """An extractor, and what the record has to say about it.

    Raises:
        Unavailable: the weights are not on this machine, or the data have no labels to train a classifier on.
    """
    if name == "inception":
        if not weights.is_available(real.folder):
            raise Unavailable("weights")
        parameters = weights.load(weights.find(real.folder))
        return extractor.inception(parameters, weights.DIGEST, device), {}
    trained = classifier.find(real.folder, real.dataset.name, real.data) or _train_here(
        real, device, open_bar
    )
    return trained.extractor(device), {
        "accuracy": trained.info["accuracy"],
        "held_out": trained.info["held_out"],
    }


def _train_here(real: ReferenceImages, device: torch.device, open_bar: OpenBar) -> classifier.Trained:
    path = classifier.trained_locally_path(real.folder, real.data)
    with locked(path):
        if (trained := classifier.find(real.folder, real.dataset.name, real.data)) is None:
            trained = train_classifier(real.dataset, real.data, device, open_bar)
            with best_effort_cache(path):
                trained.save(path)
    return trained


def train_classifier(
    dataset: Dataset, data: str, device: torch.device, open_bar: OpenBar = quiet
) -> classifier.Trained:
    """The classifier of a data set, trained on its training split, measured on its test split or on held-out
    points.
    """
    splits = dataset.splits[:2]
    pairs = [labelled_images(dataset, split) for split in splits]
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    if len(splits) == 1 and ys[0] is not None:
        parts = classifier.hold_out(len(ys[0]))
        xs, ys = [xs[0][part] for part in parts], [ys[0][part] for part in parts]
    if any(y is None or len(y) == 0 for y in ys) or len(set(np.asarray(ys[0]).tolist())) < 2:
        raise Unavailable("labels")
    x, x_test = (part.to(device) for part in xs)
    y, y_test = map(np.asarray, ys)
    return classifier.train(
        x, y, x_test, y_test, data, open_bar("steps of the classifier", classifier.steps_for(len(x)))
    )


def measure(
    model: ClusteringModel,
    real: ReferenceImages,
    name: str,
    seed: int,
    options: FidOptions,
    folder: Path | None = None,
    open_bar: OpenBar = quiet,
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The Frechet distance between a model's samples and real images, for the record.

    Args:
        name: of the extractor.
        seed: of the run.
        folder: where partial results are kept, to go on from; None: nowhere.
        known: what a record holds already. What was measured with the same N and extractor is kept, and not
        measured again.

    Returns:
        value: mean over the draws; "draws": each; "n", "split": number of images a side and where the real
        ones are from; "extractor": digest; "sample_seeds"; "references": see `reference_values`; "singular":
        no more images than features; "seconds": for making and comparing samples; for the classifier its
        "accuracy". Or {"missing": reason}: whatever goes wrong here, a trained model is worth more than its
        FID.
    """
    n = len(real.images)
    try:
        ex, about = get_extractor(name, real, model.device, open_bar)
        target = real.moments(ex, open_bar)
        references = reference_values(real, ex, target, options.references, open_bar)
        clock = time.monotonic()
        what = {"version": FID_VERSION, "n": n, "split": real.split, "extractor": ex.digest}
        old = (
            known
            if known is not None and all(known.get(field) == value for field, value in what.items())
            else {}
        )
        draws = list(old.get("draws", []))
        seeds = [
            derive(seed, "eval", 2 + draw)
            for draw in range(max(len(draws), options.draws_of(name, ex.device)))
        ]
        for draw in range(len(draws), len(seeds)):
            partial = (
                folder and folder / f"fid-{name}-{n}-{ex.digest[:8]}-{_digest(model)}-{draw}.partial.npz"
            )
            progress = open_bar(f"samples, draw {draw + 1} of {len(seeds)}", n)
            draws.append(
                frechet_distance(of_samples(model, n, seeds[draw], ex, None, partial, progress), target)
            )
        if clusters := old.get("per_cluster") or (
            options.clusters and per_cluster(model, real, ex, seeds[0], open_bar)
        ):
            about["per_cluster"] = clusters
    except Unavailable as reason:
        return {"missing": str(reason)}
    except (ValueError, UserError) as error:  # samples that are no images, or a damaged file of weights
        return {"missing": str(error)}
    except Exception as error:
        traceback.print_exc()  # into the run's log
        return {
            "missing": (
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
            )
        }
    for file in folder.glob(f"fid-{name}-*.partial.npz") if folder else ():
        file.unlink()
    return {
        **what,
        "value": float(np.mean(draws)),
        "draws": draws,
        "sample_seeds": seeds,
        "singular": n <= len(target.mean),
        "references": references or old.get("references"),
        "seconds": old.get("seconds", 0.0) + time.monotonic() - clock,
        **about,
    }


def _digest(model: ClusteringModel) -> str:
    """Digest of the model's state, so that partial results of another model are not gone on
    from.
    """
    digest = hashlib.sha256()
    for values in model.state_dict().values():
        digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:8]


def per_cluster(
    model: ClusteringModel, real: ReferenceImages, ex: Extractor, seed: int, open_bar: OpenBar = quiet
) -> list[dict[str, Any]]:
    """For every cluster the distance of its samples from the real images assigned to it, as many of one as of
    the other.

    Returns:
        for each cluster its "n" and "value"; the value is None with fewer than two images.
    """
    assigned = model.assign(real.images.to(model.device)).argmax(dim=1).cpu()
    found: list[dict[str, Any]] = []
    for k in range(model.n_clusters):
        images = real.images[assigned == k]
        value = None
        if (n := len(images)) > 1:
            samples = of_samples(model, n, seed, ex, k, progress=open_bar(f"samples of cluster {k}", n))
            value = frechet_distance(
                samples, of_images(images, ex, progress=open_bar(f"images of cluster {k}", n))
            )
        found.append({"n": n, "value": value})
    return found


@torch.no_grad()
def of_samples(
    model: ClusteringModel,
    n: int,
    seed: int,
    ex: Extractor,
    cluster: int | None = None,
    partial: Path | None = None,
    progress: Progress = lambda _: None,
) -> Moments:
    """Moments of n samples of a model, or of one of its clusters. Every chunk has a seed of its own, so any
    can be repeated.
    """
    model.eval()

    def chunk(i: int) -> Tensor:
        torch.manual_seed(derive(seed, "eval", 1 + i))
        expected = (min(CHUNK, n - i * CHUNK), *model.data.shape)
        if tuple((images := model.sample(expected[0], cluster)).shape) != expected:
            raise ValueError(f"samples have the shape {tuple(images.shape)}, expected {expected}")
        return to_uint8(in_full_precision(images))

    return accumulate(n, chunk, ex, partial, progress)


def measure_run(
    model: ClusteringModel,
    dataset: Dataset,
    data: str,
    seed: int,
    folder: Path,
    n: int,
    inception: bool,
    train: bool,
) -> dict[str, Any]:
    """Measurements that a run makes by itself, for its record: {extractor: see `measure`}; empty for a model
    that cannot sample.

    Args:
        inception: also FID, which takes minutes on a CPU.
        train: train a classifier if none is there yet.
    """
    if "sample" not in model.abilities():
        return {}
    options = FidOptions(n)
    try:
        real = reference_images(dataset, data, n, folder)
    except Unavailable as reason:
        return {name: {"missing": str(reason)} for name in EXTRACTORS}
    found: dict[str, Any] = {}
    if train or classifier.find(folder, dataset.name, data):
        found["clf"] = measure(model, real, "clf", seed, options)
    else:
        found["clf"] = {"missing": "smoke budget"}
    if inception or not weights.is_available(folder):
        found["inception"] = measure(model, real, "inception", seed, options)
    else:
        found["inception"] = {"missing": NOT_ASKED}
    return found
