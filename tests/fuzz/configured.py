"""Settings of any file and any variables: loaded, or refused in one short sentence without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from shared.settings import Settings, SettingsError
from shared.settings.names import known_names
from tests.fuzz.target import Execution, Target, check, structured

LONGEST_MESSAGE = 400
SECRET = "p4ssw0rd"
SECRET_BYTES = 32


def load(variables: dict[str, str], content: bytes, folder: Path) -> None:
    """Load settings and use what was loaded."""
    file = folder / "millrace.toml"
    file.write_bytes(content)
    try:
        settings = Settings.load(variables, file)
        here = settings.model_copy(update={"keys_folder": folder / "keys"})
        check(len(here.secret("tokens")) == SECRET_BYTES, "a secret of another length")
        check(bool(here.checkpoint_url) and bool(here.topic("scores.v1")), "no names")
    except SettingsError as error:
        message = str(error)
        check(0 < len(message) <= LONGEST_MESSAGE and message.isprintable(), "not one short sentence")
        check(SECRET not in message, "a secret in the message")


def seeds() -> Iterator[bytes]:
    """Yield settings files, each followed by environment variables after zero bytes."""
    yield b'topic_prefix = "a."\n[kafka]\n"bootstrap.servers" = "k:1"\n[stream]\ncommit_ms = 20\n'
    yield b'[ingest]\ntoken_fields = ["card_number"]\nfuture_days = 1.5\n[secrets]\ntokens = "x"\n'
    yield b"\0MILLRACE_STREAM__COMMIT_MS=20\0MILLRACE_KAFKA__SECURITY_PROTOCOL=SSL\0MILLRACE_INSTANCE=1"
    yield b"[features]\nis_cached = false\0MILLRACE_SECRETS__TOKENS=" + b"A" * 43 + b"=\0MILLRACE_LOG_LEVEL=x"


def _bytes(folder: Path) -> Execution:
    def execute(data: bytes) -> None:
        written, *variables = data.split(b"\0")
        pairs = [each.decode("utf-8", "surrogateescape").partition("=") for each in variables]
        load({name: value for name, _, value in pairs if name}, written, folder)

    return execute


_PATHS = [path for path in known_names(Settings) if path[0] not in ("kafka", "secrets")]
_SCALARS = st.text(max_size=8) | st.integers() | st.booleans() | st.floats() | st.just([]) | st.just({})
_FREE = ["kafka", "kafka__sasl_password", "kafka__x", "secrets", "secrets__tokens", "stream", "steam__x", ""]


_TEXT = st.text(st.characters(exclude_characters="\0"), max_size=12) | st.integers().map(str)
_PAIRS = st.tuples(st.sampled_from(["__".join(path) for path in _PATHS]), _TEXT) | st.tuples(
    st.sampled_from(_FREE), st.just(SECRET)
)


def environments() -> st.SearchStrategy[dict[str, str]]:
    """Environment variables, misspelt ones and ones of sections of free keys among them."""
    pairs = st.lists(_PAIRS, max_size=3)
    return pairs.map(lambda found: {f"MILLRACE_{name}".upper(): value for name, value in found})


@st.composite
def files(draw: st.DrawFn) -> str:
    """Settings files as TOML."""
    lines = [
        f"{'.'.join(path)} = {_toml(draw(_SCALARS))}"
        for path in draw(st.lists(st.sampled_from(_PATHS), max_size=3, unique=True))
    ]
    for name in draw(
        st.lists(st.sampled_from(["kafka", "secrets", "stream", "no"]), max_size=2, unique=True)
    ):
        lines.append(f"{name} = {_toml(draw(_SCALARS))}" if draw(st.booleans()) else f'{name}.k = "{SECRET}"')
    return "\n".join(lines)


def _toml(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int | str | list) else str(value)


def _structured(folder: Path) -> Execution:
    def execute(found: tuple[dict[str, str], str]) -> None:
        load(found[0], found[1].encode(), folder)

    return structured(st.tuples(environments(), files()), execute)


TARGETS = {"settings": Target(_bytes, seeds), "settings-structured": Target(_structured)}
