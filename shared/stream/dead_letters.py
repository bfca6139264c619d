"""Dead letters: records that could not be taken, with place and reason, their bytes encrypted."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from shared import wire
from shared.settings import Settings, SettingsError

TOPIC = "dead-letters.v1"
KEPT_BYTES = 65_536  # the size limit of raw records; what is longer is kept up to here


class DeadLetters:
    """Writes and opens the dead letters of a service; the key is the secret ``dead_letters``."""

    def __init__(self, service: str, settings: Settings) -> None:
        self._service = service
        self._fernet = Fernet(base64.urlsafe_b64encode(settings.secret("dead_letters")))

    def letter(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        place: tuple[int, int, int],
        reason: str,
        detail: str,
        is_kept: bool = True,
    ) -> tuple[bytes, bytes]:
        """Return key and value of a record for `dead-letters.v1`.

        Parameters
        ----------
        topic
            The input topic as the broker names it.
        place
            Partition, offset and broker time (milliseconds) of the input record.
        detail
            One sentence; never input bytes.
        is_kept
            Whether key and value may be kept, encrypted.
        """
        partition, offset, accepted_ms = place
        record = {
            "service": self._service,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "reason": reason,
            "detail": detail,
            "accepted_at": accepted_ms * 1000,
            "encrypted_key": self._fernet.encrypt(key) if is_kept else None,
            "encrypted_value": self._fernet.encrypt(value[:KEPT_BYTES]) if is_kept else None,
        }
        name = key if is_kept and key else f"{topic}/{partition}/{offset}".encode()
        return name, wire.encode(TOPIC, record)

    def open(self, record: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """Return key and value of a letter's input record; None where its bytes were not kept.

        Raises
        ------
        SettingsError
            If the letter was encrypted with another key.
        """
        if record["encrypted_value"] is None:
            return None
        try:
            return self._fernet.decrypt(record["encrypted_key"]), self._fernet.decrypt(
                record["encrypted_value"]
            )
        except InvalidToken as error:
            raise SettingsError(
                "the secret dead_letters is not the one that encrypted these letters"
            ) from error
