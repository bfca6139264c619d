"""Looks up an entity's newest features in the cache."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from services.features import cached
    from shared.settings import Settings

FAILED, USAGE = 1, 2
MICROSECONDS = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define ``features get``."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    get = verbs.add_parser("get", help="the features of an entity's newest payment")
    get.add_argument("entity", help="such as customer or terminal")
    get.add_argument("id", help="of the customer or terminal")
    add_output(get)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the features of one entity; return the exit code.

    Raises
    ------
    DependencyError
        If Redis cannot be reached.
    """
    from redis import RedisError

    from services.features import cached
    from shared.features import DefinitionError, definitions
    from shared.stream.clients import DependencyError

    try:
        entity = definitions().entity(arguments.entity)
    except DefinitionError as error:
        return _fail(str(error), USAGE)
    try:
        held = cached.find(cached.client(settings), settings, entity.name, arguments.id)
    except RedisError as error:
        raise DependencyError(
            f"Redis at {settings.redis_place} does not answer ({error}); start it or set MILLRACE_REDIS_URL"
        ) from error
    if held is None:
        return _fail(
            f"the cache has no features of {entity.name} {arguments.id}: "
            f"no payment within {settings.features.cache_ttl_days} days, or none read yet",
            FAILED,
        )
    emit(arguments, _rows(held, arguments))
    return 0


def _rows(held: cached.Cached, arguments: argparse.Namespace) -> list[dict[str, object]]:
    time = datetime.fromtimestamp(held.event_time / MICROSECONDS, UTC)
    position = f"{held.partition}/{held.offset}"
    about = {"event_time": time.isoformat(), "position": position, "features_version": held.features_version}
    if arguments.output == "json":
        return [{"entity": arguments.entity, "id": arguments.id, **about, "features": held.features}]
    rows: list[dict[str, object]] = [{"name": name, "value": value} for name, value in about.items()]
    return rows + [{"name": name, "value": value} for name, value in held.features.items()]


def _fail(sentence: str, code: int) -> int:
    print(f"millrace: {sentence}", file=sys.stderr)
    return code
