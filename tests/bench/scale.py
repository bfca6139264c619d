"""`make scale-page`: the tables of docs/scale.md, from schemas and the kept result of `make bench`."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import schemas
from shared import wire
from tests.bench import results
from tests.bench.growth import MOST_BYTES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scale.md"
PATH = ("transactions.raw.v1", "transactions.v1", "features.customer.v1", "features.terminal.v1", "scores.v1")
"""The topics that each payment passes."""
STAGES = ("ingest-json", "features-customer", "features-terminal", "scoring-trees")
SERVICES = ("ingest", "features.customer", "features.terminal", "scoring")
WHOLE = "payments, labels, outcomes, Redis"
FEATURES_STAGES = 2
"""Each keeps windows over all payments."""
BUSY = 0.7
"""Share of a core that an instance may use: the rest is for catching up after a restart."""
WANTED = (1_000, 5_000, 20_000, 100_000)
DAY_SECONDS = 86_400
MIB, TIB = 1 << 20, 1 << 40
_BLOCK = re.compile(r"(<!-- (sizes|instances) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def filled(page: str) -> str:
    """Return a page with its blocks made anew."""
    rates = rates_of(results.kept("stages"))
    cores = cores_of(results.kept("throughput"))
    found = "\n\n".join([instances(rates, cores), *least_load(results.kept("latency"))])
    made = {"sizes": sizes(), "instances": found}
    return _BLOCK.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", page)


def sizes() -> str:
    """Return the table of what a payment costs the broker."""
    kept = {topic: schemas.toml("topics")["topics"][topic]["kept_days"] for topic in PATH}
    found = {topic: len(wire.encode(topic, _example(topic))) for topic in PATH}
    rows = [
        (f"`{topic}`", size, kept[topic], f"{size * 1000 * DAY_SECONDS * kept[topic] / TIB:.2f}")
        for topic, size in found.items()
    ]
    whole = sum(size * 1000 * DAY_SECONDS * kept[topic] for topic, size in found.items()) / TIB
    total = ("all", sum(found.values()), "", f"{whole:.2f}")
    heads = ("topic", "bytes a payment", "days kept", "TiB at 1,000 payments/s, before compression")
    return _table(heads, [*rows, total])


def instances(rates: Mapping[str, float] | None, cores: Mapping[str, float] | None) -> str:
    """Return the table of instances and cores by rate, where stages and the whole were measured."""
    if rates is None or cores is None:
        return "No result of `make bench` is kept yet."
    heads = ("payments/s", *STAGES, "partitions at least", *(f"cores: {name}" for name in cores))
    heads = (*heads, "MiB/s into the broker", "window state, TiB at most")
    rows = [_row(wanted, rates, cores) for wanted in WANTED]
    slowest = min(rates[stage] for stage in STAGES)
    count = schemas.partition_count(PATH[0])
    end = f"With {count} partitions the slowest stage ends at {count * slowest * BUSY:,.0f} payments/s."
    return f"{_table(heads, rows)}\n\n{end}"


def cores_of(kept: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Return the core-seconds of a payment at full load, by who uses them; None where none is kept.

    The sender's are left out. ``others`` are all other services, Redis and the system.
    """
    if kept is None:
        return None
    chain = kept["result"]["full_load"][WHOLE]["chain"]
    shares = chain["cpu_shares"]
    stages, broker = sum(shares[service] for service in SERVICES), shares["broker"]
    whole = shares["machine"] - shares["sender"]
    found = {"stages": stages, "broker": broker, "others": whole - stages - broker, "all": whole}
    return {name: share / chain["per_second"] for name, share in found.items()}


def least_load(kept: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence on what the lowest rate costs, where that was measured."""
    if kept is None:
        return []
    first = kept["result"]["rates"][0]
    shares = first["cpu_shares"]["chain"]
    rate, used = first["payments_per_second"], shares["machine"] - shares["sender"]
    return [
        f"Small batches cost more: at {rate:,} payments/s this machine was measured to use {used:.1f} cores."
    ]


def rates_of(kept: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Return payments a core-second of each stage of a kept result; None where it lacks one."""
    rates = {} if kept is None else kept["result"]["rates"]
    if not set(STAGES) <= set(rates):
        return None
    return {stage: float(rates[stage]["per_core_second"]) for stage in STAGES}


def _row(wanted: int, rates: Mapping[str, float], cores: Mapping[str, float]) -> tuple[Any, ...]:
    needed = [math.ceil(wanted / (rates[stage] * BUSY)) for stage in STAGES]
    used = [f"{wanted * each:.2f}" for each in cores.values()]
    written = wanted * sum(len(wire.encode(topic, _example(topic))) for topic in PATH) / MIB
    payments = wanted * DAY_SECONDS * schemas.toml("features")["history_days"]
    state = payments * FEATURES_STAGES * MOST_BYTES / TIB
    return (f"{wanted:,}", *needed, max(needed), *used, f"{written:.0f}", f"{state:.1f}")


def _example(topic: str) -> dict[str, Any]:
    content = json.loads((schemas.FOLDER / "examples" / f"{topic}.json").read_text())
    if "source" in content:
        content["source"] = bytes.fromhex(content["source"])
    return dict(content)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write() -> None:
    """Write the tables into the page."""
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    write()
    sys.stdout.write(f"{PAGE}\n")
