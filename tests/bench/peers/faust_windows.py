"""Customer windows with Faust: `python faust_windows.py worker`."""

from __future__ import annotations

import os
from typing import Any

import faust
from windows import added

environment = os.environ  # noqa: TID251 - a program of its own
app = faust.App(
    "faust",
    broker=f"kafka://{environment['BROKER']}",
    datadir=environment["STATE"],
    topic_partitions=4,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
source = app.topic(environment["SOURCE"], key_type=bytes, value_serializer="json")
target = app.topic(environment["TARGET"], key_type=bytes, value_serializer="json")
histories: Any = app.Table("histories", default=list)


@app.agent(source)
async def featured(payments: Any) -> None:
    async for customer, payment in payments.items():
        name = customer.decode()
        histories[name], row = added(histories[name], payment)
        await target.send(key=customer, value=row)


if __name__ == "__main__":
    app.main()
