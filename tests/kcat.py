"""kcat, an outside reader: the one on PATH, else the Debian package laid out in .cache/, without root."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deploy.local.processes import environment

CACHE = Path(__file__).parents[1] / ".cache" / "kcat"
PACKAGES = ("kcat", "librdkafka1", "libyajl2")
SECONDS = 120


def kcat(*arguments: str) -> bytes:
    """Return what kcat prints."""
    program = shutil.which("kcat") or shutil.which("kafkacat")
    if program is not None:
        return _output([program, *arguments])
    libraries = ":".join(str(folder) for folder in sorted(unpacked().glob("usr/lib/*")))
    return _output([str(unpacked() / "usr/bin/kcat"), *arguments], LD_LIBRARY_PATH=libraries)


def unpacked(cache: Path = CACHE) -> Path:
    """Return the folder of an unpacked kcat; fetch it on first use with the machine's own apt."""
    if not (cache / "usr/bin/kcat").exists():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(cache)
        except AssertionError:
            _output(["apt-get", "-q", "update"])
            _fetch(cache)
        for package in sorted(cache.glob("*.deb")):
            _output(["dpkg", "-x", str(package), str(cache)])
    return cache


def _fetch(cache: Path) -> None:
    _output(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES], cache)


def _output(command: list[str], folder: Path | None = None, **variables: str) -> bytes:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}: {done.stderr.decode(errors='replace')}; "
        "these tests read our topics with kcat: install it, `apt-get install kcat` or `brew install kcat`"
    )
    return done.stdout
