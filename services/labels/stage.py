"""The join of scores and labels, one partition at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.labels.examples import Join, joined
from services.labels.store import Score, Store, Version
from shared import wire
from shared.stream import Batch, Input, Outgoing, Stage

DAY = 86_400_000_000


class LabelsStage(Stage):
    """Scores and labels in; examples and outcomes out, as facts.

    Parameters
    ----------
    folder
        Where the stores of the partitions lie.
    horizon, label_lag, correction
        Microseconds: when a payment without a label is genuine, how much later that is said, and when
        a payment is forgotten.
    """

    inputs = (Input("scores.v1"), Input("labels.v1"))
    has_store = True
    writes_facts = True

    def __init__(self, folder: Path, horizon: int, label_lag: int, correction: int) -> None:
        self._folder = folder
        self._horizon, self._label_lag, self._correction = horizon, label_lag, correction
        self._stores: dict[int, Store] = {}
        self._swept: dict[int, int] = {}
        self._unproven: dict[int, list[tuple[int, int]]] = {}
        self.counts: dict[str, int] = {}

    def applied(self, partition: int) -> dict[str, int]:
        """Open the partition's store; return how far it is."""
        store = Store(self._folder / str(partition))
        self._stores[partition] = store
        self._swept[partition] = store.mark.swept
        self._unproven[partition] = []
        return dict(store.mark.applied)

    def release(self, partition: int) -> None:
        """Close the partition's store."""
        self._stores.pop(partition).close()

    def close(self) -> None:
        """Close all stores."""
        for partition in list(self._stores):
            self.release(partition)

    def process(self, batch: Batch) -> list[Outgoing]:
        """Join a batch of scores or of labels with what is known."""
        join = Join()
        take = self._take_scores if batch.topic == "scores.v1" else self._take_labels
        for partition in sorted(set(batch.partitions.tolist())):
            rows = np.flatnonzero(batch.partitions == partition).tolist()
            store = self._stores[partition]
            take(partition, batch, rows, join)
            store.mark.applied[batch.topic] = int(batch.offsets[rows[-1]]) + 1
            store.write()
        return joined(join)

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        """Drop the horizons whose implied examples are durable."""
        if topic != "scores.v1" or partition not in self._stores:
            return
        waiting = self._unproven[partition]
        proven = [swept for at, swept in waiting if at <= offset]
        if not proven:
            return
        self._unproven[partition] = waiting[len(proven) :]
        self._settle(self._stores[partition], proven[-1])

    def _settle(self, store: Store, swept: int) -> None:
        for time, name in store.due(b"h", store.mark.swept, swept):
            store.drop_due(time, name)
        for time, name in store.due(b"e", store.mark.swept, swept):
            store.forget(name, time)
        store.mark.swept = swept
        store.write()

    def _take_scores(self, partition: int, batch: Batch, rows: list[int], join: Join) -> None:
        store = self._stores[partition]
        times = wire.event_times([batch.values[row] for row in rows]).tolist()
        names = [batch.keys[row] for row in rows]
        found = store.labels(names)
        for row, name, time, versions in zip(rows, names, times, found, strict=True):
            score = Score(int(batch.offsets[row]), time, batch.values[row])
            store.put_score(name, score, self._horizon, self._correction)
            for version in versions:
                self._count("early")
                join.explicit(partition, score, version, is_current=version == versions[-1])
            if not versions and time + self._horizon < self._swept[partition]:
                join.implied(partition, score, time + self._horizon)
        store.mark.watermark = max(store.mark.watermark, *times)
        self._sweep(partition, int(batch.offsets[rows[-1]]) + 1, join)

    def _sweep(self, partition: int, reached: int, join: Join) -> None:
        store = self._stores[partition]
        until = store.mark.watermark - self._label_lag
        if until <= self._swept[partition]:
            return
        due = list(store.due(b"h", self._swept[partition], until))
        if due:
            names = [name for _, name in due]
            pairs = zip(due, store.scores(names), store.labels(names), strict=True)
            for (time, _), score, versions in pairs:
                if score is not None and not versions:
                    join.implied(partition, score, time)
        self._count_orphans(store, self._swept[partition], until)
        self._swept[partition] = until
        self._unproven[partition].append((reached, until))

    def _count_orphans(self, store: Store, first: int, until: int) -> None:
        names = [name for _, name in store.due(b"e", first, until)]
        if names:
            self._count("orphan", sum(score is None for score in store.scores(names)))

    def _take_labels(self, partition: int, batch: Batch, rows: list[int], join: Join) -> None:
        columns = batch.columns(["transaction_id", "label", "label_time", "origin"])
        store = self._stores[partition]
        for row in rows:
            name = batch.keys[row]
            _, label, time, origin = columns.row(row)
            moment = round(time.timestamp() * 1_000_000)
            version = Version(moment, label == "fraud", origin, int(batch.offsets[row]))
            self._take_label(partition, name, version, store, join)

    def _take_label(self, partition: int, name: bytes, version: Version, store: Store, join: Join) -> None:
        known = store.labels([name])[0]
        same = [each for each in known if _said(each) == _said(version)]
        if same and same[0].offset != version.offset:
            self._count("repeat")
            return
        if any(each.label_time == version.label_time and each.is_fraud != version.is_fraud for each in known):
            self._count("contradicting")
        versions = known if same else sorted([*known, version])
        store.put_labels(name, versions, self._correction)
        score = store.scores([name])[0]
        if score is not None:
            self._count("corrected" if len(versions) > 1 else "joined")
            join.explicit(partition, score, version, is_current=version == versions[-1])

    def _count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


def _said(version: Version) -> tuple[int, bool, str]:
    return version.label_time, version.is_fraud, version.origin
