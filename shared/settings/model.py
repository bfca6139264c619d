"""All settings with their defaults and limits."""

from __future__ import annotations

import base64
import os
import re
import secrets as randomness
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.settings.files import write_once
from shared.settings.names import (
    FREE_SECTIONS,
    SettingsError,
    check_file,
    from_environment,
    known_names,
    shown,
)

FILE = Path("millrace.toml")
SECRET_BYTES = 32
MOST_DAYS = 3650  # times stay int64 microseconds, whatever is added to them


class Section(BaseModel):
    """A frozen group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StreamSettings(Section):
    """The run loop."""

    batch_ms: int = Field(25, ge=1, le=100)
    """How long raw records gather at the broker before a fetch is answered; what nobody waits for, longer."""
    commit_ms: int = Field(150, ge=10, le=200)
    checkpoint_seconds: float = Field(5.0, gt=0, le=3600)
    max_batch: int = Field(2000, ge=1, le=100_000)


class IngestSettings(Section):
    """Limits of what comes from outside."""

    token_fields: tuple[str, ...] = ("card_number",)
    id_horizon_days: int = Field(7, ge=1, le=MOST_DAYS)
    future_days: float = Field(7, gt=0, le=MOST_DAYS)
    too_old_days: float = Field(7, gt=0, le=7)
    max_bytes: int = Field(65_536, ge=256, le=65_536)
    max_amount: int = Field(1_000_000_000, gt=0, le=1_000_000_000_000)  # sums of windows stay int64
    max_id_length: int = Field(64, ge=1, le=1024)
    max_depth: int = Field(8, ge=1, le=100)


class FeaturesSettings(Section):
    """The cache of features."""

    is_cached: bool = True
    cache_ttl_days: int = Field(75, ge=1, le=MOST_DAYS)


class ScoringSettings(Section):
    """Summaries of traffic."""

    sketch_seconds: int = Field(1, ge=1, le=3600)


class AlertsSettings(Section):
    """Reasons."""

    max_reasons: int = Field(5, ge=1, le=29)


class LabelsSettings(Section):
    """The join of scores and labels."""

    correction_days: int = Field(120, ge=8, le=MOST_DAYS)


class TrainingSettings(Section):
    """Data set and schedule of the training service; days of event time."""

    kept_days: int = Field(90, ge=14)
    flush_seconds: float = Field(2.0, gt=0)
    refit_days: float = Field(7, gt=0)
    alarm_gap_days: float = Field(2, ge=0)
    search_seconds: float = Field(0, ge=0)


class Settings(Section):
    """The settings of every service; secrets are read on demand and never printed."""

    kafka: dict[str, str] = Field(default_factory=lambda: {"bootstrap.servers": "localhost:9092"})
    redis_url: str = "redis://localhost:6379/0"
    schema_registry_url: str | None = None
    topic_prefix: str = "fraud."
    state_folder: Path = Path("var/state")
    state_url: str = ""
    model_url: str = "var/models"
    keys_folder: Path = Path("var/keys")
    instance: int = Field(0, ge=0, le=9999)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "text"] = "auto"
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, ge=0, le=65_535)
    stream: StreamSettings = StreamSettings()
    ingest: IngestSettings = IngestSettings()
    features: FeaturesSettings = FeaturesSettings()
    scoring: ScoringSettings = ScoringSettings()
    alerts: AlertsSettings = AlertsSettings()
    labels: LabelsSettings = LabelsSettings()
    training: TrainingSettings = TrainingSettings()
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, file: Path = FILE) -> Settings:
        """Return the settings of this process.

        Raises
        ------
        SettingsError
            If a name exists nowhere, a value cannot be, or the file cannot be read.
        """
        known = known_names(cls)
        content = _file_content(file)
        check_file(content, known)
        variables = os.environ if environment is None else environment  # noqa: TID251
        merged = _merged(content, from_environment(variables, known))
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            found = error.errors()[0]
        raise SettingsError(_refusal(found["loc"], found["msg"], found["input"]))

    def topic(self, name: str) -> str:
        """Return the topic's name on the broker."""
        return self.topic_prefix + name

    @property
    def redis_place(self) -> str:
        """The address of Redis as it may be shown: without a password."""
        return re.sub(r"//[^/]*@", "//", self.redis_url)

    @property
    def checkpoint_url(self) -> str:
        """Where checkpoints lie: ``state_url``, by default a folder below ``state_folder``."""
        return self.state_url or str(self.state_folder / "checkpoints")

    def secret(self, name: str) -> bytes:
        """Return a key of 32 bytes, from ``MILLRACE_SECRETS__<NAME>`` or a file made on first use.

        Raises
        ------
        SettingsError
            If the key is not 32 bytes in URL-safe base64, or its file can't be read or made.
        """
        try:
            written = self.secrets.get(name) or _key_file(self.keys_folder / f"{name}.key")
            key = base64.urlsafe_b64decode(written)
        except OSError as error:
            raise SettingsError(
                f"secret {name} can't be read from {self.keys_folder} or made there ({error.strerror}); "
                f"set keys_folder, or MILLRACE_SECRETS__{name.upper()}"
            ) from error
        except ValueError:
            key = b""
        if len(key) != SECRET_BYTES:
            raise SettingsError(f"secret {name} must be 32 bytes in URL-safe base64 (44 characters)")
        return key


def _refusal(place: Sequence[str | int], what: str, written: object) -> str:
    name = shown(".".join(map(str, place)))
    says = f"setting {name}: {what[:1].lower()}{what[1:]}"
    may_be_secret = place[0] in FREE_SECTIONS or str(place[0]).endswith("_url")
    return says if may_be_secret else f"{says}, not {shown(repr(written))}"


def _file_content(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise SettingsError(f"{file} cannot be read: {shown(str(error))}") from error
    except RecursionError as error:
        raise SettingsError(f"{file} cannot be read: it is nested too deep") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        inner = result.get(name)
        both = isinstance(value, dict) and isinstance(inner, dict)
        result[name] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def _key_file(file: Path) -> str:
    if not file.exists():
        write_once(file, base64.urlsafe_b64encode(randomness.token_bytes(SECRET_BYTES)), 0o600)
    return file.read_text().strip()
