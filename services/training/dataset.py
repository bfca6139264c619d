"""The data set: Parquet by event date, with the place in the log up to which it holds.

``event_date=2018-05-07/examples.parquet`` below one folder: `pandas.read_parquet(folder)` reads it at any
time. Files whose names begin with ``_`` or ``.`` are the service's own. A commit writes what changes beside
what stands, then one state file that makes it so, then puts it in place; a commit that was cut short is
undone or finished at the next start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from services.training import register
from services.training.examples import Examples
from services.training.failure import TrainingError
from services.training.order import Reached
from services.training.split import DAY

STATE, DATA = "_state.json", "examples.parquet"
TIMES = ("event_time", "label_time", "known_at")
PARTITIONED = "event_date="
EPOCH = date(1970, 1, 1)


class Origin(msgspec.Struct, frozen=True):
    """What a data set is made from; another origin makes it void."""

    topic_id: str
    features_version: int
    features: tuple[str, ...]
    learner: str
    """Version of the library whose snapshot lies beside the rows."""


class State(msgspec.Struct, frozen=True):
    """What a commit makes true: places in the log, and the files that belong to them."""

    origin: Origin
    number: int = 0
    reached: dict[int, tuple[int, int]] = {}
    """Next offset and clock by partition."""
    began: int | None = None
    """When the first label counted, microseconds."""
    oldest: str = ""
    newest: str = ""


@dataclass(slots=True)
class Dataset:
    """The register of examples on disk; for one writer."""

    folder: Path
    kept_days: int
    state: State

    @classmethod
    def open(cls, folder: Path, kept_days: int, origin: Origin) -> Dataset:
        """Return the data set of a folder as its last commit left it; empty where it is of another origin."""
        state = _read_state(folder / STATE)
        if state is None or state.origin != origin or not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            state = State(origin)
        found = cls(folder, kept_days, state)
        found._settle()
        return found

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """Return the data set of a folder for reading only.

        Raises
        ------
        TrainingError
            If there is none.
        """
        state = _read_state(folder / STATE)
        if state is None:
            raise TrainingError(f"{folder} holds no data set; the service `training` makes it")
        return cls(folder, 0, state)

    @property
    def reached(self) -> dict[int, Reached]:
        """How far each partition of the topic is taken in."""
        return {partition: Reached(*pair) for partition, pair in self.state.reached.items()}

    @property
    def attachment(self) -> bytes | None:
        """What was committed beside the rows; None where nothing was."""
        file = self._attachment(self.state.number)
        return file.read_bytes() if file.exists() else None

    def standing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return what stands on the dates of these rows, in their columns."""
        files = [self._file(day) for day in _dates(rows)]
        frames = [_columns(file) for file in files if file.exists()]
        return pl.concat([rows.clear(), *(frame.select(rows.columns) for frame in frames)])

    def commit(
        self, standing: pl.DataFrame, rows: pl.DataFrame, reached: dict[int, Reached], attachment: bytes
    ) -> None:
        """Take rows, at least one, in the order of `Merge`, whole or not at all.

        Dates that lie too far back are left out and dropped.
        """
        newest = max([self.state.newest, *_dates(rows)])
        oldest = (date.fromisoformat(newest) - timedelta(days=self.kept_days)).isoformat()
        dated = register.upserted(standing, rows).with_columns(_date_of(pl.col("event_time")).alias("date"))
        kept = dated.filter(pl.col("date") >= oldest)
        number = self.state.number + 1
        self.folder.mkdir(parents=True, exist_ok=True)
        for (day,), found in kept.group_by("date", maintain_order=True):
            _write(self._file(str(day)).with_name(_next(number)), found.drop("date"))
        self._attachment(number).write_bytes(attachment)
        places = {partition: (each.offset, each.clock) for partition, each in reached.items()}
        began = self.state.began if self.state.began is not None else int(rows["at"][0])
        state = State(self.state.origin, number, places, began, oldest, newest)
        _replace(self.folder / STATE, msgspec.json.encode(state))
        self.state = state
        self._settle()

    def examples(self, start: int, end: int, known_by: int | None = None) -> Examples:
        """Return the payments with event time in [start, end), as known at a time; microseconds.

        A payment whose label counts later is left out.
        """
        names = list(self.state.origin.features)
        rows = self.rows(start, end, known_by)
        if not rows.height:
            return Examples(pl.DataFrame(), np.empty((0, len(names)), np.float32))
        features = np.ascontiguousarray(rows.select(names).to_numpy(), np.float32)
        return Examples(rows.drop(names), features)

    def rows(
        self, start: int, end: int, known_by: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return rows as `examples` chooses them, of all columns or of some; nothing at all without rows."""
        days = [each for each in self.dates() if _midnight(each) + DAY > start and _midnight(each) < end]
        wanted = None if columns is None else [*columns, *(each for each in TIMES if each not in columns)]
        frames = [_columns(self._file(day), wanted) for day in days]
        if not frames:
            return pl.DataFrame()
        found = pl.concat(frames).filter((pl.col("event_time") >= start) & (pl.col("event_time") < end))
        return found if known_by is None else found.filter(pl.col("known_at") <= known_by)

    def dates(self) -> list[str]:
        """Return the event dates that it holds, in order."""
        folders = self.folder.glob(f"{PARTITIONED}*")
        return sorted(each.name.removeprefix(PARTITIONED) for each in folders if (each / DATA).exists())

    def _settle(self) -> None:
        for folder in self.folder.glob(f"{PARTITIONED}*"):
            if folder.name.removeprefix(PARTITIONED) < self.state.oldest:
                shutil.rmtree(folder)
                continue
            for ready in folder.glob(_next("*")):
                if ready.name == _next(self.state.number):
                    ready.replace(folder / DATA)
                else:
                    ready.unlink()
        for file in self.folder.glob("_attached-*"):
            if file != self._attachment(self.state.number):
                file.unlink()

    def _file(self, day: str) -> Path:
        return self.folder / f"{PARTITIONED}{day}" / DATA

    def _attachment(self, number: int) -> Path:
        return self.folder / f"_attached-{number}.bin"


def _next(number: int | str) -> str:
    return f".{number}.parquet"


def _write(file: Path, rows: pl.DataFrame) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    times = [pl.from_epoch(pl.col(name), time_unit="us").dt.replace_time_zone("UTC") for name in TIMES]
    rows.with_columns(times).write_parquet(file, compression="zstd")


def _columns(file: Path, names: list[str] | None = None) -> pl.DataFrame:
    frame = pl.read_parquet(file, columns=names, hive_partitioning=False)
    return frame.with_columns(pl.col(TIMES).cast(pl.Int64))


def _date_of(time: pl.Expr) -> pl.Expr:
    return pl.from_epoch(time, time_unit="us").dt.strftime("%Y-%m-%d")


def _dates(rows: pl.DataFrame) -> Iterable[str]:
    days = (rows["event_time"] // DAY).unique().sort().to_list()
    return [(EPOCH + timedelta(days=day)).isoformat() for day in days]


def _midnight(day: str) -> int:
    return (date.fromisoformat(day) - EPOCH).days * DAY


def _read_state(file: Path) -> State | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def _is_whole(folder: Path) -> bool:
    try:
        for file in folder.glob(f"{PARTITIONED}*/{DATA}"):
            pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError):
        return False
    return True


def _replace(file: Path, content: bytes) -> None:
    made = file.with_name(f".{file.name}.part")
    made.write_bytes(content)
    made.replace(file)
