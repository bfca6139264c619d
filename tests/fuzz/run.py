"""`make fuzz`: all targets, with bytes of libFuzzer's choosing; JSON last, exit code 1 on a finding."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz.target import MODULES, NAMES, target

RUNS = 1_000_000
PART = 200_000  # executions of a process: atheris 3.0 never frees what a comparison gives that is no bool
MOST_MB = 1024  # of the whole process; the libraries and models of a target take up to half of it
HANGS_SECONDS = 300  # an execution that ends is judged by its processor time
LARGEST_BYTES = 4096  # longer inputs would only make every mutation slow; sizes have unit tests
KEPT = Path("var/fuzz")
READ_BYTES = 100_000  # from the end of what a target printed
QUIET = ("env", "RUST_BACKTRACE=0")  # each panic that polars turns into an error prints its stack else


def fuzz(name: str, runs: int, seed: int) -> dict[str, Any]:
    """Return what came of one target, in processes one after the other that hand on their inputs."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        corpus, files, found = (folder / each for each in ("corpus", "files", "found"))
        for each in (corpus, files, found):
            each.mkdir()
        for content in target(name).seeds():
            if len(content) <= LARGEST_BYTES:
                (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)
        outcome: dict[str, Any] = {"target": name, "executions": 0, "peak_mb": 0, "finding": None}
        began = time.monotonic()
        while outcome["executions"] < runs and outcome["finding"] is None:
            done, part = outcome["executions"], min(PART, runs - outcome["executions"])
            outcome |= _part(name, outcome, {"runs": part, "seed": seed + done}, folder)
            if outcome["executions"] == done:
                break
        return {**outcome, "seconds": round(time.monotonic() - began)}


def _part(name: str, before: dict[str, Any], options: dict[str, int], folder: Path) -> dict[str, Any]:
    limits = {
        **options,
        "max_len": LARGEST_BYTES,
        "rss_limit_mb": MOST_MB,
        "timeout": HANGS_SECONDS,
        "report_slow_units": HANGS_SECONDS,
        "print_final_stats": 1,
    }
    words = [f"-{option}={value}" for option, value in limits.items()]
    command = [*QUIET, sys.executable, "-m", "tests.fuzz.one", name, folder / "files", *words]
    with (folder / "output").open("w+", errors="replace") as output:
        found = folder / "found"
        done = subprocess.run(
            [*command, f"-artifact_prefix={found}/", folder / "corpus"], stdout=output, stderr=output
        )
        output.seek(max(0, output.tell() - READ_BYTES))
        text = output.read()
    said = {word: int(number) for word, number in re.findall(r"^stat::(\w+):\s+(\d+)", text, re.MULTILINE)}
    outcome: dict[str, Any] = {
        "executions": before["executions"] + said.get("number_of_executed_units", 0),
        "peak_mb": max(before["peak_mb"], said.get("peak_rss_mb", 0)),
    }
    inputs = sorted(found.iterdir())
    if done.returncode != 0 or inputs:
        outcome["finding"] = _kept(name, inputs, text)
        outcome["says"] = _tale(text)
    return outcome


def _kept(name: str, inputs: list[Path], output: str) -> str:
    KEPT.mkdir(parents=True, exist_ok=True)
    for each in inputs:
        file = KEPT / f"{name}-{each.name}"
        file.write_bytes(each.read_bytes())
        return str(file)
    return output.strip().splitlines()[-1] if output.strip() else "the process ended without a word"


def _tale(output: str) -> list[str]:
    _, is_ours, tale = output.partition("Uncaught Python exception")
    return (tale.partition("ERROR: libFuzzer")[0] if is_ours else output).strip().splitlines()[-30:]


def main(words: list[str] | None = None) -> int:
    """Run the targets one after another."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *MODULES], help="all when none is named")
    parser.add_argument("--runs", type=int, default=RUNS, help="executions of each target")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    outcomes = []
    for name in arguments.targets or NAMES:
        outcomes.append(fuzz(name, arguments.runs, arguments.seed))
        print(json.dumps(outcomes[-1], indent=1), file=sys.stderr, flush=True)
    findings = [each["target"] for each in outcomes if each["finding"] or each["executions"] < arguments.runs]
    for each in outcomes:
        each.pop("says", None)
    print(json.dumps({"targets": outcomes, "findings": findings, "passed": not findings}))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
