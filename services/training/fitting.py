"""The process that a refit runs in: started, watched and ended by the service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from services.training.gates.verdict import Verdict
from services.training.quality import Quality
from services.training.refit import ACCEPTED, CHAMPION, OUTCOME, PARTS, QUALITY, VERDICTS, Outcome
from services.training.schedule import Due
from shared.models import Manifest, ModelRecord
from shared.settings import Settings

PROGRESS, OUTPUT = "progress.jsonl", "output.log"
TAIL_CHARACTERS = 2000
LOWEST_PRIORITY = 19


class RefitFailed(Exception):
    """The process of a refit ended without an outcome."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a refit is held against: the newest model's manifest, and the publication of the champion."""

    newest: Manifest | None = None
    champion: ModelRecord | None = None


@dataclass(slots=True)
class Fitting:
    """A refit on its way. It ends with this process, however that ends: it reads its standard input."""

    due: Due
    out: Path
    process: subprocess.Popen[bytes]
    _seen: int = field(default=0)

    @classmethod
    def start(cls, dataset: Path, due: Due, settings: Settings, before: Before) -> Fitting:
        """Start a refit of the data set."""
        out = dataset.with_name("refit")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if before.newest is not None:
            (out / ACCEPTED).write_bytes(before.newest.to_bytes())
        if before.champion is not None:
            (out / CHAMPION).write_bytes(before.champion.to_bytes())
        words = ["-m", "services.training.refit", str(dataset), str(out), "--as-of", str(due.as_of)]
        with (out / PROGRESS).open("wb") as progress, (out / OUTPUT).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *words], stdin=subprocess.PIPE, stdout=progress, stderr=output
            )
        _let_yield(process.pid)
        if process.stdin is not None:
            process.stdin.write(settings.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return cls(due, out, process)

    def progress(self) -> Iterator[dict[str, Any]]:
        """Yield the steps that it has told of since the last call."""
        lines = (self.out / PROGRESS).read_bytes().splitlines(keepends=True)
        for line in lines[self._seen :]:
            if not line.endswith(b"\n"):
                break
            self._seen += 1
            yield json.loads(line)

    def outcome(self, seconds: float) -> Outcome | None:
        """Return what came of it, waiting at most so long; None while it runs.

        Raises
        ------
        RefitFailed
            If it ended in another way than its own.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if code != 0:
            said = (self.out / OUTPUT).read_text(errors="replace")[-TAIL_CHARACTERS:]
            raise RefitFailed(f"the refit ended with code {code}: {said}")
        return msgspec.json.decode((self.out / OUTCOME).read_bytes(), type=Outcome)

    def quality(self) -> Quality | None:
        """Return the report on the data set; None where it did not come so far."""
        file = self.out / QUALITY
        return msgspec.json.decode(file.read_bytes(), type=Quality) if file.exists() else None

    def verdicts(self) -> list[Verdict]:
        """Return what the gates said; none where it did not come so far."""
        file = self.out / VERDICTS
        return msgspec.json.decode(file.read_bytes(), type=list[Verdict]) if file.exists() else []

    def parts(self) -> dict[str, bytes]:
        """Return what goes into the package beside manifest and model."""
        return {file.name: file.read_bytes() for file in (self.out / PARTS).glob("*")}

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _let_yield(pid: int) -> None:
    """Let a process, its threads to come included, run only where no other wants the core.

    A niced one keeps it until the end of its slice, and payments pass many processes.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST_PRIORITY)
