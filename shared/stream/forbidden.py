"""Names of fields that may never be kept: verification codes, PINs, track data (PCI DSS 3.3)."""

from __future__ import annotations

import re

# Read with care against guesses: a false find costs a dead letter its bytes, a miss keeps a secret.
_BETWEEN = r"[_\-. ]{0,2}"
_FORBIDDEN = re.compile(
    "|".join(
        (
            rf"(?i:c{_BETWEEN}v{_BETWEEN}[vcn])",  # cvv, cvv2, cvc, cvc2, cvn
            rf"(?i:c{_BETWEEN}a{_BETWEEN}v{_BETWEEN}2)",
            r"(?<![a-zA-Z])(?i:csc|tracks?)(?![a-zA-Z])",
            rf"(?i:card{_BETWEEN}(?:verification|validation|security))",
            rf"(?i:(?:security|verification){_BETWEEN}(?:code|value|number))",
            rf"(?i:track{_BETWEEN}(?:[123]|one|two|three|data))",
            rf"(?i:mag(?:netic)?{_BETWEEN}stripe?)",
            rf"(?i:pin{_BETWEEN}(?:block|code|data|number|value|offset|hash))",
            r"(?<![a-zA-Z])(?:[pP][iI][nN])(?![a-z])",  # pin, PIN, pin_entry, pinBlock
            r"(?<=[a-z])P(?:in|IN)(?![a-z])",  # cardPin
            r"(?i:(?:card|customer|user|holder|encrypted|enc|atm|new|old)pin)(?![a-z])",
        )
    )
)
# Every such name holds one of these once what may stand between its parts is gone: a quick look for bulk,
# since the expression above takes milliseconds for 64 KiB.
_PARTS = (
    b"cvv",
    b"cvc",
    b"cvn",
    b"cav2",
    b"csc",
    b"track",
    b"card",
    b"security",
    b"verification",
    b"strip",
    b"pin",
)
_ESCAPE = re.compile(r"\\u00([0-7][0-9a-fA-F])")


def is_forbidden(text: str) -> bool:
    """Tell whether a field of this name may hold a card's verification code, PIN or track data.

    Examples
    --------
    >>> [is_forbidden(name) for name in ("CVV2", "card_verification_value", "pinBlock", "Track-2")]
    [True, True, True, True]
    >>> [is_forbidden(name) for name in ("shipping", "customer_id", "tracking_id", "currency")]
    [False, False, False, False]
    """
    return _FORBIDDEN.search(text) is not None


def may_hold_forbidden(content: bytes) -> bool:
    r"""Tell whether bytes of any form hold such a name anywhere, JSON escapes and UTF-16 looked through.

    Examples
    --------
    >>> may_hold_forbidden(b'{"\\u0063vv": '), may_hold_forbidden('{"cvv": '.encode("utf-16"))
    (True, True)
    """
    text = content.replace(b"\0", b"").decode("latin-1")
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    bare = text.encode("latin-1").translate(None, b"_-. ").lower()
    return any(part in bare for part in _PARTS) and is_forbidden(text)
