"""Files that several processes may make at once."""

from __future__ import annotations

import os
from pathlib import Path


def write_once(file: Path, content: bytes, mode: int) -> None:
    """Make a file, whole or not at all; where it is there already, or another process is first, it stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f".{file.name}.{os.getpid()}")
    made.touch(mode=mode)
    made.write_bytes(content)
    try:
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
