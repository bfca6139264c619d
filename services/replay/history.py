"""Recorded histories: a Parquet or CSV file, mapped to payments by one SELECT statement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from services.replay.failure import ReplayError
from services.replay.payments import LABEL, OPTIONAL, REQUIRED

HANDBOOK = Path(__file__).with_name("sql") / "handbook.sql"
READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
ROWS = 20_000
MICROSECONDS = ("TIMESTAMP", "DATE")


class History:
    """A file whose rows a SELECT from ``history`` makes payments.

    Raises
    ------
    ReplayError
        If the file or the statement cannot be read, or a column is missing or of another type.
    """

    def __init__(self, file: Path, statement: Path = HANDBOOK) -> None:
        self._name = file.stem
        if file.suffix not in READERS:
            raise ReplayError(f"{file} ends in none of {', '.join(READERS)}; convert it to one of these")
        for each in (file, statement):
            if not each.is_file():
                raise ReplayError(f"there is no file {each}")
        self._connection = duckdb.connect()
        escaped = str(file).replace("'", "''")
        self._run(f"CREATE VIEW history AS SELECT * FROM {READERS[file.suffix]}('{escaped}')", file)
        text = statement.read_text().strip().removesuffix(";")
        self._run(f"CREATE VIEW payments AS {text}", statement)
        self._columns = self._checked(statement)

    @property
    def name(self) -> str:
        """Name for progress files."""
        return self._name

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the payments by event time; of equal times, in the order of the file."""
        listed = ", ".join(self._columns)
        ordered = f"SELECT {listed}, row_number() OVER () AS place FROM payments"
        query = f"SELECT * EXCLUDE (place) FROM ({ordered}) ORDER BY event_time, place"
        for batch in self._connection.sql(query).to_arrow_reader(ROWS):
            yield self._valid(pl.DataFrame(batch))

    def total(self) -> int | None:
        """Return the number of payments."""
        rows = self._connection.execute("SELECT count(*) FROM payments").fetchall()  # all: else it stays open
        return int(rows[0][0])

    def _run(self, text: str, file: Path) -> list[Any]:
        try:
            return self._connection.execute(text).fetchall()
        except duckdb.Error as error:
            raise ReplayError(f"{file}: {str(error).splitlines()[0]}") from error

    def _checked(self, statement: Path) -> list[str]:
        found = {row[0]: row[1] for row in self._run("DESCRIBE payments", statement)}
        absent = [name for name in REQUIRED if name not in found]
        if absent:
            raise ReplayError(f"{statement}: the SELECT gives no {', '.join(absent)}")
        strange = sorted(set(found) - set(REQUIRED) - set(OPTIONAL) - {LABEL})
        if strange:
            raise ReplayError(f"{statement}: {', '.join(strange)} are no fields of a payment; leave them out")
        columns = []
        for name, kind in found.items():
            wanted = "BIGINT" if REQUIRED.get(name) == pl.Int64 else "VARCHAR"
            if name == "event_time" and kind.startswith(MICROSECONDS):
                columns.append("epoch_us(event_time)::BIGINT AS event_time")
            elif wanted == "BIGINT" and "INT" not in kind:
                raise ReplayError(f"{statement}: {name} is {kind}; make it a whole number")
            else:
                columns.append(f"{name}::{wanted} AS {name}")
        return columns if LABEL in found else [*columns, f"NULL::VARCHAR AS {LABEL}"]

    def _valid(self, frame: pl.DataFrame) -> pl.DataFrame:
        empty = [name for name in REQUIRED if frame[name].null_count()]
        if empty:
            raise ReplayError(f"the SELECT gives rows without {', '.join(empty)}")
        other = set(frame[LABEL].drop_nulls().unique()) - {"fraud", "genuine"}
        if other:
            raise ReplayError(f"label is {sorted(other)[0]!r}; it must be fraud, genuine or null")
        return frame
