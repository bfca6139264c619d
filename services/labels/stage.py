"""The join of scores and labels, one partition at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import schemas
from services.labels.examples import Join, joined
from services.labels.sketches import LabelSketches
from services.labels.store import Score, Store, Version
from shared.stream import Batch, Input, Outgoing, Stage
from shared.stream.dead_letters import DeadLetters

DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds of event time.

    ``horizon``: when a payment without a label is genuine; ``label_lag``: how much later that is said;
    ``correction``: when a payment is forgotten.
    """

    horizon: int
    label_lag: int
    correction: int


class LabelsStage(Stage):
    """Scores and labels in; examples and outcomes out, as facts.

    Parameters
    ----------
    folder
        Where the stores of the partitions lie.
    letters
        Where labels go whose payment never came.
    count
        Told what happened to how many labels.
    """

    inputs = (Input("scores.v1"), Input("labels.v1"))
    is_patient = True
    has_store = True
    writes_facts = True

    def __init__(
        self,
        folder: Path,
        times: Times,
        sketches: LabelSketches,
        letters: DeadLetters,
        count: Callable[[str, int], None],
    ) -> None:
        self._folder, self._times = folder, times
        self._sketches, self._letters, self._count = sketches, letters, count
        self._stores: dict[int, Store] = {}
        self._swept: dict[int, int] = {}
        self._unproven: dict[int, list[tuple[int, int]]] = {}
        self._waiting: list[Outgoing] = []

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
        self._waiting += self._sketches.release(partition)

    def idle(self) -> list[Outgoing]:
        """Return the last sketches of partitions that went elsewhere."""
        waiting, self._waiting = self._waiting, []
        return waiting

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
        return [*joined(join), *self._sketches.add(batch, join), *self._orphans(join), *self.idle()]

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
        past = store.mark.swept - self._times.correction, swept - self._times.correction
        store.forget(scores=past, labels=(store.mark.swept, swept))
        store.mark.swept = swept
        store.write()

    def _take_scores(self, partition: int, batch: Batch, rows: list[int], join: Join) -> None:
        store = self._stores[partition]
        times = batch.event_times[rows].tolist()
        store.mark.watermark = max(store.mark.watermark, *times)
        until = store.mark.watermark - self._times.label_lag
        names = [batch.keys[row] for row in rows]
        found = store.labels(names)
        for row, name, time, versions in zip(rows, names, times, found, strict=True):
            score = Score(int(batch.offsets[row]), time, batch.values[row])
            store.put_score(name, score)
            for version in versions:
                self._count("early", 1)
                join.outcome(partition, score, version)
            if versions:
                join.explicit(partition, score, versions[-1], score.offset)
            elif time + self._times.horizon < until:
                join.implied(partition, score, time + self._times.horizon, score.offset)
        self._sweep(partition, until, int(batch.offsets[rows[-1]]) + 1, set(names), join)

    def _sweep(self, partition: int, until: int, reached: int, taken: set[bytes], join: Join) -> None:
        store, horizon = self._stores[partition], self._times.horizon
        if until <= self._swept[partition]:
            return
        between = store.scores_between(self._swept[partition] - horizon, until - horizon)
        due = [(name, score) for name, score in between if name not in taken]
        if due:
            known = store.labels([name for name, _ in due])
            for (_, score), versions in zip(due, known, strict=True):
                if not versions:
                    join.implied(partition, score, score.event_time + horizon, reached - 1)
        self._find_orphans(partition, until, join)
        self._swept[partition] = until
        self._unproven[partition].append((reached, until))

    def _find_orphans(self, partition: int, until: int, join: Join) -> None:
        store = self._stores[partition]
        names = list(store.label_ends(self._swept[partition], until))
        if not names:
            return
        for name, score, versions in zip(names, store.scores(names), store.labels(names), strict=True):
            if score is None:
                join.orphans += [(partition, name, version) for version in versions]

    def _orphans(self, join: Join) -> list[Outgoing]:
        topic, letters = "labels.v1", []
        detail = "no payment with this id was scored within the correction horizon"
        for partition, name, version in join.orphans:
            place = partition, version.offset, version.accepted_ms
            letters.append(self._letters.letter(topic, name, b"", place, "orphan_label", detail, False))
        if not letters:
            return []
        self._count("orphan", len(letters))
        return [Outgoing("dead-letters.v1", [key for key, _ in letters], [value for _, value in letters])]

    def _take_labels(self, partition: int, batch: Batch, rows: list[int], join: Join) -> None:
        found = batch.fields(["label", "label_time", "origin"])
        is_fraud = found.numbers("label") == schemas.symbols(batch.topic, "label").index("fraud")
        times, origins = found.numbers("label_time").tolist(), found.texts("origin")
        store = self._stores[partition]
        for row in rows:
            place = int(batch.offsets[row]), int(batch.accepted_ms[row])
            version = Version(times[row], bool(is_fraud[row]), origins[row].decode(), *place)
            self._take_label(partition, batch.keys[row], version, store, join)

    def _take_label(self, partition: int, name: bytes, version: Version, store: Store, join: Join) -> None:
        known = store.labels([name])[0]
        same = [each for each in known if _said(each) == _said(version)]
        if same and same[0].offset != version.offset:
            self._count("repeat", 1)
            return
        if any(each.label_time == version.label_time and each.is_fraud != version.is_fraud for each in known):
            self._count("contradicting", 1)
        versions = known if same else sorted([*known, version])
        store.put_labels(name, versions, self._times.correction)
        score = store.scores([name])[0]
        if score is not None:
            self._count("corrected" if len(versions) > 1 else "joined", 1)
            join.outcome(partition, score, version)
            if version == versions[-1]:
                join.explicit(partition, score, version, version.offset)


def _said(version: Version) -> tuple[int, bool, str]:
    return version.label_time, version.is_fraud, version.origin
