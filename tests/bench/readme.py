"""The figures of the README and of docs/scale.md, and the plots, from the kept results.

`python -m tests.bench.readme` writes them; a contract test holds them to the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench import results
from tests.bench.plot import bars, number_of

ROOT = Path(__file__).parents[2]
PLOTS = Path("docs/plots")
TITLES = {
    "stages": "Each stage alone, records a second",
    "throughput": "Full load, payments a second through all services on this machine",
    "latency": "p99 from due to scored, ms",
    "peers": "Customer windows, payments a second of CPU",
    "growth": "Cost of a payment in the window state, ns of CPU",
    "learning": "p99 from due to scored while models are learnt, ms",
}
COMMANDS = {"growth": "make bench-growth", "learning": "make bench-learning"}
FAULTS = {
    "stream": "Faults of every kind under load",
    "poison": "Bad records among good ones",
    "overload": "Three times the capacity",
    "teeth": "Planted faults that the checkers must find",
    "lifecycle": "Training killed in every state of a model version",
    "lifecycle_live": "Training, monitor and labels killed while models live and die",
    "publishes": "Models published under load, half of them corrupt",
    "soak": "Half of the capacity for long, with kills",
}
SERIES = ("entities", "windows", "retained")
Row = tuple[str, float, bool]


def write() -> None:
    """Write what the results give."""
    for path, text in documents().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)


def documents() -> dict[Path, str]:
    """Return the documents that hold figures, by path in the repository."""
    found = {name: kept for name in TITLES if (kept := results.kept(name)) is not None}
    made = {
        PLOTS / f"{name}.svg": bars(TITLES[name], ROWS[name](each["result"])) for name, each in found.items()
    }
    section = "\n\n".join(part(name, each) for name, each in found.items())
    front, scale = Path("README.md"), Path("docs/scale.md")
    text = replaced((ROOT / front).read_text(), "performance", f"{INTRODUCTION}\n\n{section}")
    made[front] = replaced(text, "faults", faults())
    made[scale] = replaced((ROOT / scale).read_text(), "figures", table(found))
    return made


INTRODUCTION = (
    "Broker, services and sender share one machine; a bare hop consumes and produces with the same clients "
    "and does nothing between.\nThe limit stands beside each figure, also where it is missed."
)


def part(name: str, kept: dict[str, Any]) -> str:
    """Return the figures of one part: where they come from, its bounds, its plot."""
    origin = f"**{TITLES[name]}.** `{COMMANDS.get(name, 'make bench')}`, {where(kept)}."
    plot = f"![{TITLES[name]}]({PLOTS / f'{name}.svg'})"
    if name == "learning":
        origin = f"{origin} {refit_sentence(kept['result']['refit'])}"
    tables = [bound_table(kept["result"])]
    if name == "latency":
        tables.append(quantile_table(kept["result"]))
    if name == "growth":
        tables.append(growth_table(kept["result"]))
    return "\n\n".join([origin, *tables, plot])


def quantile_table(result: dict[str, Any]) -> str:
    """Return how long payments take at each rate, through the chain and through bare hops."""
    names = ("p50", "p99", "p99.9")
    heads = (
        "payments/s",
        *(f"{route}, {name}, ms" for route in ("chain", "four bare hops") for name in names),
    )
    lines: list[Sequence[str]] = [heads, ["---"] * len(heads)]
    for each in result["rates"]:
        routes = (each["chain"], each["bare_hops"])
        times = [number_of(route[key]) for route in routes for key in ("p50_ms", "p99_ms", "p999_ms")]
        lines.append([f"{each['payments_per_second']:,}", *times])
    return table_of(lines)


def growth_table(result: dict[str, Any]) -> str:
    """Return what a payment costs along each series, in time and in bytes."""
    rows = [each for series in SERIES for each in result[series]]
    heads = [name.replace("_", " ") for name in rows[0]]
    lines = [heads, ["---"] * len(heads), *([number_of(value) for value in each.values()] for each in rows)]
    return table_of(lines)


def table_of(lines: Sequence[Sequence[str]]) -> str:
    """Return cells as a table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def refit_sentence(refit: dict[str, Any]) -> str:
    """Return what a refit takes."""
    return (
        f"A refit on 60 days ({refit['data']}, {refit['rows']:,} payments) takes {refit['seconds']:.0f} "
        f"seconds and {refit['highest_mib']:,} MiB, in a process of the lowest priority with one thread a "
        "library."
    )


