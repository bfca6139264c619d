"""How far outputs are durable: tickets of batches, completed in order by the broker's answers."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """A partition of an input topic, by the topic's name without prefix."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition has come: the next offset, accepted positions, the highest event time.

    ``carried`` is what its stage goes on with from here.
    """

    offset: int
    positions: list[int] | None = None
    event_time: int | None = None
    carried: list[int] | None = None

    def metadata(self) -> str:
        """Return what is committed beside the offset."""
        content = {"positions": self.positions, "event_time": self.event_time, "carried": self.carried}
        return json.dumps({name: value for name, value in content.items() if value is not None})


def committed_reach(offset: int, metadata: str | None, needs_positions: bool) -> Reached:
    """Return a commit as it was made.

    Raises
    ------
    ValueError
        If positions are due and the metadata holds none: going on would double records for good.
    """
    try:
        content = json.loads(metadata) if metadata else {}
        positions = content.get("positions")
    except (json.JSONDecodeError, AttributeError) as error:
        raise ValueError(f"the committed metadata is not ours: {error}") from error
    if needs_positions and positions is None:
        raise ValueError("an offset was committed without positions; records after it could be doubled")
    return Reached(offset, positions, content.get("event_time"), content.get("carried"))


@dataclass(slots=True)
class Ticket:
    """A batch whose outputs are on their way."""

    reached: dict[Place, Reached]
    waiting: int = 0


@dataclass(slots=True)
class Progress:
    """The durable reach of each input partition.

    Only the last output for each output partition carries a callback: an idempotent, gapless
    producer acknowledges a partition's records in order, so the last answer stands for all.
    """

    durable: dict[Place, Reached] = field(default_factory=dict)
    _tickets: deque[Ticket] = field(default_factory=deque)
    _changed: set[Place] = field(default_factory=set)

    def open(self, reached: dict[Place, Reached], waiting: int) -> Ticket:
        """Return the ticket of a batch that waits for so many answers."""
        ticket = Ticket(reached, waiting)
        self._tickets.append(ticket)
        self._settle()
        return ticket

    def answered(self, ticket: Ticket) -> None:
        """Take one of the answers that a ticket waits for."""
        ticket.waiting -= 1
        if ticket.waiting == 0:
            self._settle()

    def take_changed(self) -> dict[Place, Reached]:
        """Return what became durable since the last call."""
        changed = {place: self.durable[place] for place in self._changed if place in self.durable}
        self._changed.clear()
        return changed

    def has_reached(self, place: Place, offset: int) -> bool:
        """Tell whether all outputs of the input below ``offset`` are durable."""
        return place in self.durable and self.durable[place].offset >= offset

    @property
    def is_settled(self) -> bool:
        """Whether no batch waits for an answer."""
        return not self._tickets

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that went elsewhere."""
        self.durable = {place: reach for place, reach in self.durable.items() if place.partition != partition}
        self._changed = {place for place in self._changed if place.partition != partition}

    def _settle(self) -> None:
        while self._tickets and self._tickets[0].waiting == 0:
            reached = self._tickets.popleft().reached
            self.durable.update(reached)
            self._changed.update(reached)
