"""`make gates`: bad candidates are stopped by the gate that is there for them, honest ones pass.

A simulated history goes through the live services; all candidates are made from the data set that training
made of it, as training makes its own; they are judged twice, published, and steered by the services.
The last line of stdout is one JSON object; the exit code is 1 when something is missed, and stderr names it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.local.processes import environment
from deploy.local.stack import ONE_THREAD, Stack, folder_settings
from services.replay.simulator import Simulation
from services.training.gates.verdict import Verdict
from services.training.split import DAY
from shared.models import Refusal
from shared.models.lifecycle import ENDS
from shared.stream.clients import DependencyError
from tests.accuracy.run import ROOT
from tests.gates import live
from tests.gates.candidates import BAD, HONEST, OTHER_SCHEMA, Candidate
from tests.gates.live import DAYS, World, manifest_of, verdicts_of

CUSTOMERS, TERMINALS = 1000, 2000
COMPROMISED = 4.0  # terminals and customers a day: frauds enough for evidence on every group
SEED = 7
TRAINED = 44  # days: the champion learned from none of those that candidates are tried on
PASSES = ("first", "second")
JUDGING_SECONDS = 400
DAMAGED = (
    (OTHER_SCHEMA.name, OTHER_SCHEMA.name, live.as_it_is, Refusal.SCHEMA_MISMATCH),
    ("unsigned", "boosted", live.unsigned, Refusal.UNSIGNED),
    ("tampered", "boosted", live.tampered, Refusal.ALTERED),
)
"""Name, the candidate of which it is made, what is done to it, and what the services must say."""
BY_HAND = (Refusal.SCHEMA_MISMATCH,)
"""Refusals after which a person takes the model back: another scoring service may load it."""
Row = dict[str, Any]
CLOCKED = "cost"  # a gate that measures: its outcome must be the same, not its figures


def main() -> int:
    """Run the command; return the exit code."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            result, missed = checked(Path(folder))
    except (AssertionError, DependencyError, subprocess.SubprocessError) as error:
        result, missed = {}, [str(error)]
    for sentence in missed:
        print(f"gates: {sentence}", file=sys.stderr)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({**result, "missed": missed, "seconds": seconds, "is_ok": not missed}))
    return 1 if missed else 0


def checked(folder: Path) -> tuple[Row, list[str]]:
    """Return what came of each candidate, and a sentence for each that came to what it should not."""
    usual = folder_settings(folder)
    training = usual.training.model_copy(update={"refit_days": 365.0})  # one refit by itself is enough here
    settings = usual.model_copy(update={"training": training})
    simulation = Simulation(
        customers=CUSTOMERS,
        terminals=TERMINALS,
        days=DAYS + 1 + live.MOST_DAYS * len(DAMAGED),
        seed=SEED,
        compromised_terminals=COMPROMISED,
        compromised_customers=COMPROMISED,
    )
    with Stack(folder, live.SERVICES, settings) as stack:
        world = World(stack, simulation)
        tell(f"playing {DAYS} days, a champion trained by hand on day {TRAINED}")
        payments = world.play(TRAINED)
        world.train()
        payments += world.play(DAYS - TRAINED)
        tell(f"{payments} payments; judging {len(HONEST) + len(BAD) + 1} candidates twice")
        judge(world, folder)
        rows, missed = judged(folder), list(differing(folder))
        versions = published(world, folder)
        missed += list(stopped(world, versions, rows))
        refused, sentences = refusals(world, folder)
        return {"payments": payments, "candidates": [*rows.values(), *refused]}, [*missed, *sentences]


def judge(world: World, folder: Path) -> None:
    """Have all candidates made and judged by two processes at once."""
    champion = world.standing().champion
    if champion is None:
        raise AssertionError("there is no champion to compare with")
    told, words = folder / "champion.bin", ["-m", "tests.gates.judging", str(world.dataset())]
    told.write_bytes(champion.published.to_bytes())
    words += [str(told), "--as-of", str(world.as_of)]
    variables = {**environment(), **ONE_THREAD}
    stdin = folder / "settings.json"
    stdin.write_text(world.settings.model_dump_json())
    running = []
    for each in PASSES:
        with (folder / f"{each}.log").open("wb") as log, stdin.open("rb") as given:
            command = [sys.executable, *words, str(folder / each)]
            running.append(
                subprocess.Popen(command, stdin=given, stdout=log, stderr=log, cwd=ROOT, env=variables)
            )
    try:
        for each, process in zip(PASSES, running, strict=True):
            if process.wait(JUDGING_SECONDS):
                raise AssertionError(f"judging ended early: {(folder / f'{each}.log').read_text()[-2000:]}")
    finally:
        for process in running:
            process.kill()
            process.wait()


