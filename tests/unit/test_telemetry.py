"""Health and metrics over HTTP, when those who ask do not wait."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import pytest

from shared.settings import Settings
from shared.telemetry import Telemetry
from tests.waiting import wait_for

ANSWER_SECONDS = 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing breaks the connection off


def test_a_prober_that_goes_away_is_told_in_a_line_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.load({"MILLRACE_LOG_FORMAT": "json"}, tmp_path / "none.toml")
    telemetry = Telemetry.start("asked", settings)
    port = json.loads(capsys.readouterr().err)["port"]
    with socket.create_connection((settings.http_host, port)) as prober:
        prober.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        prober.sendall(b"GET /hea")
    said: list[str] = []
    wait_for(lambda: said.append(capsys.readouterr().err) or any(said), ANSWER_SECONDS, "a line of it")
    telemetry.stop()
    assert json.loads("".join(said))["message"] == "no answer was given"
