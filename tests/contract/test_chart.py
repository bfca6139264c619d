"""The Helm chart's services, variables and ports are those of the code; `make helm` renders it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

import schemas
from services.cli.run import SERVICES
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {file.name: file.read_text() for file in sorted((CHART / "templates").iterdir())}
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {name.replace(".", "-"): (name, words) for name, words in SERVICES.items()}
TOPICS = schemas.toml("topics")["topics"]


def test_the_values_fit_their_schema_and_a_misspelt_one_does_not() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(VALUES)
    assert set(schema["properties"]) == {*VALUES, "global"}
    assert not jsonschema.Draft7Validator(schema).is_valid({**VALUES, "kafak": {}})


def test_its_services_are_those_of_the_command_line() -> None:
    assert set(VALUES["services"]) == set(OURS)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_runs_as_the_command_line_runs_it_in_its_image_and_group(name: str) -> None:
    service, (dotted, words) = VALUES["services"][name], OURS[name]
    assert tuple(service["module"]) == words
    assert service["extra"] == words[0].removeprefix("services.")
    assert service["extra"] in PROJECT["optional-dependencies"]
    assert service["group"] == f"millrace.{dotted}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_scales_by_topics_that_it_reads_up_to_their_partitions(name: str) -> None:
    dotted = OURS[name][0]
    for topic in VALUES["services"][name]["lag"]:
        assert dotted in TOPICS[topic]["read_by"]
        assert schemas.partition_count(topic) == VALUES["partitions"]
    assert VALUES["services"][name]["replicas"] <= VALUES["partitions"]


def test_every_variable_of_the_templates_is_a_setting(tmp_path: Path) -> None:
    found = re.findall(r"name: (MILLRACE_\w+)$", "\n".join(TEMPLATES.values()), re.MULTILINE)
    numbers = {"MILLRACE_INSTANCE": "3", "MILLRACE_HTTP_PORT": "8000"}
    values = {"MILLRACE_LOG_FORMAT": "json"} | {name: numbers.get(name, "x") for name in found}
    settings = Settings.load(values | {"MILLRACE_LOG_FORMAT": "json"}, tmp_path / "none")
    assert len(found) >= 10
    assert settings.instance == 3
    assert {"bootstrap.servers", "sasl.password"} <= set(settings.kafka)


def test_ports_folders_and_user_are_those_of_the_image() -> None:
    text = "\n".join(TEMPLATES.values())
    assert f"EXPOSE {VALUES['httpPort']}" in DOCKERFILE.splitlines()
    (user,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    assert set(re.findall(r"(?:runAs(?:User|Group)|fsGroup): (\d+)", text)) == {user}
    mounts = set(re.findall(r"mountPath: (/app/var/\w+)", text))
    assert {folder for folder in mounts if folder in DOCKERFILE} == mounts - {"/app/var/shared"}


def test_the_secrets_are_those_that_the_code_asks_for() -> None:
    asked = set()
    for file in [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]:
        asked |= set(re.findall(r"\.secret\(\"(\w+)\"\)", file.read_text()))
    (given,) = re.findall(r"range \$name, \$key := dict (.*) }}", TEMPLATES["_helpers.tpl"])
    assert set(re.findall(r'"([A-Z_]+)"', given)) == {name.upper() for name in asked}


def test_a_pod_has_longer_to_leave_than_a_service_takes() -> None:
    from shared.stream.loop import LEAVE_SECONDS

    assert VALUES["graceSeconds"] >= LEAVE_SECONDS + 2


def test_health_is_asked_where_the_services_answer() -> None:
    from shared.telemetry import Telemetry

    telemetry = Telemetry("chart")
    telemetry.set_ready(True)
    paths = re.findall(r"path: (/\w+)", TEMPLATES["services.yaml"])
    assert {"/healthz", "/readyz", "/metrics"} <= set(paths)
    assert all(telemetry.answer(path)[0] == 200 for path in paths)


def test_the_service_accounts_of_the_chart_hold_no_token() -> None:
    for name, content in TEMPLATES.items():
        if "spec:" in content and "containers:" in content:
            assert "automountServiceAccountToken: false" in content, name
