"""Why a model package is not loaded."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Reason codes."""

    UNSIGNED = "unsigned"
    ALTERED = "altered"
    FOREIGN_KEY = "foreign_key"
    SCHEMA_MISMATCH = "schema_mismatch"
    LIBRARY_MISMATCH = "library_mismatch"
    MALFORMED = "malformed"
    ABSENT = "absent"
    """The package could not be fetched; it is tried again."""
    NOT_ALLOWED = "not_allowed"
    """The version's life does not allow the move."""


class ModelRefused(Exception):
    """A package that may not act: a reason code and one sentence."""

    def __init__(self, reason: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