def judged(folder: Path) -> dict[str, Row]:
    """Return what the gates said of each candidate, by name."""
    return {each.name: _row(each, verdicts_of(folder / PASSES[0] / each.name)) for each in _all()}


def differing(folder: Path) -> Iterator[str]:
    """Yield a sentence for each verdict that was another one the second time."""
    for each in _all():
        pairs = zip(*(verdicts_of(folder / one / each.name) for one in PASSES), strict=True)
        for first, second in pairs:
            if (first.outcome, first.gate) != (second.outcome, second.gate) or (
                first.gate != CLOCKED and first != second
            ):
                yield f"{each.name}: a rerun gave another verdict: {first} and then {second}"


def published(world: World, folder: Path) -> dict[str, str]:
    """Publish what was judged and play a day, at whose midnight models move; return versions by name."""
    tell("publishing them with their verdicts")
    as_of = world.as_of
    found = {each.name: world.publish(folder / PASSES[0] / each.name, as_of) for each in (*BAD, *HONEST)}
    world.thaw()
    world.play(1)
    return found


def stopped(world: World, versions: dict[str, str], rows: dict[str, Row]) -> Iterator[str]:
    """Yield a sentence for each bad candidate that was not stopped, and each honest one that was."""
    stands, statuses = world.standing(), []
    for candidate in (*BAD, *HONEST):
        status = stands.status(versions[candidate.name])
        row = rows[candidate.name]
        row["status"] = status
        if candidate.stopped_by is not None and (
            candidate.stopped_by not in row["failed"] or status != "rejected"
        ):
            yield f"{candidate.name}: {candidate.stopped_by} did not stop it, it is {status}: {row['failed']}"
        if candidate.stopped_by is None:
            statuses.append(status)
            if row["failed"] or status in ENDS:
                yield f"{candidate.name}: an honest one is {status}, failed by {row['failed']}"
    if rows[OTHER_SCHEMA.name]["failed"] != [OTHER_SCHEMA.stopped_by]:
        yield f"{OTHER_SCHEMA.name}: the gates said {rows[OTHER_SCHEMA.name]['failed']}"
    if "shadow" not in statuses:
        yield f"no honest candidate scores beside the champion: {statuses}"


def refusals(world: World, folder: Path) -> tuple[list[Row], list[str]]:
    """Force each damaged package upon the services, play a day, take it back; return what came of each."""
    champion = world.standing().champion
    assert champion is not None
    rows, missed, forced = [], [], []
    began = world.as_of + DAY
    for name, of, damage, reason in DAMAGED:
        before, record = world.refusals(reason), damage(folder / PASSES[0] / of, world)
        world.force(record)
        world.await_refusal(reason, before)
        if reason in BY_HAND:
            payments = world.play(1)
            world.take_back(record.version)
        else:
            payments = world.play_until_taken_back(record.version)
        rows.append({"name": name, "refused_as": reason.value, "payments_meanwhile": payments})
        forced.append(record.version)
    scores = world.scores()
    bad = [*forced, *(manifest_of(folder / PASSES[0] / each.name).version for each in BAD)]
    by_bad = scores.filter(scores["model_version"].is_in(bad) | scores["challenger_version"].is_in(bad))
    if by_bad.height:
        missed.append(f"{by_bad.height} payments were scored by a bad candidate")
    meanwhile = scores.filter(scores["event_time"] >= began)
    due = sum(int(row["payments_meanwhile"]) for row in rows)
    right = meanwhile.filter(meanwhile["model_version"] == champion.version).height
    if not right == meanwhile.height == due:
        missed.append(f"of {due} payments while packages were refused the champion scored {right}")
    return rows, missed


def tell(sentence: str) -> None:
    """Say on stderr how far it is."""
    print(f"gates: {sentence}", file=sys.stderr, flush=True)


def _all() -> tuple[Candidate, ...]:
    return (*BAD, OTHER_SCHEMA, *HONEST)


def _row(candidate: Candidate, verdicts: list[Verdict]) -> Row:
    by_outcome: dict[str, list[str]] = {"fail": [], "not_enough_evidence": [], "pass": []}
    for each in verdicts:
        by_outcome[each.outcome].append(each.gate)
    reasons = [each.sentence for each in verdicts if each.gate == candidate.stopped_by]
    row: Row = {"name": candidate.name, "stopped_by": candidate.stopped_by, "failed": by_outcome["fail"]}
    return {**row, "open": by_outcome["not_enough_evidence"], "because": reasons}


if __name__ == "__main__":
    sys.exit(main())
