"""The peers' programs of tests/bench/peers: their environments, made on first use, and how they start.

Their Python packages, pinned in requirements.txt, lie in an environment of their own below .cache, and
the classes of the Java program beside them; both carry a digest of what they were made from.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deploy.local import processes
from deploy.local.jars import CACHE
from deploy.local.java import java

FOLDER = Path(__file__).with_name("peers")
REQUIREMENTS = FOLDER / "requirements.txt"
STREAMS = FOLDER / "kafka_streams"
MAIN = STREAMS / "src/main/java/millrace/peer/CustomerWindows.java"
PYTHON = "3.11"

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program, and how many times as many payments a second of CPU ours must do."""

    least: float
    command: Callable[[], Command]

    def start(self, log: Path, addresses: Mapping[str, str]) -> processes.Child:
        """Start it with BROKER, SOURCE, TARGET and STATE in its environment."""
        variables = processes.environment(PYTHONPATH=str(FOLDER), **addresses)
        return processes.start(self.command(), log, variables)


def _python(*words: str) -> Callable[[], Command]:
    return lambda: [_made("peers-python", [REQUIREMENTS], _install) / "bin" / "python", *words]


def _streams() -> Command:
    folder = _made("peers-java", [STREAMS / "pom.xml", MAIN], _compile)
    return [java(), "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", "millrace.peer.CustomerWindows"]


PEERS = {
    "faust": Peer(10.0, _python(str(FOLDER / "faust_windows.py"), "worker", "--loglevel", "warn")),
    "quix": Peer(3.0, _python(str(FOLDER / "quix_windows.py"))),
    "bytewax": Peer(2.0, _python("-m", "bytewax.run", "bytewax_windows:flow")),
    "kafka-streams": Peer(2.0, _streams),
}


def _made(name: str, sources: list[Path], make: Callable[[Path], None]) -> Path:
    """Return a folder below .cache that was made from files as they are now."""
    digest = sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        (folder / "complete").touch()
    return folder


def _install(folder: Path) -> None:
    uv = ["uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", PYTHON, folder], check=True)
    subprocess.run(
        [*uv, "pip", "install", "--python", folder / "bin" / "python", "-r", REQUIREMENTS], check=True
    )


def _compile(folder: Path) -> None:
    jars = folder / "jars"
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    fetch = ["mvn", "-q", "-B", "-f", STREAMS / "pom.xml", "dependency:copy-dependencies", *options]
    subprocess.run(fetch, check=True, stdout=sys.stderr)
    subprocess.run(["javac", "-d", folder / "classes", "-cp", f"{jars}/*", MAIN], check=True)
