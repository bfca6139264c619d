"""What comes into the chain of the simulation: payments and outcomes by round, with repeats."""

from __future__ import annotations

import random

from shared.stream.memory import MemoryLog
from tests.unit.protocol_stages import FACTS, PARTITIONS, PAYMENTS, Payment, place_of

ROUNDS, QUIET_ROUNDS = 6, 9


class Upstream:
    """A service that is killed, sends again, and has zombies of its own."""

    def __init__(self, seed: int, draw: random.Random, log: MemoryLog) -> None:
        self._draw, self._log = draw, log
        self.payments: list[Payment] = []
        self.facts: list[Payment] = []
        self.sent: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.is_quiet = seed % 3 == 0
        """Whether one partition has repeats only after the first round, so that all else may be cut away."""
        self.rounds = QUIET_ROUNDS if self.is_quiet else ROUNDS

    def write_round(self, number: int) -> None:
        for _ in range(3):
            self._write_fact(number)
        fresh: dict[int, list[bytes]] = {}
        for _ in range(self._draw.randint(2, 5)):
            payment = self._payment(number)
            at = place_of(payment.customer)
            self.payments.append(payment)
            self.sent[at].append(payment.record(PAYMENTS, (at, len(self.sent[at]))))
            fresh.setdefault(at, []).append(self.sent[at][-1])
        for at in range(PARTITIONS):
            values = fresh.get(at, [])
            for value in [
                *self._repeats(self.sent[at][: -len(values) or None]),
                *self._cut_short(values),
                *values,
            ]:
                self._log.append((PAYMENTS, at), b"key", value)

    def _write_fact(self, number: int) -> None:
        fact = Payment(0, number, 0, self._draw.randrange(3), self._draw.randrange(1, 10_000))
        self.facts.append(fact)
        self._log.append((FACTS, place_of(fact.terminal)), None, fact.record(FACTS, (0, number)))

    def _payment(self, number: int) -> Payment:
        is_quiet = number > 0 and self.is_quiet
        customer = self._draw.choice([each for each in range(5) if not is_quiet or place_of(each) == 0])
        return Payment(
            len(self.payments), number, customer, self._draw.randrange(3), self._draw.randrange(1, 10_000)
        )

    def _repeats(self, before: list[bytes]) -> list[bytes]:
        """Return what a zombie upstream still had in its queue."""
        if not before or self._draw.random() < 0.5:
            return []
        start = self._draw.randrange(len(before))
        return before[start : start + 3]

    def _cut_short(self, values: list[bytes]) -> list[bytes]:
        """Return what the service upstream sent before it was killed; it then sends it all again."""
        return values[: self._draw.randrange(len(values) + 1)] if self._draw.random() < 0.5 else []
