"""The quick look before the search for forbidden names hides none of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.stream.forbidden import is_forbidden, may_hold_forbidden

PIECES = ("c", "V", "v2", "cvn", "a", "csc", "Track", "s", "card", "Security", "validation", "verification")
MORE = ("code", "value", "data", "mag", "netic", "Stripe", "strip", "pin", "PIN", "block", "P", "in", "user")
BETWEEN = ("", "_", "-", ".", " ", "__", "x", '"', "\n", "é")


@given(st.lists(st.sampled_from(PIECES + MORE + BETWEEN), max_size=12).map("".join))
def test_bytes_are_held_to_the_same_names_as_texts(text: str) -> None:
    assert may_hold_forbidden(text.encode("latin-1")) == is_forbidden(text)
