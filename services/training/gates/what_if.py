"""Gate `what-if`: scores stay finite on any input, steady under noise, and hang on no single feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.training.gates.evidence import Features, Scores
from services.training.gates.verdict import Outcome, Verdict, unknown, worst_of
from shared.models import Model
from shared.policy import Policy
from shared.policy.gates import WhatIf

GATE = "what-if"
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LARGEST = float(np.finfo(np.float32).max)
EXTREMES = (-LARGEST, -1.0, 0.0, 1e9, LARGEST, np.nan)  # beyond what any feature can be, unseen, and missing
SENSED_ROWS = 200
LOOKED_AT = 4  # times as many payments as are varied
ROUNDING = 1e-6  # of sums of float32; the services cut it off


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How scores answer to one feature: ``grid`` holds its quantiles, ``means`` the mean scores there."""

    feature: str
    grid: tuple[float, ...]
    means: tuple[float, ...]
    mean_range: float
    """Mean over payments of the highest less the lowest score along the grid."""
    worst_fall: float
    """Mean over payments of the greatest fall of the score along the grid."""
    worst_rise: float


def stress_rows(medians: Features) -> Features:
    """Return rows in which one feature, or all of them, takes each of the extremes; shape (m, k)."""
    width = len(medians)
    rows = [np.full((1, width), value, np.float32) for value in EXTREMES]
    for value in EXTREMES:
        single = np.broadcast_to(medians, (width, width)).astype(np.float32)
        np.fill_diagonal(single, value)
        rows.append(single)
    draw = np.random.default_rng(0)
    rows.append(draw.choice(np.array(EXTREMES, np.float32), (width * 2, width)))
    return np.concatenate(rows)


def bad_scores(model: Model, rows: Features) -> int:
    """Return how many rows get no probability; all of them where the model fails."""
    try:
        with np.errstate(all="ignore"):
            scores = model.predict(rows)
    except Exception:  # whatever it is, it would stop the stream
        return len(rows)
    if scores.shape != (len(rows),):
        return len(rows)
    return int(np.count_nonzero(~((scores >= -ROUNDING) & (scores <= 1 + ROUNDING))))


def sensitivities(model: Model, rows: Features) -> list[Sensitivity]:
    """Return how scores of rows answer to each feature on its quantiles, the others as they are."""
    return [
        _sensitivity(model, rows[:SENSED_ROWS], column, _grid(rows[:, column]))
        for column in range(rows.shape[1])
    ]


def noised(rows: Features, noise: float, seed: int) -> Features:
    """Return rows with each value moved by up to a share of itself; undefined ones stay so."""
    draw = np.random.default_rng(seed)
    return (rows * draw.uniform(1 - noise, 1 + noise, rows.shape)).astype(np.float32)


def what_if(model: Model, rows: Features, policy: Policy, bounds: WhatIf, seed: int = 0) -> Verdict:
    """Return whether the model answers sanely to extremes, noise and each feature.

    Parameters
    ----------
    rows
        Features of payments to start from, shape (n, k).
    """
    rows = rows[:: max(len(rows) // (LOOKED_AT * bounds.rows), 1)]
    bad = bad_scores(model, np.concatenate((stress_rows(model.medians), rows)))
    if bad:
        sentence = f"{bad} rows of extreme, missing, unseen or usual values get no probability."
        return Verdict(gate=GATE, outcome="fail", sentence=sentence, value=float(bad), limit=0.0)
    if len(rows) == 0:
        return unknown(GATE, "There are no payments to vary.")
    chosen = rows[_chosen(model.predict(rows), bounds.rows)]
    found = sensitivities(model, chosen)
    changed = _decisions_changed(model, chosen, noised(chosen, bounds.noise, seed), policy)
    total = sum(each.mean_range for each in found)
    top = max(found, key=lambda each: each.mean_range)
    share = top.mean_range / total if total > 0 else 0.0
    back, against = _step_back(found, bounds.monotone)
    held = [
        (
            changed,
            bounds.most_decisions_changed,
            f"Noise of {bounds.noise:.0%} changes {changed:.2%} of decisions",
        ),
        (share, bounds.most_sensitivity_share, f"{top.feature} makes {share:.0%} of all sensitivity"),
        (back, bounds.most_step_back, f"{against or 'No feature'} goes {back:.3f} against its direction"),
    ]
    return _verdict(held, {"decisions_changed": changed, "sensitivity_share": share, "step_back": back})


def _verdict(held: list[tuple[float, float, str]], numbers: dict[str, float | None]) -> Verdict:
    outcomes: list[Outcome] = ["fail" if value > most else "pass" for value, most, _ in held]
    value, most, sentence = max(held, key=lambda each: each[0] / each[1] if each[1] else each[0] * np.inf)
    return Verdict(
        gate=GATE,
        outcome=worst_of(outcomes),
        sentence=f"{sentence}, allowed {most:.3g}.",
        value=value,
        limit=most,
        numbers=numbers,
    )


def _chosen(scores: Scores, number: int) -> npt.NDArray[np.intp]:
    """Half of the highest scores, where decisions are, and half evenly from the rest."""
    order = np.argsort(-scores, kind="stable")
    top, rest = order[: number // 2], order[number // 2 :]
    spread = rest[np.linspace(0, len(rest) - 1, min(number - len(top), len(rest)), dtype=np.intp)]
    return np.random.default_rng(0).permutation(np.concatenate((top, spread)))


def _grid(column: Features) -> npt.NDArray[np.float32]:
    defined = column[~np.isnan(column)]
    if len(defined) == 0:
        return np.zeros(1, np.float32)
    return np.unique(np.quantile(defined, QUANTILES, method="nearest").astype(np.float32))


def _sensitivity(model: Model, rows: Features, column: int, grid: npt.NDArray[np.float32]) -> Sensitivity:
    moved = np.repeat(rows[None], len(grid), axis=0)
    moved[:, :, column] = grid[:, None]
    scores = model.predict(moved.reshape(-1, rows.shape[1])).reshape(len(grid), len(rows))
    steps = np.diff(scores, axis=0) if len(grid) > 1 else np.zeros((1, len(rows)))
    return Sensitivity(
        model.names[column],
        tuple(grid.tolist()),
        tuple(scores.mean(axis=1).tolist()),
        float(np.ptp(scores, axis=0).mean()),
        float(np.maximum(-steps, 0).max(axis=0).mean()),
        float(np.maximum(steps, 0).max(axis=0).mean()),
    )


def _decisions_changed(model: Model, rows: Features, moved: Features, policy: Policy) -> float:
    before, after = policy.decide(model.predict(rows)), policy.decide(model.predict(moved))
    return float((before != after).mean())


def _step_back(found: list[Sensitivity], monotone: Mapping[str, int]) -> tuple[float, str | None]:
    falls = [
        (each.worst_fall if monotone[each.feature] == 1 else each.worst_rise, each.feature)
        for each in found
        if each.feature in monotone
    ]
    return max(falls) if falls else (0.0, None)
