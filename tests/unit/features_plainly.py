"""The features by their definitions, one payment at a time in plain Python: slow and easy to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.features import Entity, Feature, FeatureSet, WindowState

DAY = 86_400_000_000
UNDEFINED = float("nan")


class Payment(NamedTuple):
    number: int
    entity: bytes
    time: int
    amount: int


class Fact(NamedTuple):
    """An explicit label of a payment; ``after`` is how many payments the state has seen when it comes.

    It carries a number of the payment, the same with each of its labels.
    """

    payment: Payment
    label_time: int
    label: int
    after: int = 0
    carried: float = UNDEFINED


@dataclass
class View:
    """What is known when a payment is taken: payments of its entity up to it, and facts."""

    features: FeatureSet
    payment: Payment
    payments: Sequence[Payment]
    facts: Sequence[Fact]
    ratios: dict[int, float]
    habit: Feature | None

    def within(self, window: int, delay: int) -> list[Payment]:
        end = self.payment.time - delay
        return [each for each in self.payments if end - window < each.time <= end]

    def before(self, window: int) -> list[float]:
        return [self.ratios[each.number] for each in self.within(window, 0) if each != self.payment]

    def label(self, payment: Payment) -> int | None:
        """1 fraud, 0 genuine, None unknown."""
        counted = self.payment.time - self.features.label_lag
        known = [f for f in self.facts if f.payment == payment and f.label_time <= counted]
        explicit = max(known, key=lambda f: (f.label_time, f.label)).label if known else None
        if payment.time <= counted - self.features.horizon:
            return explicit or 0
        return explicit

    def labelled(self, window: int) -> list[tuple[int, int]]:
        """Times and labels of payments with a known label, the newest first; of one time frauds first."""
        pairs = [(each.time, self.label(each)) for each in self.within(window, 0)]
        return sorted(((t, label) for t, label in pairs if label is not None), reverse=True)


def features_of(features: FeatureSet, entity: Entity, payments: Sequence[Payment], facts: Sequence[Fact]):  # type: ignore[no-untyped-def]
    """Return the features of all payments in the order of the log, as float32."""
    habit = next((each for each in entity.features if each.kind == "habit_amount"), None)
    ratios: dict[int, float] = {}
    rows = []
    for at, payment in enumerate(payments):
        mine = [each for each in payments[: at + 1] if each.entity == payment.entity]
        known = [fact for fact in facts if fact.after <= at and fact.payment.entity == payment.entity]
        view = View(features, payment, mine, known, ratios, habit)
        ratios[payment.number] = ratio(view)
        rows.append([np.float32(PLAINLY[each.kind](view, each)) for each in entity.features])
    return np.array(rows, np.float32)


def ratio(view: View) -> float:
    if view.habit is None:
        return UNDEFINED
    usual = view.within(view.habit.window, view.habit.delay)
    total = sum(each.amount for each in usual)
    return float(np.float32(view.payment.amount * len(usual) / total)) if total else UNDEFINED


def mean_amount(view: View, feature: Feature, empty: float) -> float:
    found = view.within(feature.window, feature.delay)
    return sum(each.amount for each in found) / len(found) / view.features.unit if found else empty


def risk(view: View, feature: Feature) -> float:
    found = view.within(feature.window, feature.delay)
    return sum(view.label(each) == 1 for each in found) / len(found) if found else 0.0


def habit_ratio_max(view: View, feature: Feature) -> float:
    found = [each for each in view.before(feature.window) if not np.isnan(each)]
    return max(found, default=UNDEFINED)


def fraud_run(view: View) -> list[int]:
    """Times of the frauds after the newest payment known as genuine."""
    times = []
    for time, label in view.labelled(view.features.history):
        if label == 0:
            break
        times.append(time)
    return times


def fraud_share(view: View, feature: Feature) -> float:
    labels = [label for _, label in view.labelled(feature.window)]
    return sum(labels) / len(labels) if labels else UNDEFINED


def fraud_least(view: View, feature: Feature) -> float:
    frauds = [each for each in view.within(feature.window, 0) if view.label(each) == 1]
    carried = [fact.carried for fact in view.facts if fact.payment in frauds]
    return min((each for each in carried if not np.isnan(each)), default=UNDEFINED)


def days_since(view: View, label: int) -> float:
    times = [time for time, each in view.labelled(view.features.history) if each == label]
    return (view.payment.time - times[0]) / DAY if times else UNDEFINED


def days_after_fraud(view: View) -> float:
    frauds = [time for time, label in view.labelled(view.features.history) if label == 1]
    settled = view.within(view.features.history, view.features.label_lag)
    after = [each.time for each in settled if frauds and each.time > frauds[0]]
    return (view.payment.time - min(after, default=view.payment.time)) / DAY if frauds else UNDEFINED


def fraud_run_days(view: View) -> float:
    run = fraud_run(view)
    return (view.payment.time - run[-1]) / DAY if run else 0.0


def last_label(view: View) -> float:
    return next((float(label) for _, label in view.labelled(view.features.history)), UNDEFINED)


PLAINLY: dict[str, Callable[[View, Feature], float]] = {
    "amount": lambda view, _: view.payment.amount / view.features.unit,
    "weekend": lambda view, _: float(np.datetime64(view.payment.time, "us").item().weekday() >= 5),
    "night": lambda view, each: float(np.datetime64(view.payment.time, "us").item().hour <= each.number),
    "count": lambda view, each: len(view.within(each.window, each.delay)),
    "mean_amount": lambda view, each: mean_amount(view, each, 0.0),
    "risk": risk,
    "habit_amount": lambda view, each: mean_amount(view, each, UNDEFINED),
    "habit_ratio": lambda view, _: view.ratios[view.payment.number],
    "habit_ratio_max": habit_ratio_max,
    "habit_above": lambda view, each: sum(r > each.number for r in view.before(each.window)),
    "last_label": lambda view, _: last_label(view),
    "fraud_run": lambda view, _: len(fraud_run(view)),
    "fraud_run_days": lambda view, _: fraud_run_days(view),
    "days_since_genuine": lambda view, _: days_since(view, 0),
    "days_since_fraud": lambda view, _: days_since(view, 1),
    "days_after_fraud": lambda view, _: days_after_fraud(view),
    "fraud_share": fraud_share,
    "fraud_least": fraud_least,
}


class Feed:
    """Gives payments and facts to a window state in batches."""

    def __init__(self, features: FeatureSet, entity: Entity, reserved: int = 64) -> None:
        self.make = lambda: WindowState(features, entity, reserved)
        self.state = self.make()
        self.width = len(entity.features)

    def run(
        self, payments: Sequence[Payment], facts: Sequence[Fact], cuts: Sequence[int], restarts: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the features; a batch ends at each cut and where a fact comes."""
        ends = sorted({*cuts, *(fact.after for fact in facts), 0, len(payments)})
        rows = [np.zeros((0, self.width), np.float32)]
        for first, end in zip(ends, [*ends[1:], len(payments)], strict=True):
            self.learn([fact for fact in facts if fact.after == first])
            rows.append(self.advance(payments[first:end]))
            if restarts:
                self.restart()
        return np.concatenate(rows)

    def advance(self, payments: Sequence[Payment]) -> npt.NDArray[np.float32]:
        numbers = self.state.index.numbers([each.entity for each in payments])
        times, amounts = (np.array([each[at] for each in payments], np.int64) for at in (2, 3))
        return self.state.advance(numbers, times, amounts, np.zeros(len(payments), np.int32))

    def learn(self, facts: Sequence[Fact]) -> None:
        numbers = self.state.index.numbers([fact.payment.entity for fact in facts])
        outcomes = np.array([[f.payment.time, f.label_time, f.label] for f in facts], np.int64)
        carried = np.array([fact.carried for fact in facts], np.float32)
        ids = [b"%d" % f.payment.number for f in facts]
        self.state.learn(numbers, ids, outcomes.reshape(-1, 3), carried)

    def restart(self) -> None:
        arrays = {name: array.copy() for name, array in self.state.snapshot().items()}
        self.state = self.make()
        self.state.restore(arrays)
