"""Raw payments checked field by field, and written as `transactions.v1`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import schemas
from services.ingest.messages import RawPayment, microseconds
from services.ingest.money import Currency
from services.ingest.reasons import InvalidMessage, Reason
from shared.settings import SettingsError
from shared.wire import long_bytes, optional_text_bytes, text_bytes

TOKEN_BYTES = 16
TOKENISED = ("card_number", "customer_id", "terminal_id", "device_id")


@dataclass(frozen=True, slots=True)
class Payment:
    """A checked payment: what the stage must know of it, and its bytes before and after accepted_at."""

    transaction_id: bytes
    customer_id: bytes
    event_time: int
    front: bytes
    back: bytes


class PaymentChecks:
    """Checks payments by the limits of the settings.

    Parameters
    ----------
    currencies
        By code, see `money.currencies`.
    token_fields
        Fields that become keyed tokens.
    token_key
        The key of the tokens.
    max_id_length
        Most characters of an id or another text.

    Raises
    ------
    SettingsError
        If a field cannot be a token.
    """

    def __init__(
        self,
        currencies: Mapping[str, Currency],
        token_fields: tuple[str, ...],
        token_key: bytes,
        max_id_length: int,
    ) -> None:
        for field in token_fields:
            if field not in TOKENISED:
                raise SettingsError(f"setting ingest.token_fields: {field} is none of {', '.join(TOKENISED)}")
        self.currencies = currencies
        self.token_fields = frozenset(token_fields)
        self.max_length = max_id_length
        self._key = token_key
        channels = schemas.symbols("transactions.v1", "channel")
        self.channels = {symbol: long_bytes(place) for place, symbol in enumerate(channels)}

    def check(self, raw: RawPayment) -> Payment:
        """Return a payment.

        Raises
        ------
        InvalidMessage
            If a field holds what it may not.
        """
        name = checked_text("transaction_id", raw.transaction_id, self.max_length)
        customer = self._id("customer_id", raw.customer_id)
        terminal = self._id("terminal_id", raw.terminal_id)
        currency = self.currencies.get(raw.currency)
        if currency is None:
            raise InvalidMessage(Reason.UNKNOWN_CURRENCY, "the currency has no rate in rates.toml")
        if not 0 <= raw.amount <= currency.greatest:
            raise InvalidMessage(
                Reason.AMOUNT_OUT_OF_RANGE, "the amount is below 0 or above ingest.max_amount"
            )
        event_time = checked_time(microseconds(raw.event_time))
        back = (
            text_bytes(customer),
            text_bytes(terminal),
            long_bytes(raw.amount),
            currency.avro,
            long_bytes(currency.base(raw.amount)),
            self._channel(raw.channel),
            self._optional("merchant_category", raw.merchant_category),
            self._optional("country", raw.country),
            self._optional("device_id", raw.device_id),
            self._card_token(raw.card_number),
        )
        return Payment(name, customer, event_time, text_bytes(name) + long_bytes(event_time), b"".join(back))

    def _id(self, field: str, text: str) -> bytes:
        content = checked_text(field, text, self.max_length)
        return self.token(content) if field in self.token_fields else content

    def _optional(self, field: str, text: object) -> bytes:
        return optional_text_bytes(self._id(field, text) if isinstance(text, str) else None)

    def _card_token(self, number: object) -> bytes:
        if not isinstance(number, str):
            return optional_text_bytes(None)
        content = checked_text("card_number", number, self.max_length)
        if "card_number" not in self.token_fields:
            raise InvalidMessage(
                Reason.FORBIDDEN_FIELD, "a card number came, and ingest.token_fields does not hold it"
            )
        return optional_text_bytes(self.token(content))

    def _channel(self, channel: object) -> bytes:
        symbol = channel if isinstance(channel, str) else "unknown"
        if symbol not in self.channels:
            raise InvalidMessage(Reason.WRONG_TYPE, f"channel is none of {', '.join(sorted(self.channels))}")
        return self.channels[symbol]

    def token(self, content: bytes) -> bytes:
        """Return the keyed token that stands for a text."""
        return hmac.digest(self._key, content, "sha256")[:TOKEN_BYTES].hex().encode()


EARLIEST, LATEST = 0, 4_102_444_800_000_000  # 1970 and 2100


def checked_time(time: int) -> int:
    """Return a time in microseconds; raises InvalidMessage for what is no time of a payment."""
    if not EARLIEST <= time < LATEST:
        raise InvalidMessage(Reason.WRONG_TYPE, "a time is not in microseconds between 1970 and 2100")
    return time


def checked_text(field: str, text: str, max_length: int) -> bytes:
    """Return a text as UTF-8; raises InvalidMessage where it is empty, too long or not printable."""
    if len(text) > max_length:
        raise InvalidMessage(Reason.ID_TOO_LONG, f"{field} has {len(text)} characters, at most {max_length}")
    if not text or not text.isprintable():
        raise InvalidMessage(Reason.INVALID_TEXT, f"{field} is empty or holds what cannot be printed")
    return text.encode()
