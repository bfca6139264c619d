"""Customer windows with Bytewax: `python -m bytewax.run bytewax_windows`."""

from __future__ import annotations

import os
from typing import Any

import bytewax.connectors.kafka.operators as kafka
import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.dataflow import Dataflow
from windows import Windows

BROKERS = [os.environ["BROKER"]]  # noqa: TID251 - a program of its own


def keyed(message: Any) -> tuple[str, dict[str, Any]]:
    payment = orjson.loads(message.value)
    return payment["customer_id"], payment


def featured(state: Windows | None, payment: dict[str, Any]) -> tuple[Windows, dict[str, Any]]:
    windows = state or Windows()
    return windows, windows.add(payment)


def message(row: tuple[str, dict[str, Any]]) -> KafkaSinkMessage[bytes, bytes]:
    return KafkaSinkMessage(row[0].encode(), orjson.dumps(row[1]))


flow = Dataflow("peer")
source = kafka.input("source", flow, brokers=BROKERS, topics=[os.environ["SOURCE"]])  # noqa: TID251
payments = op.map("parse", source.oks, keyed)
rows = op.stateful_map("windows", payments, featured)
kafka.output("target", op.map("write", rows, message), brokers=BROKERS, topic=os.environ["TARGET"])  # noqa: TID251
