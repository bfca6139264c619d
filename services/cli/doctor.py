"""`millrace doctor`: what this machine and these settings lack, and what to do about it."""

from __future__ import annotations

import argparse
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from shared.settings import Settings

GIGABYTE = 1 << 30
LEAST_MEMORY = 4 * GIGABYTE  # Kafka 0.7, Redis 0.3, six services of 0.3, two of 0.5 and room
LEAST_DISK = 5 * GIGABYTE
ANSWER_SECONDS = 2.0


class Finding(NamedTuple):
    """What a check found; ``is_needed`` tells whether Millrace runs without it."""

    is_fine: bool
    says: str
    is_needed: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; 1 if something that is needed is lacking."""
    from deploy.local.running import running

    found = running()
    here = found.settings(settings) if found else settings
    findings = [(name, check(here)) for name, check in CHECKS.items()]
    emit(arguments, [{"check": name, "result": _result(f), "says": f.says} for name, f in findings])
    return 0 if all(finding.is_fine or not finding.is_needed for _, finding in findings) else 1


def _result(finding: Finding) -> str:
    return "ok" if finding.is_fine else "lacking" if finding.is_needed else "note"


def java(settings: Settings) -> Finding:
    """Return whether a Java runs the local Kafka."""
    from deploy.local.java import java as find
    from shared.stream.clients import DependencyError

    try:
        return Finding(True, f"the local Kafka runs on {find()}")
    except DependencyError as error:
        return Finding(False, str(error))


def kafka_jars(settings: Settings) -> Finding:
    """Return whether the local Kafka's jars are there, or Maven to fetch them."""
    from deploy.local import jars

    folder = jars.CACHE / f"kafka-{jars.version()}"
    if jars.is_complete(folder):
        return Finding(True, f"Kafka {jars.version()} lies in {folder}")
    if shutil.which("mvn"):
        return Finding(True, f"Maven will fetch Kafka {jars.version()} at the first `millrace up`")
    return Finding(False, "the Kafka jars are not there and Maven (mvn) is not on PATH; install Maven")


def redis_server(settings: Settings) -> Finding:
    """Return whether there is a Redis to start."""
    from deploy.local.redis import redis_server as find
    from shared.stream.clients import DependencyError

    try:
        return Finding(True, f"the local Redis is {find()}")
    except DependencyError as error:
        return Finding(False, str(error))


def memory(settings: Settings) -> Finding:
    """Return whether there is memory for the local stack."""
    file = Path("/proc/meminfo")
    if not file.exists():
        return Finding(True, "this system does not tell how much memory is free")
    lines = dict(line.split(":") for line in file.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    says = f"{free / GIGABYTE:.1f} GB of memory are available, {LEAST_MEMORY / GIGABYTE:g} are needed"
    return Finding(free >= LEAST_MEMORY, says if free >= LEAST_MEMORY else f"{says}; end other programs")


def disk(settings: Settings) -> Finding:
    """Return whether there is room where state is kept."""
    folder = next(each for each in _upwards(settings.state_folder) if each.exists())
    free = shutil.disk_usage(folder).free
    says = f"{free / GIGABYTE:.1f} GB are free in {folder}, {LEAST_DISK / GIGABYTE:g} are needed"
    return Finding(free >= LEAST_DISK, says if free >= LEAST_DISK else f"{says}; or set state_folder")


def broker(settings: Settings) -> Finding:
    """Return whether the broker of the settings answers."""
    from shared.stream.clients import DependencyError, admin

    try:
        admin(settings)
    except DependencyError as error:
        return Finding(False, f"{error}; or `millrace up` starts one here")
    return Finding(True, f"Kafka answers at {settings.kafka['bootstrap.servers']}")


def topics(settings: Settings) -> Finding:
    """Return whether the topics are as schemas/topics.toml says."""
    from shared.stream import topics as planned
    from shared.stream.clients import DependencyError

    try:
        changes = planned.plan(settings)
    except DependencyError:
        return Finding(False, "the broker cannot be asked for its topics")
    if changes:
        return Finding(
            False, f"{len(changes)} differences from schemas/topics.toml; run `millrace topics apply`"
        )
    return Finding(True, f"all topics {settings.topic_prefix}* are as schemas/topics.toml says")


def redis(settings: Settings) -> Finding:
    """Return whether the cache answers; without it all but lookups goes on."""
    import socket
    from urllib.parse import urlsplit

    place = urlsplit(settings.redis_url)
    try:
        with socket.create_connection((place.hostname or "localhost", place.port or 6379), ANSWER_SECONDS):
            return Finding(True, f"Redis answers at {place.hostname}:{place.port or 6379}")
    except OSError:
        says = f"no Redis at {settings.redis_place}; scores go on, the cache of features is not filled"
        return Finding(False, f"{says}; start one, or set redis_url", is_needed=False)


def keys(settings: Settings) -> Finding:
    """Return whether only the owner reads the keys."""
    folder = settings.keys_folder
    if not folder.exists():
        return Finding(True, f"{folder} will be made at the first start")
    open_ones = [file.name for file in folder.iterdir() if _is_open(file) and file.suffix != ".pub"]
    if open_ones:
        return Finding(False, f"others can read {', '.join(open_ones)}; run `chmod 600 {folder}/*`")
    return Finding(True, f"only the owner reads the keys in {folder}")


CHECKS: dict[str, Callable[[Settings], Finding]] = {
    "java": java,
    "kafka jars": kafka_jars,
    "redis-server": redis_server,
    "memory": memory,
    "disk": disk,
    "broker": broker,
    "topics": topics,
    "redis": redis,
    "keys": keys,
}


def _is_open(file: Path) -> bool:
    return file.is_file() and bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _upwards(folder: Path) -> list[Path]:
    whole = folder.absolute()
    return [whole, *whole.parents]
