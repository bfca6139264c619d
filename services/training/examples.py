"""The labelled examples: a topic of facts as a table with one row a payment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training import register
from services.training.failure import TrainingError
from shared import wire
from shared.features import FeatureSet
from shared.settings import Settings
from shared.stream.clients import read_topic

TOPIC = "examples.v1"
CHUNK = 20_000  # records decoded at once: a few megabytes
VERSIONS = ("customer_features_version", "terminal_features_version")
BLOCKS = ("customer_features", "terminal_features")
FIELDS = (
    "transaction_id",
    "event_time",
    "customer_id",
    "terminal_id",
    "amount_base",
    "channel",
    "score",
    "model_version",
    "challenger_score",
    "challenger_version",
    "label",
    "label_time",
    "label_origin",
    "label_rank",
    *VERSIONS,
    *BLOCKS,
)
IMPLIED = "implied"


@dataclass(frozen=True, slots=True)
class Examples:
    """One row a payment, ordered by event time and transaction id.

    ``rows`` holds what `decoded` gives but the features: times in microseconds, amount_base in minor
    units; ``features`` has shape (n, k), NaN where undefined.
    """

    rows: pl.DataFrame
    features: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return self.rows.height

    def where(self, chosen: npt.NDArray[np.bool_]) -> Examples:
        """Return the rows where ``chosen`` is true."""
        return Examples(self.rows.filter(pl.Series(chosen)), self.features[chosen])

    def within(self, start: int, end: int) -> Examples:
        """Return the payments with event time in [start, end), microseconds."""
        times = self.times
        return self.where((times >= start) & (times < end))

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Event times, microseconds."""
        times: npt.NDArray[np.int64] = self.rows["event_time"].to_numpy()
        return times

    @property
    def is_fraud(self) -> npt.NDArray[np.bool_]:
        """Whether each payment is a fraud."""
        labels: npt.NDArray[np.bool_] = self.rows["is_fraud"].to_numpy()
        return labels

    @property
    def frauds(self) -> int:
        """Number of frauds."""
        return int(self.is_fraud.sum())

    def digest(self) -> str:
        """Return the SHA-256 of ids, labels and features: the same rows, the same digest."""
        found = hashlib.sha256("\n".join(self.rows["transaction_id"].to_list()).encode())
        found.update(self.is_fraud.tobytes())
        found.update(np.ascontiguousarray(self.features).tobytes())
        return found.hexdigest()


def read_examples(
    settings: Settings, definitions: FeatureSet, on_progress: Callable[[int], None] = lambda count: None
) -> Examples:
    """Return the examples that the topic holds now, made with these feature definitions.

    Raises
    ------
    TrainingError
        If there is none, or a record is no example.
    DependencyError
        If the broker or the topic is not there.
    """
    values = (message.value() or b"" for message in read_topic(settings, TOPIC))
    frames, seen = [], 0
    for chunk in _chunks(values):
        seen += len(chunk)
        on_progress(seen)
        frames.append(_decoded(chunk, definitions.version, settings.topic(TOPIC)))
    found = upserted(frames) if frames else None
    if found is None or not len(found):
        raise TrainingError(
            f"topic {settings.topic(TOPIC)} holds no example with features version {definitions.version} "
            f"among {seen} records; replay payments and labels first"
        )
    return found


def decoded(values: Sequence[bytes], version: int, places: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return framed examples as columns, of one version of the features.

    ``places``, where given, are columns of the same height that are put in front.
    """
    frame = wire.decode_columns(values, FIELDS)
    frame = frame if places is None else pl.concat([places, frame], how="horizontal")
    return frame.filter(pl.all_horizontal(pl.col(each) == version for each in VERSIONS)).select(
        *(places.columns if places is not None else ()),
        "transaction_id",
        pl.col("event_time").cast(pl.Int64),
        "customer_id",
        "terminal_id",
        "amount_base",
        pl.col("channel").cast(pl.String),
        "score",
        "model_version",
        "challenger_score",
        "challenger_version",
        "label_origin",
        is_fraud=pl.col("label").cast(pl.String) == "fraud",
        is_implied=pl.col("label_origin") == IMPLIED,
        label_rank="label_rank",
        label_time=pl.col("label_time").cast(pl.Int64),
        features=pl.concat_list(BLOCKS),
    )


def upserted(frames: Sequence[pl.DataFrame]) -> Examples:
    """Return the winner of each payment: the higher rank, then the later label, then the fraud.

    Which record came first does not matter.
    """
    frame = register.upserted(frames[0].clear(), pl.concat(frames))
    features = wire.feature_matrix(frame, "features") if frame.height else np.empty((0, 0), np.float32)
    return Examples(frame.drop("features"), features)


def _decoded(values: Sequence[bytes], version: int, topic: str) -> pl.DataFrame:
    try:
        return decoded(values, version)
    except (wire.WireError, pl.exceptions.PolarsError) as error:
        raise TrainingError(
            f"topic {topic} holds a record that is no example ({error}); only `labels` may write there"
        ) from error


def _chunks(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
