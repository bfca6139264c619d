"""How far the services have committed, asked of the broker."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaException

from services.cli.demo.story import ALL_GROUPS
from services.replay.pipeline import Pipeline, places
from shared.settings import Settings
from shared.stream.clients import log
from tests.waiting import wait_for

ANSWER_SECONDS, BACKLOG_SECONDS = 5.0, 1200.0

Place = tuple[str, int]


class Groups:
    """The consumer groups of the services; one client for each."""

    def __init__(self, settings: Settings) -> None:
        self._places = {group: places(settings, topics) for group, topics in ALL_GROUPS.items()}
        quiet = {"enable.auto.commit": False, "logger": log}
        self._clients = {
            group: Consumer({**settings.kafka, **quiet, "group.id": f"millrace.{group}"})
            for group in ALL_GROUPS
        }

    def ends(self, group: str) -> dict[Place, int]:
        """Return the ends that the inputs of a group have now."""
        client = self._clients[group]
        return {
            (place.topic, place.partition): client.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
            for place in self._places[group]
        }

    def has_reached(self, group: str, ends: Mapping[Place, int]) -> bool:
        """Tell whether a group has committed all below these offsets; no where no broker answers."""
        try:
            found = self._clients[group].committed(self._places[group], ANSWER_SECONDS)
        except KafkaException:
            return False
        return all(
            each.offset >= ends[each.topic, each.partition]
            for each in found
            if ends[each.topic, each.partition]
        )

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()


def caught_up(settings: Settings) -> None:
    """Return when every service has taken and committed all that there is, however long that takes."""
    pipeline = Pipeline(settings, ALL_GROUPS)
    wait_for(lambda: pipeline.slowest() is None, BACKLOG_SECONDS, "the end of the backlog")
    pipeline.close()
