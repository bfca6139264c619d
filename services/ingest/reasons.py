"""Why a record from outside is refused."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of ingest's dead letters."""

    UNPARSABLE = "unparsable"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    UNKNOWN_CURRENCY = "unknown_currency"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    TIME_IN_THE_FUTURE = "time_in_the_future"
    TIME_TOO_OLD = "time_too_old"
    ID_TOO_LONG = "id_too_long"
    INVALID_TEXT = "invalid_text"
    UNKNOWN_SCHEMA = "unknown_schema"
    OVERSIZE = "oversize"
    NESTED_TOO_DEEP = "nested_too_deep"
    TRAILING_BYTES = "trailing_bytes"
    REPEATED_ID_OTHER_CONTENT = "repeated_id_other_content"
    FORBIDDEN_FIELD = "forbidden_field"


class InvalidMessage(Exception):
    """A record that is refused for good: a reason code and one sentence without input bytes."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
