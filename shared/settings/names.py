"""Names of settings as people write them, checked against those that exist."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

PREFIX = "MILLRACE_"
FREE_SECTIONS = ("kafka", "secrets")
SHOWN_CHARACTERS = 60


class SettingsError(Exception):
    """A setting that does not exist or has a value that cannot be; one sentence that says what to change."""


def known_names(model: type[BaseModel], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all settings of a model; sections of free keys appear by their own name."""
    names: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += known_names(kind, (*before, name))
        else:
            names.append((*before, name))
    return names


def from_environment(environment: Mapping[str, str], known: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return the nested settings among environment variables.

    Raises
    ------
    SettingsError
        If a variable begins with ``MILLRACE_`` and names no setting.
    """
    content: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if path[0] in FREE_SECTIONS:
            if len(path) != 2 or not path[1]:
                raise SettingsError(f"variable {shown(variable)}: write {PREFIX}{path[0].upper()}__<KEY>")
            key = path[1].replace("_", ".") if path[0] == "kafka" else path[1]
            content.setdefault(path[0], {})[key] = value
            continue
        check_known(path, known, variable, _variable)
        place = content
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return content


def check_file(
    content: Mapping[str, Any], known: list[tuple[str, ...]], before: tuple[str, ...] = ()
) -> None:
    """Raise SettingsError if the content of a settings file holds a name that no setting has."""
    for name, value in content.items():
        path = (*before, name)
        if path[0] in FREE_SECTIONS:
            continue
        is_section = any(path == other[: len(path)] and len(other) > len(path) for other in known)
        if is_section and isinstance(value, Mapping):
            check_file(value, known, path)
        else:
            check_known(path, known, ".".join(path), ".".join)


def check_known(path: tuple[str, ...], known: list[tuple[str, ...]], written: str, spell: Any) -> None:
    """Raise SettingsError, with the nearest existing name, if ``path`` names no setting."""
    if path in known:
        return
    spelled = [spell(other) for other in known if other[0] not in FREE_SECTIONS]
    nearest = difflib.get_close_matches(written, spelled, n=1, cutoff=0.0)
    raise SettingsError(f"there is no setting {shown(written)}; the nearest is {nearest[0]}")


def shown(written: str) -> str:
    """Return what someone wrote as it can stand in a sentence: short, and in one line.

    Examples
    --------
    >>> shown("stream"), len(shown("x" * 1000))
    ('stream', 63)
    """
    text = written if written.isprintable() else ascii(written)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()
