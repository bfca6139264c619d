"""What a score decides: approve, review or decline, by two thresholds under a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

import schemas

TABLES = {"gates", "rollout", "guards", "alarms"}
"""What else stands in the file; each table has its own reader."""


class PolicyError(Exception):
    """A policy that cannot be; one sentence that says what to change."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of schemas/policy.toml."""

    table: ClassVar[str]

    @classmethod
    def load(cls, content: Mapping[str, Any] | None = None) -> Self:
        """Return the table of schemas/policy.toml, or of ``content`` in its place.

        Raises
        ------
        PolicyError
            If a name is missing or unknown, or a bound cannot be.
        """
        found = schemas.toml("policy") if content is None else content
        try:
            return msgspec.convert(found.get(cls.table, {}), cls)
        except msgspec.ValidationError as error:
            raise PolicyError(f"schemas/policy.toml, [{cls.table}]: {error}") from error


class Decision(IntEnum):
    """What is decided about a payment; the values are the enum's places in scores.v1."""

    UNSCORED = 0
    APPROVE = 1
    REVIEW = 2
    DECLINE = 3

    @property
    def symbol(self) -> str:
        """The name in records."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of scores: approve below ``review_at``, review from there, decline from ``decline_at``.

    Raises
    ------
    PolicyError
        Unless ``0 < review_at <= decline_at <= 1`` and ``version`` is at least 1.

    Examples
    --------
    >>> Policy(1, 0.3, 0.8).decide(np.array([0.29, 0.3, 0.8, np.nan])).tolist()
    [1, 2, 3, 0]
    """

    version: int
    review_at: float
    decline_at: float

    def __post_init__(self) -> None:
        if not isinstance(self.version, int) or isinstance(self.version, bool) or self.version < 1:
            raise PolicyError(
                f"schemas/policy.toml: version must be a whole number from 1, not {self.version!r}"
            )
        for name in ("review_at", "decline_at"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise PolicyError(f"schemas/policy.toml: {name} must be a number, not {value!r}")
        if not 0 < self.review_at <= self.decline_at <= 1:
            raise PolicyError(
                "schemas/policy.toml: 0 < review_at <= decline_at <= 1 must hold, "
                f"not review_at = {self.review_at}, decline_at = {self.decline_at}"
            )

    @classmethod
    def load(cls, content: Mapping[str, Any] | None = None) -> Policy:
        """Return the policy of schemas/policy.toml, or of ``content`` in its place."""
        found = schemas.toml("policy") if content is None else content
        due = ("version", "review_at", "decline_at")
        if set(found) - TABLES != set(due):
            raise PolicyError(
                f"schemas/policy.toml must hold {', '.join(due)}, not {', '.join(sorted(found))}"
            )
        return cls(found["version"], found["review_at"], found["decline_at"])

    def decide(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
        """Return the Decision of each score as a code; NaN, which is no score, is unscored."""
        codes = np.digitize(scores, (self.review_at, self.decline_at)) + Decision.APPROVE
        return np.where(np.isnan(scores), Decision.UNSCORED, codes).astype(np.int8)
