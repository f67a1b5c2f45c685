"""Hyper-parameters: layers of defaults, presets, budgets and overrides, and their errors."""

import re
from dataclasses import dataclass, field
from typing import Literal

import pytest

from benchmark import config
from benchmark.api import ClusteringModel, DataSpec, ModelConfig
from benchmark.errors import UserError

MNIST = DataSpec("mnist", (1, 28, 28), (0.0, 1.0), 60_000)
OTHER = DataSpec("own", (1, 28, 28), (0.0, 1.0), 60_000)
VECTOR = DataSpec("own", (7,), None, 50)


class Model(ClusteringModel):
    name = "model"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        lr: float = 0.1  # learning rate, "a # is fine"
        epochs: int = 100
        hidden: tuple[int, ...] = (5, 6)  # widths
        loss: Literal["hinge", "bce"] = "hinge"
        shared: bool = True
        limit: int | None = None

        def __post_init__(self):
            if not all(self.hidden):
                raise ValueError(f"hidden is {self.hidden}, expected positive widths")

    presets = {"mnist": {"lr": 0.2}, "digits": {}, "image": {"lr": 0.3}, "*": {"lr": 0.4}}
    hour = {"image": {"epochs": 30, "hidden": (3,)}}
    quick = {"mnist": {"epochs": 10}}
    smoke = {"*": {"epochs": 1}}


def resolve(data=MNIST, n_classes=10, budget="paper", **overrides):
    return config.resolve(Model, data, n_classes, budget, overrides)


def test_the_layers_of_a_config():
    assert resolve() == Model.Config(n_clusters=10, lr=0.2)
    # an empty preset means the defaults
    assert resolve(DataSpec("digits", (1, 8, 8), (0.0, 1.0), 1797)).lr == 0.1
    assert resolve(OTHER).lr == 0.3
    assert resolve(VECTOR).lr == 0.4
    assert resolve(budget="hour") == Model.Config(n_clusters=10, lr=0.2, epochs=30, hidden=(3,))
    assert resolve(VECTOR, budget="hour") == resolve(VECTOR)
    assert resolve(budget="quick") == Model.Config(n_clusters=10, lr=0.2, epochs=10, hidden=(3,))
    assert resolve(budget="smoke").epochs == 1
    assert resolve(budget="quick", epochs="3", lr="1e-3").epochs == 3


def test_a_model_without_an_hour_budget_keeps_its_others():
    """The hour then is the paper's budget, and quick and smoke are what they are without it."""

    class Plain(Model):
        hour = {}

    found = {budget: config.resolve(Plain, MNIST, 10, budget, {}) for budget in config.BUDGETS}
    assert found["hour"] == found["paper"] == Model.Config(n_clusters=10, lr=0.2)
    assert found["quick"] == Model.Config(n_clusters=10, lr=0.2, epochs=10)
    assert found["smoke"].epochs == 1


def test_texts_become_values_of_the_fields_type():
    found = resolve(hidden="1,2,3", loss="bce", shared="false", limit="7", n_clusters="12")
    assert (found.hidden, found.loss, found.shared, found.limit, found.n_clusters) == (
        (1, 2, 3),
        "bce",
        False,
        7,
        12,
    )
    assert resolve(limit="none").limit is None


def test_values_from_python_are_taken_like_texts():
    found = resolve(hidden=[1, 2, 3], loss="bce", shared=False, limit=None, lr=1, n_clusters=12)
    assert (found.hidden, found.loss, found.shared, found.limit, found.lr) == (
        (1, 2, 3),
        "bce",
        False,
        None,
        1.0,
    )
    assert isinstance(found.lr, float)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epochs": "ten"}, "model.epochs was given 'ten', expected int"),
        ({"epochs": "1.5"}, "expected int"),
        ({"lr": "nan"}, "expected float"),
        ({"hidden": "3,0"}, "model: hidden is (3, 0), expected positive widths"),
        ({"lr": "0"}, "model: lr is 0.0, expected a positive number"),
        ({"epochs": "-1"}, "model: epochs is -1, expected at least 0"),
        ({"shared": "perhaps"}, "expected bool"),
        ({"epochs": 1.5}, "model.epochs was given 1.5, expected int"),
        ({"lr": (0.1, 0.2)}, "model.lr was given (0.1, 0.2), expected float"),
        ({"loss": "wasserstein"}, "expected hinge | bce"),
        ({"hidden": "3,x"}, "expected tuple"),
        ({"epoch": "3"}, "did you mean epochs"),
        ({"n_clusters": "1"}, "expected at least 2"),
        ({"n_clusters": "60001"}, "fewer than the 60001 clusters"),
    ],
)
def test_bad_overrides_are_named(overrides, message):
    with pytest.raises(UserError, match=re.escape(message)):
        resolve(**overrides)


