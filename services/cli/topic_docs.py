"""The documents about topics, made from schemas/: a table for people, AsyncAPI for programs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import schemas

PREFIX = "fraud."  # the default of the setting topic_prefix
GENERATED = "made by `millrace topics docs` from schemas/; do not edit"


def documents() -> dict[str, str]:
    """Return the content of each document by file name."""
    return {"topics.md": table(), "asyncapi.yaml": asyncapi()}


def table() -> str:
    """Return the topics as a Markdown table."""
    lines = [
        f"<!-- {GENERATED} -->",
        "# Topics",
        "",
        f"Names begin with the setting `topic_prefix` (default `{PREFIX}`). Records are Avro in Confluent's",
        "frame; raw topics take JSON too. Broker time (`LogAppendTime`) on all. Records of one key lie in",
        "one partition, in order. In a *stream* every record begins with `source`, which tells repeats.",
        "",
        "| topic | what | key | partitions | kept | made by | read by | schema id |",
        "|---|---|---|---|---|---|---|---|",
    ]
    topics = schemas.toml("topics")["topics"]
    return "\n".join([*lines, *(_row(name, topic) for name, topic in topics.items()), ""])


def asyncapi() -> str:
    """Return the AsyncAPI 3.0 document, in YAML: what Millrace takes (receive) and gives (send)."""
    import yaml

    topics = schemas.toml("topics")["topics"]
    content = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Millrace",
            "version": version("millrace"),
            "description": "Payments in; scores, alerts and labelled examples out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/vnd.confluent.avro",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka"}},
        "channels": {_name(name): _channel(name, topic) for name, topic in topics.items()},
        "operations": dict(each for name, topic in topics.items() for each in _operations(name, topic)),
        "components": {"messages": {_name(name): _message(name) for name in schemas.registry()["ids"]}},
    }
    return f"# {GENERATED}\n" + yaml.safe_dump(content, sort_keys=False, width=110)


def _row(name: str, topic: dict[str, Any]) -> str:
    ids = schemas.registry()["ids"]
    cells = (
        f"`{name}`" + (" (stream)" if topic.get("is_stream") else ""),
        topic["about"],
        f"`{topic['key']}`" if " " not in topic["key"] else topic["key"],
        str(schemas.partition_count(name)),
        _kept(topic),
        ", ".join(topic["made_by"]),
        ", ".join(topic["read_by"]),
        ", ".join(str(ids[schema]) for schema in topic["schemas"]),
    )
    return f"| {' | '.join(cells)} |"


def _kept(topic: dict[str, Any]) -> str:
    if topic.get("compacted"):
        return "newest of each key"
    return f"{topic['kept_days']} days" if topic["kept_days"] else "for ever"


def _channel(name: str, topic: dict[str, Any]) -> dict[str, Any]:
    defaults = schemas.toml("topics")["defaults"]
    kept = topic["kept_days"] * 86_400_000 if topic["kept_days"] else -1
    configuration = {"cleanup.policy": ["compact" if topic.get("compacted") else "delete"]}
    kafka = {
        "topic": PREFIX + name,
        "partitions": schemas.partition_count(name),
        "replicas": defaults["replication_factor"],
        "topicConfiguration": {**configuration, "retention.ms": kept},
        "bindingVersion": "0.5.0",
    }
    return {
        "address": PREFIX + name,
        "title": topic["about"].rstrip("."),
        "messages": {
            _name(each): {"$ref": f"#/components/messages/{_name(each)}"} for each in topic["schemas"]
        },
        "bindings": {"kafka": kafka},
    }


def _operations(name: str, topic: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{_name(name)}"}
    writers = ", ".join(topic["made_by"])
    readers = ", ".join(topic["read_by"])
    found = []
    if any(_is_ours(who) for who in topic["made_by"]):
        found.append((f"send_{_name(name)}", {"action": "send", "channel": channel, "summary": writers}))
    if any(_is_ours(who) for who in topic["read_by"]):
        found.append(
            (f"receive_{_name(name)}", {"action": "receive", "channel": channel, "summary": readers})
        )
    return found


def _message(schema: str) -> dict[str, Any]:
    number = schemas.registry()["ids"][schema]
    content = schemas.avro(schema)
    kafka = {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent", "bindingVersion": "0.5.0"}
    return {
        "name": content["name"],
        "summary": f"{content.get('doc', schema)} Schema id {number}.",
        "contentType": "application/vnd.confluent.avro",
        "payload": {"schemaFormat": "application/vnd.apache.avro+json;version=1.9.0", "schema": content},
        "bindings": {"kafka": kafka},
    }


def _is_ours(who: str) -> bool:
    return "systems" not in who and who not in ("analysts", "alert consumers")


def _name(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")
