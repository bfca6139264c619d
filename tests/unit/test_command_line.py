from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import NOUNS, main

SLOW = ("numpy", "polars", "pydantic", "confluent_kafka", "redis", "sklearn", "river", "duckdb", "rich")
HELPS = f"""
import contextlib, io, sys
from services.cli.main import NOUNS, main
for noun in [None, *NOUNS]:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main([noun, "--help"] if noun else ["--help"])
    found = [name for name in {SLOW} if name in sys.modules]
    if found:
        sys.exit(f"millrace {{noun}} --help imports {{', '.join(found)}}")
"""


def test_help_imports_nothing_that_takes_its_time() -> None:
    done = subprocess.run([sys.executable, "-c", HELPS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wrong_setting_ends_each_command_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_REDIS_ULR", "x")
    monkeypatch.chdir(tmp_path)
    assert "status" in NOUNS
    assert main(["status"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no setting MILLRACE_REDIS_ULR; the nearest is MILLRACE_REDIS_URL" in line