def test_without_labels_the_number_of_clusters_must_be_given():
    with pytest.raises(UserError, match="CLUSTERS=K"):
        resolve(n_classes=None)
    assert resolve(n_classes=None, n_clusters="4").n_clusters == 4


class Natural(ClusteringModel):
    """Fields as their authors write them."""

    name = "natural"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        latent: int  # without a default
        centre_lr: float | None = None
        warmup_steps: int | None = None
        layer_epochs: tuple[int, ...] = (5, 6)
        widths: list[int] = field(default_factory=lambda: [256, 128])
        betas: tuple[float, float] = (0.5, 0.9)
        scale: float | Literal["auto"] = "auto"
        options: dict[str, int] = field(default_factory=dict)

    presets = {"mnist": {"latent": "10", "betas": (0, 0.99), "widths": [3]}, "own": {}}


def natural(data=MNIST, model=Natural, budget="paper", **overrides):
    return config.resolve(model, data, 10, budget, overrides)


def test_fields_of_natural_types_are_resolved():
    found = natural()
    assert (found.latent, found.betas, found.widths, found.centre_lr) == (10, (0, 0.99), (3,), None)
    found = natural(widths="128,64", centre_lr="0.1", warmup_steps=3, layer_epochs="1,2", scale="0.5")
    assert (found.widths, found.centre_lr, found.warmup_steps, found.layer_epochs, found.scale) == (
        (128, 64),
        0.1,
        3,
        (1, 2),
        0.5,
    )
    assert config.overridden(Natural, MNIST, 10, "paper", natural()) == {}
    rows = {row[0]: row[2] for row in config.describe(Natural.Config)}
    assert (rows["widths"], rows["latent"]) == ("[256, 128]", "to be set")


def test_an_equal_value_of_a_preset_stays_as_it_is_written():
    """Results are found by the text of their config, and 1 is not 1.0 there."""

    class Whole(Model):
        presets = {"mnist": {"lr": 1}}

    assert repr(natural(model=Whole).lr) == "1"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"centre_lr": "-1"}, "natural: centre_lr is -1.0, expected a positive number"),
        ({"warmup_steps": "-1"}, "natural: warmup_steps is -1, expected at least 0"),
        ({"latent": "0"}, "natural: latent is 0, expected at least 1"),
        ({"betas": "0.5"}, "natural.betas was given '0.5', expected tuple[float, float]"),
        ({"scale": "large"}, "natural.scale was given 'large', expected"),
        ({"options": "a=1"}, "natural.options can't be set: its type is dict[str, int], expected int, float"),
    ],
)
def test_bad_values_of_natural_types_are_named(overrides, message):
    with pytest.raises(UserError, match=re.escape(message)):
        natural(**overrides)


def test_a_field_without_a_value_is_named():
    with pytest.raises(
        UserError, match=r"natural.latent has no value for own; .* --set natural.latent=VALUE"
    ):
        natural(OTHER)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "unknown hyper-parameter of model.quick['mnist'] 'epoch'; did you mean epochs"),
        ({"epochs": "ten"}, "model.quick['mnist'].epochs was given 'ten', expected int"),
    ],
)
def test_a_mistake_in_a_preset_is_named_with_its_table(settings, message):
    class Mistaken(Model):
        quick = {"mnist": settings}

    with pytest.raises(UserError, match=re.escape(message)):
        natural(model=Mistaken, budget="smoke")
    assert natural(model=Mistaken).epochs == 100


def test_unknown_budget():
    with pytest.raises(UserError, match="did you mean quick"):
        resolve(budget="quik")


def test_what_was_set_by_hand_is_told_from_a_preset_that_does_not_suit_the_data():
    class Picky(Model):
        @dataclass(frozen=True)
        class Config(Model.Config):
            def check(self, data):
                if self.epochs > data.n:
                    raise ValueError(f"epochs is {self.epochs}, expected at most {data.n}")

    few = DataSpec("own", (7,), None, 50)
    with pytest.raises(UserError, match="epochs is 100, expected at most 50"):
        config.resolve(Picky, few, 3, "paper", {})
    found = config.resolve(Picky, few, 3, "paper", {"epochs": 10, "hidden": (5, 6)})
    assert config.overridden(Picky, few, 3, "paper", found) == {"epochs": 10}
    assert config.overridden(Picky, few, None, "paper", found) == {"epochs": 10}


def test_a_config_survives_json():
    found = resolve(hidden="1,2", limit="3")
    assert config.from_dict(Model, config.as_dict(found)) == found


def test_the_description_takes_the_meaning_from_the_comments():
    rows = {row[0]: row[1:] for row in config.describe(Model.Config)}
    assert rows["lr"] == ("float", "0.1", 'learning rate, "a # is fine"')
    assert rows["loss"][0] == "hinge | bce"
    assert rows["n_clusters"][1] == "number of classes"
    assert rows["n_clusters"][2].startswith("K, number of clusters")
