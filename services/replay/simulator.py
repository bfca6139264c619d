"""Simulated payments, after the description in the Fraud Detection Handbook (Le Borgne et al., 2022).

Customers and terminals lie on a square of 100 x 100. A customer pays at terminals within a radius, so
often a day (Poisson) and such amounts (normal) as is their habit. Frauds: amounts above 220; terminals
that are compromised for 28 days; customers whose card data leak, of whose payments a third is five times
as high for 14 days. Leaked cards may instead be tested by bursts of small payments at any terminals, within
half an hour each day: a kind of fraud that the Handbook does not have. Each day is drawn from its own seed,
so a replay may go on from any day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from services.replay.changes import Change

GRID = 100.0
DAY_SECONDS = 86_400
NOON, SPREAD = 43_200, 20_000  # seconds: payments gather around noon
HIGH_CENTS = 22_000
TERMINAL_DAYS, CUSTOMER_DAYS = 28, 14
STOLEN_FACTOR, STOLEN_SHARE = 5, 3
BURST, BURST_SECONDS, BURST_CENTS = 4, 1800, (100, 500)
REGIONS = ("south-west", "south-east", "north-west", "north-east")
AGE_BANDS = ("18-29", "30-44", "45-59", "60+")
GENDERS = ("female", "male", "other")
GENDER_SHARES = (0.49, 0.49, 0.02)
POPULATION, PAYMENTS, TERMINALS, CUSTOMERS, BURSTS, BURST_PAYMENTS = range(6)  # streams of random numbers
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Simulation:
    """A simulated history; equal parameters give equal payments.

    ``start`` is in microseconds since 1970 UTC; ``rate`` multiplies how often customers pay;
    ``compromised_terminals`` and ``compromised_customers`` are the new ones each day. ``behaviour``
    scales the customers' amounts, ``frequency`` how often they pay, ``fraud`` the number of newly
    compromised; ``bursts`` is the share of the leaked cards that are used in bursts of small payments.
    """

    customers: int = 5000
    terminals: int = 10_000
    radius: float = 5.0
    days: int = 30
    start: int = 1_522_540_800_000_000
    seed: int = 0
    rate: float = 1.0
    compromised_terminals: float = 2.0
    compromised_customers: float = 3.0
    behaviour: Change = field(default_factory=Change)
    frequency: Change = field(default_factory=Change)
    fraud: Change = field(default_factory=Change)
    bursts: Change = field(default_factory=lambda: Change(to=0.0, before=0.0))

    @property
    def name(self) -> str:
        """Name for progress files."""
        return f"simulation-{self.seed}"

    def total(self) -> int | None:
        """Return None: how many payments there are is known when they are drawn."""
        return None

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the payments of each day."""
        for day in range(self.days):
            frame = self.day(day)
            if frame.height:
                yield frame

    def day(self, day: int) -> pl.DataFrame:
        """Return the payments of one day, counted from 0, by event time."""
        people = self._people
        draw = self._random(PAYMENTS, day)
        counts = draw.poisson(people.daily * self.rate * self.frequency.factor(day))
        customer = np.repeat(np.arange(self.customers), np.where(people.reach_size > 0, counts, 0))
        second = draw.normal(NOON, SPREAD, len(customer)).astype(np.int64)
        is_that_day = (second > 0) & (second < DAY_SECONDS)
        customer, second = customer[is_that_day], second[is_that_day]
        pick = (draw.random(len(customer)) * people.reach_size[customer]).astype(np.int64)
        terminal = people.reach[people.reach_start[customer] + pick]
        cents = self._cents(draw, customer, day)
        scenario, cents = self._frauds(draw, day, customer, terminal, cents)
        columns = (second, customer, terminal, cents, scenario)
        second, *rest = (np.concatenate(both) for both in zip(columns, self._bursts(day), strict=True))
        order = np.argsort(second, kind="stable")
        return self._frame(day, second[order], *(column[order] for column in rest))

    def population(self) -> pl.DataFrame:
        """Return customer_id, region, age_band and gender of each customer; never features."""
        people, draw = self._people, self._random(POPULATION, 1)
        quarter = (people.place[:, 0] >= GRID / 2) + 2 * (people.place[:, 1] >= GRID / 2)
        ages = draw.integers(0, len(AGE_BANDS), self.customers)
        genders = draw.choice(len(GENDERS), self.customers, p=GENDER_SHARES)
        return pl.DataFrame(
            {
                "customer_id": [f"c{number}" for number in range(self.customers)],
                "region": [REGIONS[each] for each in quarter.tolist()],
                "age_band": [AGE_BANDS[each] for each in ages.tolist()],
                "gender": [GENDERS[each] for each in genders.tolist()],
            }
        )

    @cached_property
    def _people(self) -> People:
        return _people(self._random(POPULATION, 0), self.customers, self.terminals, self.radius)

    def _random(self, stream: int, day: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, day])

    def _cents(self, draw: np.random.Generator, customer: Ints, day: int) -> Ints:
        mean = self._people.mean[customer] * self.behaviour.factor(day)
        amount = draw.normal(mean, mean / 2)
        redrawn = draw.uniform(0, 2 * mean)
        return np.round(np.where(amount < 0, redrawn, amount) * 100).astype(np.int64)

    def _frauds(
        self, draw: np.random.Generator, day: int, customer: Ints, terminal: Ints, cents: Ints
    ) -> tuple[Ints, Ints]:
        scenario = np.where(cents > HIGH_CENTS, 1, 0)
        bad = self._compromised(TERMINALS, day, TERMINAL_DAYS, self.compromised_terminals, self.terminals)
        scenario[np.isin(terminal, bad)] = 2
        leaked, is_burst = self._leaked(day)
        leaked = leaked[~is_burst]
        is_stolen = np.isin(customer, leaked) & (draw.integers(0, STOLEN_SHARE, len(customer)) == 0)
        scenario[is_stolen] = 3
        return scenario, np.where(is_stolen, cents * STOLEN_FACTOR, cents)

    def _leaked(self, day: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the customers whose cards have leaked, and which of them are used in bursts that day."""
        leaked = self._compromised(CUSTOMERS, day, CUSTOMER_DAYS, self.compromised_customers, self.customers)
        return leaked, self._random(BURSTS, day).random(len(leaked)) < self.bursts.factor(day)

    def _bursts(self, day: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Return seconds, customers, terminals, amounts and scenarios of the payments in bursts."""
        leaked, is_burst = self._leaked(day)
        draw = self._random(BURST_PAYMENTS, day)
        cards = np.repeat(leaked[is_burst], BURST)
        starts = draw.integers(0, DAY_SECONDS - BURST_SECONDS, int(is_burst.sum()))
        second = np.repeat(starts, BURST) + draw.integers(0, BURST_SECONDS, len(cards))
        terminal = draw.integers(0, self.terminals, len(cards))
        return second, cards, terminal, draw.integers(*BURST_CENTS, len(cards)), np.full(len(cards), 4)

    def _compromised(self, stream: int, day: int, last: int, number: float, of: int) -> Ints:
        found = [np.zeros(0, np.int64)]
        for began in range(max(0, day - last + 1), day + 1):
            draw = self._random(stream, began)
            count = min(int(number * self.fraud.factor(began) + draw.random()), of)
            found.append(draw.choice(of, count, replace=False))
        return np.concatenate(found)

    def _frame(
        self, day: int, second: Ints, customer: Ints, terminal: Ints, cents: Ints, scenario: Ints
    ) -> pl.DataFrame:
        times = self.start + (day * DAY_SECONDS + second) * 1_000_000
        number = np.arange(len(second))
        return pl.DataFrame(
            {
                "transaction_id": [f"s{self.seed}-{day}-{each}" for each in number.tolist()],
                "event_time": times,
                "customer_id": [f"c{each}" for each in customer.tolist()],
                "terminal_id": [f"m{each}" for each in terminal.tolist()],
                "amount": cents,
                "currency": "EUR",
                "label": np.where(scenario > 0, "fraud", "genuine"),
            }
        )


@dataclass(frozen=True)
class People:
    """Habits of customers, and the terminals in their reach: ``reach`` holds them one after the other."""

    place: Floats
    mean: Floats
    daily: Floats
    reach: Ints
    reach_start: Ints
    reach_size: Ints


def _people(draw: np.random.Generator, customers: int, terminals: int, radius: float) -> People:
    place = draw.uniform(0, GRID, (customers, 2))
    mean, daily = draw.uniform(5, 100, customers), draw.uniform(0, 4, customers)
    shops = draw.uniform(0, GRID, (terminals, 2))
    near = [np.flatnonzero(((shops - each) ** 2).sum(axis=1) < radius**2) for each in place]
    sizes = np.array([len(each) for each in near], np.int64)
    starts = np.cumsum(sizes) - sizes
    return People(place, mean, daily, np.concatenate([*near, np.zeros(1, np.int64)]), starts, sizes)
