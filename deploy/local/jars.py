"""The broker's jars, from Maven Central through the user's own Maven, kept in a cache folder."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from shared.stream.clients import DependencyError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache"
DOWNLOAD_SECONDS = 600.0
_NAMES = {"m": "http://maven.apache.org/POM/4.0.0"}


def version() -> str:
    """Return the version of Kafka that pom.xml pins."""
    found = ElementTree.parse(POM).find(
        "m:dependencies/m:dependency[m:artifactId='kafka_2.13']/m:version", _NAMES
    )
    if found is None or not found.text:
        raise DependencyError(f"{POM} names no version of kafka_2.13")
    return found.text


def jars(cache: Path = CACHE) -> Path:
    """Return the folder that holds the jars of pom.xml; fill it on first use.

    Raises
    ------
    DependencyError
        If Maven is missing or cannot fetch them.
    """
    folder = cache / f"kafka-{version()}"
    if is_complete(folder):
        return folder
    with _locked(cache / "kafka.lock"):
        if not is_complete(folder):
            _fill(folder)
    return folder


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds all jars of pom.xml as it is now."""
    mark = folder / "complete"
    return mark.exists() and mark.read_text() == _digest()


def _fill(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        _copy_dependencies(Path(made) / "jars")
        (Path(made) / "jars" / "complete").write_text(_digest())
        shutil.rmtree(folder, ignore_errors=True)
        (Path(made) / "jars").rename(folder)


def _copy_dependencies(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise DependencyError(
            "Maven (mvn) is not on PATH, and it fetches the Kafka jars; "
            "install it: `apt-get install maven`, `brew install maven` or https://maven.apache.org"
        )
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyError(
            f"Maven did not fetch the Kafka jars within {DOWNLOAD_SECONDS:g} seconds"
        ) from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise DependencyError(f"Maven could not fetch the Kafka jars of {POM}: {said}")


def _digest() -> str:
    return sha256(POM.read_bytes()).hexdigest()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
