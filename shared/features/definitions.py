"""The features of schemas/features.toml: what they are called, over which windows, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import schemas
from shared.features import plan

DAY = plan.DAY
Edges = npt.NDArray[np.float64]


class DefinitionError(ValueError):
    """Feature definitions that cannot be; one sentence that names the feature and what to change."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of feature needs: keys in its table, columns in the state; and its family of bins."""

    code: int
    keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    bins: str = "days"


KINDS = {
    "amount": Kind(plan.AMOUNT, bins="amounts"),
    "weekend": Kind(plan.WEEKEND, bins="flags"),
    "night": Kind(plan.NIGHT, ("last_hour",), bins="flags"),
    "count": Kind(plan.COUNT, ("window_days",), bins="counts"),
    "mean_amount": Kind(plan.MEAN_AMOUNT, ("window_days",), ("amounts",), "amounts"),
    "risk": Kind(plan.RISK, ("window_days",), ("outcomes",), "shares"),
    "habit_amount": Kind(plan.HABIT_AMOUNT, ("window_days",), ("amounts",), "amounts"),
    "habit_ratio": Kind(plan.HABIT_RATIO, (), ("amounts", "habit"), "ratios"),
    "habit_ratio_max": Kind(plan.HABIT_RATIO_MAX, ("window_days",), ("amounts", "habit"), "ratios"),
    "habit_above": Kind(plan.HABIT_ABOVE, ("window_days", "threshold"), ("amounts", "habit"), "counts"),
    "last_label": Kind(plan.LAST_LABEL, (), ("outcomes", "history"), "flags"),
    "fraud_run": Kind(plan.FRAUD_RUN, (), ("outcomes", "history"), "counts"),
    "fraud_run_days": Kind(plan.FRAUD_RUN_DAYS, (), ("outcomes", "history"), "days"),
    "days_since_genuine": Kind(plan.DAYS_SINCE_GENUINE, (), ("outcomes", "history"), "days"),
    "days_since_fraud": Kind(plan.DAYS_SINCE_FRAUD, (), ("outcomes", "history"), "days"),
    "days_after_fraud": Kind(plan.DAYS_AFTER_FRAUD, (), ("outcomes", "history"), "days"),
    "fraud_share": Kind(plan.FRAUD_SHARE, ("window_days",), ("outcomes",), "shares"),
    "fraud_least": Kind(plan.FRAUD_LEAST, ("window_days", "of"), ("outcomes", "carried")),
}
BINS: dict[str, tuple[float, ...]] = {
    "flags": (0.5,),
    "counts": (0.5, 1.5, 2.5, 3.5, 5.5, 8.5, 12.5, 20.5, 35.5, 60.5, 100.5, 300.5, 1000.5),
    "shares": (1e-6, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9),
    "amounts": (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 20000),
    "ratios": (0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 20, 50),
    "days": (1e-6, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7, 9, 12, 16, 21, 28, 40, 60),
}
"""Edges by family, chosen once so that summaries made at any time can be added up."""
ENTITY_KEYS = {"name", "key", "input", "outcomes", "output", "output_key", "features"}
FEATURE_KEYS = {"name", "kind", "handbook", "window_days", "delay_days", "threshold", "last_hour", "of"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature; ``window`` and ``delay`` in microseconds, ``number`` its threshold or last hour.

    ``of`` names the feature of an earlier entity whose values at labelled payments it looks at.
    """

    name: str
    kind: str
    window: int
    delay: int
    number: float
    is_handbook: bool
    of: str | None


@dataclass(frozen=True, slots=True)
class Entity:
    """What the features of one entity are made from and where they go; topics without prefix."""

    name: str
    key: str
    input: str
    outcomes: str | None
    output: str
    output_key: str
    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names in the order of their columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def carried(self) -> str | None:
        """The name of the earlier feature that outcomes must carry; None when none."""
        return next((feature.of for feature in self.features if feature.of), None)


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """All features, entity after entity; times in microseconds, ``unit`` minor units of the base currency."""

    version: int
    label_lag: int
    horizon: int
    history: int
    unit: int
    entities: tuple[Entity, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all features in the order of a model's matrix."""
        return tuple(name for entity in self.entities for name in entity.names)

    @property
    def handbook(self) -> tuple[str, ...]:
        """The names of the features of the Fraud Detection Handbook (Le Borgne et al., 2022)."""
        return tuple(each.name for entity in self.entities for each in entity.features if each.is_handbook)

    @property
    def bins(self) -> dict[str, Edges]:
        """Edges of each feature's histogram: n edges make n + 1 bins, ``edge <= value`` goes right."""
        features = {feature.name: feature for entity in self.entities for feature in entity.features}
        kinds = {name: KINDS[features[each.of or name].kind] for name, each in features.items()}
        return {name: np.array(BINS[kind.bins], np.float64) for name, kind in kinds.items()}

    def place(self, name: str) -> tuple[Entity, int]:
        """Return the entity of a feature and its column there; the name must be one of ``names``."""
        entity = next(entity for entity in self.entities if name in entity.names)
        return entity, entity.names.index(name)

    def entity(self, name: str) -> Entity:
        """Return an entity by name.

        Raises
        ------
        DefinitionError
            If there is none of that name.
        """
        for entity in self.entities:
            if entity.name == name:
                return entity
        known = ", ".join(entity.name for entity in self.entities)
        raise DefinitionError(f"there is no entity {name}; schemas/features.toml has {known}")


@cache
def definitions() -> FeatureSet:
    """Return the features of schemas/features.toml."""
    return feature_set(schemas.toml("features"), schemas.toml("rates"))


def feature_set(content: Mapping[str, Any], rates: Mapping[str, Any]) -> FeatureSet:
    """Return the features of a table like schemas/features.toml.

    Raises
    ------
    DefinitionError
        If a kind or key is unknown or missing, a name stands twice, or a window looks back too far.
    """
    entities = tuple(_entity(table) for table in content["entities"])
    digits = rates["currencies"][rates["base"]]["digits"]
    days = {name: content[f"{name}_days"] * DAY for name in ("label_lag", "horizon", "history")}
    result = FeatureSet(int(content["version"]), unit=10**digits, entities=entities, **days)
    _check_names(result.names)
    before: tuple[str, ...] = ()
    for entity in entities:
        _check_windows(entity, result)
        _check_carried(entity, before)
        before += entity.names
    return result


def _entity(table: Mapping[str, Any]) -> Entity:
    _check_keys(table, ENTITY_KEYS, f"entity {table.get('name')}")
    features = tuple(_feature(each) for each in table["features"])
    texts = {key: table[key] for key in ("name", "key", "input", "output", "output_key")}
    entity = Entity(outcomes=table.get("outcomes"), features=features, **texts)
    habits = sum(feature.kind == "habit_amount" for feature in features)
    for feature in features:
        needs = KINDS[feature.kind].needs
        if "habit" in needs and habits != 1:
            raise DefinitionError(
                f"feature {feature.name} needs one habit_amount of its entity, there are {habits}"
            )
        if "outcomes" in needs and entity.outcomes is None:
            raise DefinitionError(
                f"feature {feature.name} needs outcomes: give entity {entity.name} such a topic"
            )
    return entity


def _feature(table: Mapping[str, Any]) -> Feature:
    name, kind = table.get("name", "without name"), table.get("kind")
    _check_keys(table, FEATURE_KEYS, f"feature {name}")
    if kind not in KINDS:
        raise DefinitionError(f"feature {name}: there is no kind {kind}; there are {', '.join(KINDS)}")
    for key in KINDS[kind].keys:
        if key not in table:
            raise DefinitionError(f"feature {name}: kind {kind} needs {key}")
    window, delay = table.get("window_days", 0) * DAY, table.get("delay_days", 0) * DAY
    if window < 0 or delay < 0 or ("window_days" in table and window == 0):
        raise DefinitionError(f"feature {name}: window_days must be above 0 and delay_days not below")
    number = float(table.get("threshold", table.get("last_hour", 0)))
    is_handbook = bool(table.get("handbook", False))
    return Feature(name, kind, int(window), int(delay), number, is_handbook, table.get("of"))


def _check_keys(table: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in table:
        if key not in known:
            raise DefinitionError(f"{what}: there is no key {key}; there are {', '.join(sorted(known))}")


def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"feature {name} stands there twice; names must differ over all entities")


def _check_windows(entity: Entity, features: FeatureSet) -> None:
    for feature in entity.features:
        back = feature.window + feature.delay
        if back > features.history:
            days = f"{back / DAY:g} days, history_days is {features.history / DAY:g}"
            raise DefinitionError(f"feature {feature.name} looks back {days}")


def _check_carried(entity: Entity, before: tuple[str, ...]) -> None:
    for feature in entity.features:
        if feature.of is not None and feature.of not in before:
            known = ", ".join(before) or "none"
            raise DefinitionError(
                f"feature {feature.name} looks at {feature.of}, which is none of the entities before: {known}"
            )
        if feature.of is not None and feature.of != entity.carried:
            raise DefinitionError(
                f"feature {feature.name} looks at {feature.of}, another of its entity at {entity.carried}; "
                "outcomes carry one"
            )
