"""`millrace dead-letters`: list what could not be taken, and give it to ingest again.

A letter that was replayed is followed, in the same topic, by one of reason ``replayed`` for the same place.
So a second replay sends nothing twice; were it stopped between the two, ingest knows the payment by its id.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from services.cli.output import add_output, emit
from services.cli.tail import iso

if TYPE_CHECKING:
    from shared.settings import Settings

TOPIC = "dead-letters.v1"
RAW = ("transactions.raw.v1", "labels.raw.v1")
REPLAYED = "replayed"


class Letter(NamedTuple):
    """A dead letter: its key in the topic and its content."""

    key: bytes
    record: dict[str, Any]

    @property
    def place(self) -> tuple[str, int, int]:
        """Where the record lay that could not be taken."""
        return self.record["topic"], self.record["partition"], self.record["offset"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="letters that wait, oldest first")
    listing.add_argument("-n", dest="count", type=int, help="at most so many, the newest")
    replay = verbs.add_parser("replay", help="send them to the topics they came from, to be checked again")
    replay.add_argument("--dry-run", action="store_true", help="only tell what would be sent")
    for inner in (listing, replay):
        inner.add_argument("--reason", help="only letters of this reason")
        add_output(inner)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where letters cannot be replayed."""
    letters = waiting(settings, arguments.reason)
    if arguments.verb == "list":
        shown = letters[-arguments.count :] if arguments.count else letters
        emit(arguments, [_row(letter) for letter in shown])
        return 0
    counts = replay(settings, letters, arguments.dry_run)
    emit(arguments, [dict(counts)])
    left = counts["bytes_not_kept"] + counts["not_from_outside"]
    if left:
        print(f"millrace dead-letters: {left} of {len(letters)} letters stay as they are", file=sys.stderr)
    return 1 if left else 0


def waiting(settings: Settings, reason: str | None = None) -> list[Letter]:
    """Return the letters that were not replayed yet, each place once, in the order of broker time.

    Raises
    ------
    DependencyError
        If the broker or the topic is not there.
    """
    found: dict[tuple[str, int, int], Letter] = {}
    done = set()
    for letter in _letters(settings):
        if letter.record["reason"] == REPLAYED:
            done.add(letter.place)
        else:
            found.setdefault(letter.place, letter)
    chosen = [
        letter
        for place, letter in found.items()
        if place not in done and reason in (None, letter.record["reason"])
    ]
    return sorted(chosen, key=lambda letter: (letter.record["accepted_at"], letter.place))


def replay(settings: Settings, letters: list[Letter], is_dry: bool) -> Counter[str]:
    """Send letters to the raw topics they came from; return how many, and how many could not be."""
    from services.replay.sender import Sender
    from shared.stream.dead_letters import KEPT_BYTES, DeadLetters

    counts: Counter[str] = Counter(replayed=0, bytes_not_kept=0, not_from_outside=0)
    opener = DeadLetters("cli", settings)
    raw = {settings.topic(name): name for name in RAW}
    sender = Sender(settings, (*RAW, TOPIC))
    for letter in letters:
        topic = raw.get(letter.record["topic"])
        content = opener.open(letter.record) if topic else None
        if topic is None:
            counts["not_from_outside"] += 1
        elif content is None or len(content[1]) >= KEPT_BYTES:
            counts["bytes_not_kept"] += 1
        else:
            counts["replayed"] += 1
            if not is_dry:
                sender.send(topic, [content])
                sender.flush()
                sender.send(TOPIC, [_done(opener, letter)])
    sender.flush()
    return counts


def _done(opener: Any, letter: Letter) -> tuple[bytes, bytes]:
    topic, partition, offset = letter.place
    place = partition, offset, letter.record["accepted_at"] // 1000
    _, value = opener.letter(topic, b"", b"", place, REPLAYED, "sent again", is_kept=False)
    return letter.key, value


def _letters(settings: Settings) -> Iterator[Letter]:
    from shared import wire
    from shared.stream.clients import read_topic

    for message in read_topic(settings, TOPIC):
        yield Letter(message.key() or b"", wire.decode(message.value() or b"", TOPIC))


def _row(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "accepted_at": iso(record["accepted_at"]),
        "service": record["service"],
        "topic": record["topic"],
        "place": f"{record['partition']}:{record['offset']}",
        "reason": record["reason"],
        "detail": record["detail"],
        "is_kept": record["encrypted_value"] is not None,
    }
