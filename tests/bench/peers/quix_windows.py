"""Customer windows with Quix Streams: `python quix_windows.py`."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application, State
from windows import added

environment = os.environ  # noqa: TID251 - a program of its own


def featured(payment: dict[str, Any], state: State) -> dict[str, Any]:
    history, row = added(state.get("history", []), payment)
    state.set("history", history)
    return row


app = Application(
    environment["BROKER"], consumer_group="quix", auto_offset_reset="earliest", state_dir=environment["STATE"]
)
source = app.topic(environment["SOURCE"], value_deserializer="json")
target = app.topic(environment["TARGET"], value_serializer="json")
app.dataframe(source).apply(featured, stateful=True).to_topic(target)

if __name__ == "__main__":
    app.run()
