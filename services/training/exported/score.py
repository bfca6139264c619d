"""Scores a CSV of features with the model of this folder: `python score.py features.csv > scores.csv`.

The CSV names its columns; an empty field is an undefined feature. All columns are passed on, with the
score, a probability of fraud, behind them. No Kafka and no network are needed.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared.models.predictors import Blend, Features, Linear, Predictor, River, Scores, Trees, corrected

BATCH_ROWS = 2000


def load(folder: Path) -> tuple[dict[str, Any], Predictor]:
    """Return manifest and predictor of a folder."""
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "model.bin").read_bytes()
    return manifest, _predictor(manifest["kind"], content, manifest["features"])


def _predictor(kind: str, content: bytes, names: list[str]) -> Predictor:
    match kind:
        case "river":
            return River.from_bytes(content, names)
        case "blend":
            parts = msgspec.msgpack.decode(content, type=list[tuple[str, bytes]])
            return Blend([_part(of, part) for of, part in parts])
    return _part(kind, content)


def _part(kind: str, content: bytes) -> Trees | Linear:
    return Trees.from_bytes(content) if kind == "trees" else Linear.from_bytes(content)


def scores(manifest: dict[str, Any], predictor: Predictor, matrix: Features) -> Scores:
    """Return the probability of fraud of each row, as the service gives it, bit for bit."""
    return np.clip(corrected(predictor(matrix), manifest["genuine_rate"]), 0.0, 1.0)


def main() -> int:
    """Read, score and write; return the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python score.py features.csv > scores.csv\n")
        return 2
    manifest, predictor = load(Path(__file__).parent)
    with open(sys.argv[1], newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        missing = [name for name in manifest["features"] if name not in columns]
        if missing:
            sys.stderr.write(f"{sys.argv[1]} has no column {missing[0]}\n")
            return 1
        writer = csv.DictWriter(sys.stdout, [*columns, "score"], lineterminator="\n")
        writer.writeheader()
        _write(reader, writer, manifest, predictor)
    return 0


def _write(
    reader: csv.DictReader[str], writer: csv.DictWriter[str], manifest: dict[str, Any], predictor: Predictor
) -> None:
    rows: list[dict[str, Any]] = []
    for row in reader:
        rows.append(row)
        if len(rows) == BATCH_ROWS:
            _write_batch(rows, writer, manifest, predictor)
            rows = []
    if rows:
        _write_batch(rows, writer, manifest, predictor)


def _write_batch(
    rows: list[dict[str, Any]], writer: csv.DictWriter[str], manifest: dict[str, Any], predictor: Predictor
) -> None:
    values = [[float(row[name] or "nan") for name in manifest["features"]] for row in rows]
    found = scores(manifest, predictor, np.array(values, np.float32))
    for row, score in zip(rows, found.tolist(), strict=True):
        writer.writerow({**row, "score": repr(score)})


if __name__ == "__main__":
    sys.exit(main())