def faults() -> str:
    """Return what became of the faults, one part after the other, its bounds folded away."""
    found = {name: kept for name in FAULTS if (kept := results.kept(f"faults-{name}")) is not None}
    return "\n\n".join(fault_part(name, each) for name, each in found.items())


def fault_part(name: str, kept: dict[str, Any]) -> str:
    """Return the figures of a part of `make faults`, or of `make soak`."""
    result = kept["result"]
    holding = sum(each["is_ok"] for each in result["bounds"])
    command = f"python -m tests.faults {name} --share {result['share']:g}"
    summary = f"{FAULTS[name]}: {holding} of {len(result['bounds'])} bounds hold"
    origin = f"`{command}`, {where(kept)}."
    return f"<details><summary>{summary}</summary>\n\n{origin}\n\n{bound_table(result)}\n\n</details>"


def where(kept: dict[str, Any]) -> str:
    """Return when and on what a result was measured."""
    machine, versions = kept["machine"], kept["versions"]
    return (
        f"{kept['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Python {versions['python']}, Kafka {versions['kafka']}"
    )


def bound_table(result: dict[str, Any]) -> str:
    """Return the bounds of a result as a table."""
    lines = ["| bound | measured | limit | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(bound_row(each) for each in result["bounds"])])


def bound_row(bound: dict[str, Any]) -> str:
    """Return a bound as a row of a table."""
    sign, limit = ("≥", bound["at_least"]) if "at_least" in bound else ("≤", bound["at_most"])
    verdict = "" if bound["is_ok"] else "**missed**"
    return f"| {bound['name']} | {number_of(bound['measured'])} | {sign} {number_of(limit)} | {verdict} |"


def table(found: dict[str, Any]) -> str:
    """Return what one machine does, for the page about scale."""
    lines = ["| what | measured |", "|---|---|"]
    for name, kept in found.items():
        lines += [
            f"| {TITLES[name]}: {label} | {number_of(value)} |"
            for label, value, _ in ROWS[name](kept["result"])
        ]
    return "\n".join(lines)


def replaced(text: str, name: str, content: str) -> str:
    """Return a document with the text between its marks of that name replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"a document lacks {begin} or {end}, between which its figures stand")
    return f"{before}{begin}\n{content}\n{end}{after}"


def stage_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield the rates of stages, the bare hop first."""
    for name, rates in result["rates"].items():
        yield name, rates["per_second"], name not in ("bare-hop", "predictor")


def load_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield the rates of the chain and of bare hops under each load."""
    for kind, found in result["full_load"].items():
        yield f"chain: {kind}", found["chain"]["per_second"], True
        yield f"four bare hops: {kind}", found["bare_hops"]["per_second"], False


def latency_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield the p99 of the chain and of bare hops at each rate."""
    for each in result["rates"]:
        rate = f"{each['payments_per_second']:,}/s"
        yield f"chain, {rate}", each["chain"]["p99_ms"], True
        yield f"four bare hops, {rate}", each["bare_hops"]["p99_ms"], False


def peer_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield our rate and those of the peers, with whether their windows are exact."""
    for name, each in result["peers"].items():
        exact = "exact" if each["is_exact"] else "not exact"
        yield f"{name} ({exact})", each["per_core_second"], name == "ours"


def growth_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield the cost of a payment along each series."""
    for series in SERIES:
        for each in result[series]:
            yield f"{each[series]:,.0f} {series}", each["nanoseconds"], True


def learning_rows(result: dict[str, Any]) -> Iterator[Row]:
    """Yield the p99 with training stopped, and with all that learns at work."""
    for name in ("training_stopped", "training_and_refit"):
        yield name.replace("_", " "), result["latency"][name]["p99_ms"], name == "training_and_refit"


ROWS = {
    "stages": lambda result: list(stage_rows(result)),
    "throughput": lambda result: list(load_rows(result)),
    "latency": lambda result: list(latency_rows(result)),
    "peers": lambda result: list(peer_rows(result)),
    "growth": lambda result: list(growth_rows(result)),
    "learning": lambda result: list(learning_rows(result)),
}


if __name__ == "__main__":
    write()
