"""Hyper-parameters: one frozen dataclass per model, resolved from defaults, presets, budget and the user's
overrides.
"""

import contextlib
import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from benchmark.api import ClusteringModel, DataSpec, ModelConfig
from benchmark.errors import UserError, unknown
from benchmark.protocols import BUDGETS


def resolve(
    model: type[ClusteringModel],
    data: DataSpec,
    n_classes: int | None,
    budget: str,
    overrides: Mapping[str, Any],
) -> ModelConfig:
    """The config of one run: the class's defaults, its preset for the data set, its smaller budgets one on
    top of the other down to the one asked for, the overrides.

    Args:
        overrides: {field: value}, or its text as typed by the user; converted by the field's type.
    """
    values = _preset(model, data, n_classes, budget) | _typed(model, overrides, model.name)
    if "n_clusters" not in values:
        raise UserError(
            f"{data.name} has no labels, so the number of clusters must be given: --clusters K (CLUSTERS=K)"
        )
    if values["n_clusters"] < model.min_clusters:
        raise UserError(
            f"the number of clusters is {values['n_clusters']}, expected at least {model.min_clusters}"
        )
    if values["n_clusters"] > data.n:
        raise UserError(
            f"{data.name} has {data.n} points, fewer than the {values['n_clusters']} clusters asked for"
        )
    for field in dataclasses.fields(model.Config):
        if field.name not in values and _default(field) is dataclasses.MISSING:
            name = f"{model.name}.{field.name}"
            raise UserError(
                f"{name} has no value for {data.name}; give it a default in Config, or --set {name}=VALUE"
            )
    try:
        config = model.Config(**values)
        _check_ranges(config)
        config.check(data)
    except ValueError as error:  # raised by a config's own checks
        raise UserError(f"{model.name}: {error}") from error
    return config


def layers(model: type[ClusteringModel]) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """{budget: its settings}, each on top of those before it."""
    return dict(zip(BUDGETS, (model.presets, model.hour, model.quick, model.smoke), strict=True))


def _preset(
    model: type[ClusteringModel], data: DataSpec, n_classes: int | None, budget: str
) -> dict[str, Any]:
    """What is not the class's default. Only names and types are checked: a preset may suit the data only with
    an override.
    """
    if budget not in BUDGETS:
        raise unknown("budget", budget, BUDGETS)
    values: dict[str, Any] = {} if n_classes is None else {"n_clusters": n_classes}
    for layer, table in list(layers(model).items())[: BUDGETS.index(budget) + 1]:
        name = next((name for name in (data.name, data.kind, "*") if name in table), None)
        if name is not None:
            attribute = "presets" if layer == "paper" else layer
            typed = _typed(model, table[name], f"{model.name}.{attribute}[{name!r}]")
            # What is equal stays as it is written: 20 epochs are not 20.0 in the keys of results.
            values |= {k: v if v == typed[k] else typed[k] for k, v in table[name].items()}
    return values


def _typed(model: type[ClusteringModel], settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings as values of their fields' types; `where` they were found is for the errors."""
    hints, found = typing.get_type_hints(model.Config), {}
    for field, value in settings.items():
        if field not in hints:
            raise unknown(f"hyper-parameter of {where}", field, hints)
        try:
            found[field] = _parse(value, hints[field])
        except (ValueError, KeyError):
            expected = _type_name(hints[field])
            raise UserError(f"{where}.{field} was given {value!r}, expected {expected}") from None
        except TypeError as error:
            raise UserError(f"{where}.{field} can't be set: {error}") from None
    return found


def _default(field: dataclasses.Field[Any]) -> Any:
    """The field's default; MISSING where it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _check_ranges(config: ModelConfig) -> None:
    """Check what holds for every model by the meaning of a name; the rest is checked by its own config."""
    for name, value in vars(config).items():
        if type(value) not in (int, float):
            continue  # None, or a tuple, whose meaning the config knows
        if (name == "lr" or name.endswith("_lr")) and not value > 0:
            raise ValueError(f"{name} is {value}, expected a positive number")
        if name.split("_")[-1] in ("epochs", "steps", "iterations") and not value >= 0:
            raise ValueError(f"{name} is {value}, expected at least 0")
        if name in ("batch_size", "latent", "restarts") and not value >= 1:
            raise ValueError(f"{name} is {value}, expected at least 1")


def overridden(
    model: type[ClusteringModel], data: DataSpec, n_classes: int | None, budget: str, config: ModelConfig
) -> dict[str, Any]:
    """The hyper-parameters of a config that are not those of the model's presets for data set and budget."""
    k = n_classes if n_classes is not None else config.n_clusters
    defaults = {field.name: _default(field) for field in dataclasses.fields(config)}
    preset = _as_json({**defaults, **_preset(model, data, k, budget)})
    return {name: value for name, value in as_dict(config).items() if value != preset[name]}


def as_dict(config: ModelConfig) -> dict[str, Any]:
    """The config as JSON types, tuples as lists; `from_dict` is its inverse."""
    return _as_json(dataclasses.asdict(config))


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def from_dict(model: type[ClusteringModel], values: Mapping[str, Any]) -> ModelConfig:
    found: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return model.Config(**found)


def describe(config: type[ModelConfig]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, meaning) of every hyper-parameter; the meaning is the comment on the field's
    line, or on the line above it.
    """
    comments: dict[str, str] = {}
    for cls in reversed(config.__mro__[:-1]):
        above = ""
        for line in inspect.getsource(cls).splitlines():
            if match := re.match(r"\s*(\w+)\s*:[^#]*?(?:#\s*(.*))?$", line):
                comments[match[1]] = match[2] or above
            above = line.strip().removeprefix("# ") if line.strip().startswith("# ") else ""
    rows = []
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        default = _default(field)
        if default is dataclasses.MISSING:
            default = "number of classes" if field.name == "n_clusters" else "to be set"
        rows.append((field.name, _type_name(hints[field.name]), str(default), comments.get(field.name, "")))
    return rows


def _parse(value: Any, kind: Any) -> Any:
    """`value` as the field's type. A value from Python goes the way of a typed text, so that the same checks
    hold for both.

    Raises:
        ValueError, KeyError: it is none.
        TypeError: nothing can be given to a field of such a type.
    """
    origin, args, text = typing.get_origin(kind), typing.get_args(kind), str(value)
    if origin in (types.UnionType, typing.Union):
        for arg in sorted(args, key=lambda arg: arg is not types.NoneType):  # "none" is None before a text
            with contextlib.suppress(ValueError, KeyError):
                return _parse(value, arg)
        raise ValueError
    if origin in (tuple, list):  # a config is frozen, so a list is a tuple too
        parts = value if isinstance(value, tuple | list) else [part for part in text.split(",") if part]
        kinds = args[:1] * len(parts) if origin is list or args[-1] is ... else args
        return tuple(_parse(part, arg) for part, arg in zip(parts, kinds, strict=True))
    if origin is typing.Literal:
        return {str(arg): arg for arg in args}[text]
    if kind is types.NoneType:
        return {"none": None}[text.lower()]
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if kind not in (int, float, str):
        raise TypeError(
            f"its type is {_type_name(kind)}, expected int, float, bool, str, Literal, tuple, or a union"
            " of them"
        )
    found = kind(text)
    if kind is float and not math.isfinite(found):
        raise ValueError
    return found


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(map(str, typing.get_args(kind)))
    return kind.__name__ if isinstance(kind, type) and not typing.get_origin(kind) else str(kind)
