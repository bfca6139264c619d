"""The stack that `millrace up` left running, by what it wrote into its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.processes import Identity
from deploy.local.stack import STATE_FILE
from shared.settings import Settings

FOLDER = Path("var")


@dataclass(frozen=True, slots=True)
class Running:
    """A stack of another process."""

    process: Identity
    others: tuple[Identity, ...]
    kafka: str
    redis: str
    topic_prefix: str
    services: tuple[dict[str, Any], ...]
    is_ready: bool

    def settings(self, settings: Settings) -> Settings:
        """Return settings with the addresses of this stack."""
        kafka = {**settings.kafka, "bootstrap.servers": self.kafka}
        place = {"kafka": kafka, "redis_url": self.redis, "topic_prefix": self.topic_prefix}
        return settings.model_copy(update=place)

    def exports(self, settings: Settings) -> dict[str, str]:
        """Return the variables that a client with these settings needs to find this stack."""
        wanted = {
            "MILLRACE_KAFKA__BOOTSTRAP_SERVERS": (self.kafka, settings.kafka.get("bootstrap.servers", "")),
            "MILLRACE_REDIS_URL": (self.redis, settings.redis_url),
            "MILLRACE_TOPIC_PREFIX": (self.topic_prefix, settings.topic_prefix),
        }
        return {
            name: here
            for name, (here, there) in wanted.items()
            if here != there.replace("localhost", "127.0.0.1")
        }


def running(folder: Path = FOLDER) -> Running | None:
    """Return the stack that runs in a folder; None if there is none."""
    try:
        content = json.loads((folder / STATE_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    process = Identity(**content.pop("process"))
    others = tuple(Identity(**each) for each in content.pop("others"))
    services = tuple(content.pop("services"))
    return Running(process, others, services=services, **content) if process.is_alive else None
