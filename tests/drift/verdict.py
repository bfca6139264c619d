"""What the monitor's signals show: delays by detector, false alarms, and the bounds that are missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.monitor.monitor import ALARMS
from services.monitor.rates import LEVEL
from shared.features import definitions
from shared.sketches import DAY
from tests.drift.kinds import CHANGE_DAY, HISTORY_DAYS, first_changed_fraud, simulation

LABEL_DAYS = 3.0
"""Within so many days after the first changed labels have matured an alarm must come from labels."""
INPUT_DAYS = 2.0
CONTROL_ALARMS, CONTROL_DAYS = 1, 60
FROM_LABELS = ("missed-frauds", "performance-drift")

Signal = Mapping[str, Any]


def alarms(signals: Iterable[Signal]) -> list[Signal]:
    """Return the monitor's alarms, a repeated one once."""
    found = {}
    for each in signals:
        if each["severity"] == "alarm" and each["service"] == "monitor" and each["signal"] in ALARMS:
            found[each["signal"], each["event_time"]] = each
    return list(found.values())


def row(kind: str, seed: int, signals: Sequence[Signal], days: int) -> tuple[dict[str, Any], list[str]]:
    """Return what a stream of so many days showed, and a sentence for each bound that it misses."""
    found, start = alarms(signals), simulation(kind, seed).start
    changed, fraud = start + CHANGE_DAY * DAY, first_changed_fraud(kind, seed)
    before = found if kind == "control" else [each for each in found if each["event_time"] < changed]
    result: dict[str, Any] = {
        "kind": kind,
        "seed": seed,
        "alarms": [f"{each['signal']} on day {(each['event_time'] - start) / DAY:.1f}" for each in found],
        "false_alarms": len(before),
        "detectors": detectors(kind, signals, start),
    }
    watched = days if kind == "control" else CHANGE_DAY - HISTORY_DAYS
    missed = []
    most = CONTROL_ALARMS * max(1, watched // CONTROL_DAYS)
    if kind == "control" and len(before) > most:
        missed.append(f"{kind} {seed}: {len(before)} alarms in {watched} days are more than {most}")
    if kind == "shift":
        result["input_alarm_days"] = delay(found, ("input-drift",), changed, changed)
        missed += late(f"{kind} {seed}: input alarm", result["input_alarm_days"], INPUT_DAYS)
    if fraud is not None:
        features = definitions()
        matured = fraud + features.horizon + features.label_lag
        result["label_alarm_days"] = delay(found, FROM_LABELS, fraud, matured)
        missed += late(f"{kind} {seed}: alarm from labels", result["label_alarm_days"], LABEL_DAYS)
    return result, missed


def delay(found: Iterable[Signal], names: Sequence[str], changed: int, since: int) -> float | None:
    """Return the days from a time to the first alarm of these names after the change; None without one."""
    times = [each["event_time"] for each in found if each["signal"] in names]
    first = min((time for time in times if time >= changed), default=None)
    return None if first is None else round((first - since) / DAY, 2)


def late(what: str, days: float | None, most: float) -> list[str]:
    """Return a sentence where an alarm did not come in time."""
    if days is None:
        return [f"{what} did not come"]
    return [f"{what} came after {days} days, not within {most:g}"] if days > most else []


def detectors(kind: str, signals: Iterable[Signal], start: int) -> dict[str, dict[str, Any]]:
    """Return, by detector, days from the change to its first warning, and its false ones before."""
    changed = start + CHANGE_DAY * DAY
    result: dict[str, dict[str, Any]] = {}
    for each in signals:
        if each["severity"] != "warning" or each["service"] != "monitor":
            continue
        name, *rest = each["signal"].split(".")
        if name in ALARMS or rest[-1:] == [LEVEL]:
            continue  # an alarm that is a warning; what a detector saw before goes on
        detector = f"{name}.{rest[-1]}" if rest and rest[-1] in ("adwin", "page-hinkley") else name
        entry = result.setdefault(detector, {"false_warnings": 0, "delay_days": None})
        if kind == "control" or each["event_time"] < changed:
            entry["false_warnings"] += 1
        elif entry["delay_days"] is None:
            entry["delay_days"] = round((each["event_time"] - changed) / DAY, 2)
    return dict(sorted(result.items()))


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a table: by detector, the median delay for each kind, and false warnings a stream."""
    names = sorted({name for each in rows for name in each["detectors"]})
    table = []
    for name in names:
        line: dict[str, Any] = {"detector": name}
        for kind in dict.fromkeys(each["kind"] for each in rows):
            of_kind = [each["detectors"].get(name, {}) for each in rows if each["kind"] == kind]
            delays = sorted(d for each in of_kind if (d := each.get("delay_days")) is not None)
            line[kind] = f"{delays[len(delays) // 2]:.1f} d ({len(delays)}/{len(of_kind)})" if delays else ""
        line["false_warnings"] = sum(
            each["detectors"].get(name, {}).get("false_warnings", 0) for each in rows
        )
        table.append(line)
    return table
