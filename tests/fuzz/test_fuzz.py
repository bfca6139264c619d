"""A few seconds of `make fuzz`, and proof that it finds what is there to be found."""

from __future__ import annotations

import json
import platform
import sys

import pytest

from tests.fuzz.run import main
from tests.fuzz.target import NAMES, PLANTED

RUNS = 1000
HAS_ATHERIS = (sys.platform, platform.machine()) == ("linux", "x86_64")  # as pyproject.toml says
pytestmark = pytest.mark.skipif(not HAS_ATHERIS, reason="atheris is made for Linux on x86_64 alone")


@pytest.mark.parametrize("name", NAMES)
def test_no_input_crashes_a_reader(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([name, "--runs", str(RUNS)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    (outcome,) = json.loads(printed.out)["targets"]
    assert outcome["executions"] >= RUNS


def test_a_planted_fault_is_found_and_its_input_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([PLANTED, "--runs", "100000"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["findings"] == [PLANTED]
    assert PLANTED in content["targets"][0]["finding"]
