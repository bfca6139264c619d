"""The job of the peers written in Python: counts and mean amounts of a customer over 1, 7 and 30 days."""

from __future__ import annotations

from collections import deque
from typing import Any

DAY = 86_400_000_000
DAYS = (1, 7, 30)
CENTS = 100


class Windows:
    """The payments of one customer, in the order of time, with the running sum of each window."""

    def __init__(self) -> None:
        self.payments: dict[int, deque[tuple[int, int]]] = {days: deque() for days in DAYS}
        self.sums = dict.fromkeys(DAYS, 0)

    def add(self, payment: dict[str, Any]) -> dict[str, Any]:
        """Take a payment; return its features."""
        time, amount = payment["event_time"], payment["amount"]
        row = {"transaction_id": payment["transaction_id"]}
        for days, kept in self.payments.items():
            kept.append((time, amount))
            total = self.sums[days] + amount
            while kept[0][0] <= time - days * DAY:
                total -= kept.popleft()[1]
            self.sums[days] = total
            row[f"customer_count_{days}d"] = len(kept)
            row[f"customer_mean_amount_{days}d"] = total / len(kept) / CENTS
        return row


def added(history: list[list[int]], payment: dict[str, Any]) -> tuple[list[list[int]], dict[str, Any]]:
    """Return the history of a customer with a payment more, and the payment's features.

    For stores that write a state out whenever it changes: plain lists, and no sums beside them.
    """
    time, amount = payment["event_time"], payment["amount"]
    longest = time - DAYS[-1] * DAY
    history = [each for each in history if each[0] > longest]
    history.append([time, amount])
    row = {"transaction_id": payment["transaction_id"]}
    for days in DAYS:
        amounts = [each[1] for each in history if each[0] > time - days * DAY]
        row[f"customer_count_{days}d"] = len(amounts)
        row[f"customer_mean_amount_{days}d"] = sum(amounts) / len(amounts) / CENTS
    return history, row
