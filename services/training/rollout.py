"""How models move: by matured labels, by health, by time limits; a function of what is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from services.training.gates.verdict import Verdict, is_accepted
from services.training.health import Health
from services.training.paired import Comparison
from services.training.split import DAY
from shared.models import Move, Standing, VersionStanding
from shared.policy import RolloutPolicy
from shared.policy.rollout import Stay

ACCEPTED, URGENT, FAILED = "is_accepted", "is_urgent", "failed"
"""Figures of a publication: whether no gate failed, whether an alarm asked for it, which gates failed."""

REFUSED = "scoring refuses the package"

Finding = Literal["holds", "worse", "open"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the pair that scores the same payments."""

    comparison: Comparison | None = None
    """Of the newer version with the older one: in a probation the champion is the newer."""
    health: Health = field(default_factory=Health)
    """Of the version beside the champion."""
    refused: frozenset[str] = frozenset()
    """Versions whose packages scoring does not load."""


def publication_numbers(verdicts: Sequence[Verdict], is_urgent: bool) -> str:
    """Return the figures of a publication as a JSON object: of the gates only those that failed.

    Examples
    --------
    >>> cost = Verdict(gate="cost", outcome="fail", sentence="It is slow.", value=210.0, limit=150.0)
    >>> print(publication_numbers([cost], is_urgent=False))
    {"is_accepted":false,"is_urgent":false,"failed":{"cost":{"value":210.0,"limit":150.0}}}
    """
    failed = {
        each.gate: {"value": each.value, "limit": each.limit} for each in verdicts if each.outcome == "fail"
    }
    told: dict[str, object] = {ACCEPTED: is_accepted(verdicts), URGENT: is_urgent}
    return msgspec.json.encode(told | {FAILED: failed} if failed else told).decode()


def pair(stands: Standing) -> tuple[str, str] | None:
    """Return the newer and the older of the versions that score the same payments; None without two."""
    champion, challenger = stands.champion, stands.challenger
    if champion is None or challenger is None:
        return None
    if stands.predecessor is challenger:
        return champion.version, challenger.version
    return challenger.version, champion.version


def moves(stands: Standing, evidence: Evidence, policy: RolloutPolicy, now: int) -> list[Move]:
    """Return the moves that are due, in order; none while the roll-out is frozen.

    Parameters
    ----------
    evidence
        Of the pair that stands; of another pair it counts for nothing.
    now
        Event time, microseconds.
    """
    if stands.is_frozen:
        return []
    turned_down = [
        Move(each.version, "rejected", "gates failed", _published(each))
        for each in stands.at("published")
        if _published(each).get(ACCEPTED) is False
    ]
    waiting = [each for each in stands.at("published") if _published(each).get(ACCEPTED) is True]
    superseded = [
        Move(each.version, "retired", f"superseded by {waiting[0].version}", _published(each))
        for each in waiting[1:]
    ]
    if stands.champion is not None and stands.champion.version in evidence.refused:
        return [*turned_down, *superseded, *_instead(stands, waiting, evidence.refused)]
    under_way = _under_way(stands, evidence, policy, now)
    newest = _newest(stands, waiting[0], bool(under_way)) if waiting else []
    return [*turned_down, *superseded, *under_way, *newest]


def _instead(stands: Standing, waiting: Sequence[VersionStanding], refused: frozenset[str]) -> list[Move]:
    """Return the move by which another acts than a champion that scoring does not load, if one can."""
    acting, before = stands.champion, stands.predecessor
    if acting is not None and before is not None and before.version not in refused:
        return [Move(acting.version, "rolled_back", REFUSED)]
    others = (stands.challenger, *waiting)
    able = [each for each in others if each is not None and each.version not in refused]
    return [
        Move(each.version, "champion", f"of the champion {REFUSED}", _published(each)) for each in able[:1]
    ]


def _newest(stands: Standing, waiting: VersionStanding, is_moving: bool) -> list[Move]:
    if stands.champion is None:
        return [Move(waiting.version, "champion", "there is no champion yet", _published(waiting))]
    beside = stands.challenger
    if beside is None:
        return [Move(waiting.version, "shadow", "gates passed", _published(waiting))]
    if is_moving or beside.status != "shadow" or not _published(waiting).get(URGENT):
        return []
    if stands.predecessor is beside and not _is_proven(stands.champion):
        return []  # the alarm may be of the champion itself: the one that would act again stays
    return [
        Move(beside.version, "retired", f"an alarm asked for {waiting.version}"),
        Move(waiting.version, "shadow", "gates passed, an alarm asked for it", _published(waiting)),
    ]


def _under_way(stands: Standing, evidence: Evidence, policy: RolloutPolicy, now: int) -> list[Move]:
    beside, found = stands.challenger, pair(stands)
    if beside is None or found is None:
        return []
    comparison = evidence.comparison
    if comparison is None or (comparison.newer, comparison.older) != found:
        comparison = Comparison(*found, 0, 0)
    if stands.predecessor is beside:
        if beside.version in evidence.refused:
            return [Move(beside.version, "retired", REFUSED)]
        return _probation(stands, beside, comparison, policy, now)
    if beside.status == "canary":
        return _canary(beside, Evidence(comparison, evidence.health), policy, now)
    return _shadow(beside, Evidence(comparison, evidence.health), policy, now)


