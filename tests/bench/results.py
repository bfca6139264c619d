"""Results kept in the repository, with the machine, the versions and the date."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from deploy.local import jars

FOLDER = Path(__file__).with_name("results")
LIBRARIES = ("millrace", "confluent-kafka", "numpy", "numba", "polars", "treelite", "rocksdict")
CPU_FILE = Path("/proc/cpuinfo")


def keep(name: str, result: dict[str, Any]) -> None:
    """Write a result in place of the one kept under the name."""
    FOLDER.mkdir(exist_ok=True)
    day = date.today().isoformat()
    content = {"date": day, "machine": machine(), "versions": versions(), "result": result}
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def kept(name: str) -> dict[str, Any] | None:
    """Return what is kept under a name; None if nothing is."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def machine() -> dict[str, Any]:
    """Return processor, cores and memory; never a name of the machine."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": memory, "system": platform.system()}


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), "kafka": jars.version(), **libraries}


def _cpu() -> str:
    if not CPU_FILE.exists():
        return platform.processor()
    lines = CPU_FILE.read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
