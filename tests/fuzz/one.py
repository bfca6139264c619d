"""`python -m tests.fuzz.one TARGET FOLDER [libFuzzer options]`: one target, until it is found out or done."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 5.0  # of processor time for one execution
FOLLOWED = ("services", "shared", "tomllib")


def main(target: str, folder: Path, options: list[str]) -> None:
    """Run libFuzzer, which ends the process."""
    with atheris.instrument_imports(include=FOLLOWED, exclude=_compiled()):
        from tests.fuzz.target import check
        from tests.fuzz.target import target as find

        execute = find(target).start(folder)

    def execution(data: bytes) -> None:
        began = time.process_time()
        execute(data)
        check(time.process_time() - began < LONGEST_SECONDS, "it took too long")

    atheris.Setup([sys.argv[0], *options], execution)
    atheris.Fuzz()


def _compiled() -> list[str]:
    """Our modules that numba compiles, which cannot compile what atheris has changed."""
    files = [file for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py")]
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if re.search(r"\bnumba\b|\bimport compiled\b", file.read_text())
    ]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
