"""Amounts in the base currency, exact, by the fixed rates of schemas/rates.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from shared.settings import SettingsError
from shared.wire import long_bytes

CODE_LETTERS = 3  # ISO 4217
GREATEST_LONG = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency's rate as whole numbers, and its code as an Avro string."""

    numerator: int
    denominator: int
    greatest: int
    """The greatest amount, in minor units, that is within the limit in the base currency."""
    avro: bytes

    def base(self, amount: int) -> int:
        """Return an amount >= 0 in minor units of the base currency; halves are rounded up.

        Examples
        --------
        >>> Currency(1, 2, 100, b"").base(3), Currency(1, 2, 100, b"").base(4)
        (2, 2)
        """
        return (2 * amount * self.numerator + self.denominator) // (2 * self.denominator)


def currencies(rates: Mapping[str, Any], greatest_base: int) -> dict[str, Currency]:
    """Return the currencies of rates.toml by code.

    Parameters
    ----------
    rates
        Content of the file: ``rate`` is the price of one unit of the base currency, ``digits`` those of
        the minor unit.
    greatest_base
        The greatest amount allowed, in minor units of the base currency.

    Raises
    ------
    SettingsError
        If the base currency has no entry of rate 1, or an entry cannot be.
    """
    table = rates["currencies"]
    base = table.get(rates["base"])
    if base is None or base["rate"] != 1:
        raise SettingsError(f"rates.toml: the base currency {rates['base']} needs an entry with rate 1")
    return {code: _currency(code, entry, base["digits"], greatest_base) for code, entry in table.items()}


def _currency(code: str, entry: Mapping[str, Any], base_digits: int, greatest_base: int) -> Currency:
    if len(code) != CODE_LETTERS or not code.isascii() or not entry["rate"] > 0 or entry["digits"] < 0:
        raise SettingsError(f"rates.toml: {code} needs three letters, a rate > 0 and digits >= 0")
    factor = Fraction(10) ** (base_digits - entry["digits"]) / Fraction(str(entry["rate"]))
    numerator, denominator = factor.as_integer_ratio()
    greatest = (denominator * (2 * greatest_base + 1) - 1) // (2 * numerator)
    avro = long_bytes(CODE_LETTERS) + code.encode()
    return Currency(numerator, denominator, min(greatest, GREATEST_LONG), avro)
