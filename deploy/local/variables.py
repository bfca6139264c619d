"""Settings as environment variables, for child processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.settings import Settings
from shared.settings.names import PREFIX


def variables(settings: Settings) -> dict[str, str]:
    """Return the ``MILLRACE_...`` variables from which a child reads the same settings.

    Lists are left out: no variable can hold one, and the child reads them from the same file.
    """
    free = {f"KAFKA__{name.replace('.', '_').upper()}": value for name, value in settings.kafka.items()}
    secret = {f"SECRETS__{name.upper()}": value for name, value in settings.secrets.items()}
    content = settings.model_dump(exclude={"kafka", "secrets"})
    return {PREFIX + name: value for name, value in {**dict(_flat(content)), **free, **secret}.items()}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        path = f"{before}{name.upper()}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}__")
        elif value is not None and not isinstance(value, (list, tuple)):
            yield path, str(value)