def _shadow(beside: VersionStanding, evidence: Evidence, policy: RolloutPolicy, now: int) -> list[Move]:
    finding, reason = _verdict(beside, evidence, policy, policy.shadow, now)
    if finding == "worse":
        return [Move(beside.version, "rejected", reason, _numbers(evidence))]
    if finding == "open" or evidence.health.payments < policy.least_payments:
        return []
    onward: Literal["canary", "champion"] = "canary" if policy.canary_share > 0 else "champion"
    return [Move(beside.version, onward, reason, _numbers(evidence))]


def _canary(beside: VersionStanding, evidence: Evidence, policy: RolloutPolicy, now: int) -> list[Move]:
    finding, reason = _verdict(beside, evidence, policy, policy.canary, now)
    if finding == "open":
        return []
    onward: Literal["champion", "rolled_back"] = "champion" if finding == "holds" else "rolled_back"
    return [Move(beside.version, onward, reason, _numbers(evidence))]


def _probation(
    stands: Standing, beside: VersionStanding, comparison: Comparison, policy: RolloutPolicy, now: int
) -> list[Move]:
    is_over = _days(beside, now) >= policy.probation.most_days
    most_loss = policy.comparison.most_loss
    finding = _finding(comparison, -most_loss, most_loss, is_over)
    if finding == "worse" and stands.champion is not None:
        return [Move(stands.champion.version, "rolled_back", _sentence(comparison), comparison.numbers)]
    is_due = finding == "holds" and _days(beside, now) >= policy.probation.least_days
    if is_due or is_over:
        return [Move(beside.version, "retired", "its successor's probation is over", comparison.numbers)]
    return []


def _verdict(
    beside: VersionStanding, evidence: Evidence, policy: RolloutPolicy, stay: Stay, now: int
) -> tuple[Finding, str]:
    if (ill := _illness(evidence.health, policy)) is not None:
        return "worse", ill
    is_over = _days(beside, now) >= stay.most_days
    comparison = evidence.comparison
    finding = _finding(comparison, 0.0, policy.comparison.most_loss, is_over)
    if finding == "open" and is_over:
        return "worse", "too few matured frauds within the time limit"
    is_better = comparison is not None and comparison.low is not None and comparison.low > 0
    if finding == "holds" and not is_better and (odd := _oddity(evidence.health, policy)) is not None:
        return ("worse", odd) if is_over or beside.status == "canary" else ("open", odd)
    if finding == "holds" and _days(beside, now) < stay.least_days:
        return "open", "not long enough at its status"
    return finding, _sentence(comparison)


def _finding(comparison: Comparison | None, least_gain: float, most_loss: float, is_over: bool) -> Finding:
    """Return whether the newer holds: as good as asked for, and surely not worse than is allowed."""
    if comparison is None or comparison.gain is None or comparison.low is None or comparison.high is None:
        return "open"
    if comparison.high < 0 and comparison.gain < -most_loss:
        return "worse"
    if comparison.gain >= least_gain and (is_over or comparison.low >= -most_loss):
        return "holds"
    return "worse" if is_over else "open"


def _illness(health: Health, policy: RolloutPolicy) -> str | None:
    if health.is_refused:
        return REFUSED
    if health.failures:
        return "it failed on a payment"
    if health.payments >= policy.least_payments and health.us_a_payment > policy.most_us_a_payment:
        return f"it takes {health.us_a_payment:.0f} microseconds a payment"
    return None


def _oddity(health: Health, policy: RolloutPolicy) -> str | None:
    most = policy.most_flagged_ratio
    if health.payments < policy.least_payments or 1 / most <= health.flagged_ratio <= most:
        return None
    return f"it flags {health.flagged_ratio:.2f} payments for one that the champion flags"


def _sentence(comparison: Comparison | None) -> str:
    if comparison is None or comparison.gain is None:
        return "too few matured frauds within the time limit"
    return (
        f"average precision {comparison.gain:+.3f} [{comparison.low:+.3f}, {comparison.high:+.3f}] "
        f"to {comparison.older} on {comparison.payments} matured payments"
    )


def _numbers(evidence: Evidence) -> dict[str, object]:
    found: dict[str, object] = dict(evidence.comparison.numbers) if evidence.comparison else {}
    health = evidence.health
    return found | {
        "failures": health.failures,
        "payments_beside": health.payments,
        "us_a_payment": round(health.us_a_payment, 1),
        "flagged_ratio": round(health.flagged_ratio, 3),
    }


def _published(version: VersionStanding) -> dict[str, object]:
    found: dict[str, object] = json.loads(version.published.numbers)
    return found


def _is_proven(champion: VersionStanding) -> bool:
    """Return whether a comparison made it champion, not a person."""
    return json.loads(champion.newest.numbers).get("gain") is not None


def _days(version: VersionStanding, now: int) -> float:
    return (now - version.since) / DAY
