from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import NOUNS, main
from services.cli.status import alarms, measured, newest
from shared.settings import Settings, SettingsError
from shared.signals import Signal
from shared.telemetry import Telemetry

SLOW = ("numpy", "polars", "pydantic", "confluent_kafka", "redis", "sklearn", "river", "duckdb", "rich")
HELPS = f"""
import contextlib, io, sys
from services.cli.main import NOUNS, main
from services.cli.status import alarms, newest
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


def test_a_property_that_librdkafka_does_not_know_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA__BOGUS_KEY", "1")
    monkeypatch.chdir(tmp_path)
    for command in (["topics", "plan"], ["tail", "scores.v1"]):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "section kafka" in line
        assert "bogus.key" in line


def test_a_service_that_cannot_listen_says_which_settings_to_change() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(http_port=taken.getsockname()[1])
        with pytest.raises(SettingsError, match="set http_host or http_port"):
            Telemetry.start("a service", settings)


def test_status_tells_alarms_until_they_are_cleared_and_each_services_newest_warning() -> None:
    day = 86_400_000_000
    said = [
        Signal("input-drift", 1 * day, "alarm", "monitor", detail="raised: psi.amount"),
        Signal("missed-frauds", 2 * day, "alarm", "monitor"),
        Signal("refit-refused", 2 * day, "warning", "training"),
        Signal("psi.amount", 3 * day, "info", "monitor"),
        Signal("missed-frauds", 4 * day, "info", "monitor", detail="cleared: 2 days without a cause"),
    ]
    assert alarms(said) == ["input-drift since 1970-01-02"]
    assert newest(said) == {
        "monitor": "missed-frauds on 1970-01-03",
        "training": "refit-refused on 1970-01-03",
    }


def test_status_tells_the_performance_by_matured_labels_and_the_estimate() -> None:
    day = 86_400_000_000
    said = [
        Signal("performance.ap", 1 * day, "info", "monitor", value=0.7, is_mature=True),
        Signal("performance.ap", 2 * day, "info", "monitor", value=0.75, is_mature=True),
        Signal("performance.ap", 3 * day, "info", "monitor", value=0.2, is_mature=False),
        Signal("performance.brier", 3 * day, "info", "monitor", value=0.1, is_mature=True),
        Signal("estimate.ap", 4 * day, "info", "monitor", value=0.71),
        Signal("estimate.auc", 4 * day, "info", "monitor"),
        Signal("performance.cp100", 3 * day, "info", "training", value=0.25, is_mature=True),
        Signal("performance.cp100", 4 * day, "info", "training", value=0.3, is_mature=True),
    ]
    assert measured(said) == {
        "monitor": "estimate.ap 0.710 on 1970-01-05, performance.ap 0.750 on 1970-01-03",
        "training": "performance.cp100 0.300 on 1970-01-05",
    }
