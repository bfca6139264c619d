"""docker-compose.yml, the Dockerfile and the dashboard agree with the specification and with the code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.local import jars
from deploy.local.kafka import PROPERTIES
from services.cli.main import NOUNS
from services.cli.run import SERVICES
from shared.settings import Settings
from shared.telemetry.service import PREFIX

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/millrace.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {name.replace(".", "-"): words for name, words in SERVICES.items()}
OTHERS = {"kafka", "redis", "topics", "millrace", "prometheus", "grafana"}
READY = "http://127.0.0.1:8000/readyz"
ABSENT_FROM_COMPOSE = {  # speed and size of a laptop's broker, and places that differ by nature
    "num.partitions",
    "default.replication.factor",
    "offsets.topic.num.partitions",
    "transaction.state.log.num.partitions",
    "share.coordinator.state.topic.num.partitions",
    "group.min.session.timeout.ms",
    "broker.session.timeout.ms",
    "broker.heartbeat.interval.ms",
    "num.network.threads",
    "num.io.threads",
    "background.threads",
    "num.recovery.threads.per.data.dir",
    "log.segment.bytes",
    "log.index.size.max.bytes",
    "log.retention.check.interval.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.io.buffer.size",
    "log.segment.delete.delay.ms",
}


def _services() -> dict[str, Any]:
    services: dict[str, Any] = COMPOSE["services"]
    return services


def _built() -> dict[str, Any]:
    return {name: each for name, each in _services().items() if "build" in each}


def test_the_file_fits_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).with_name("compose-spec.json")).read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_its_services_are_those_of_the_command_line() -> None:
    assert set(_services()) == set(OURS) | OTHERS


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_runs_what_the_command_line_runs(name: str) -> None:
    assert _services()[name]["command"] == ["python", "-m", *OURS[name]]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_waits_for_health_restarts_and_can_leave_in_time(name: str) -> None:
    service = _services()[name]
    assert {other: how["condition"] for other, how in service["depends_on"].items()} == {
        "kafka": "service_healthy",
        "redis": "service_healthy",
        "topics": "service_completed_successfully",
    }
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "12s"
    assert READY in " ".join(service["healthcheck"]["test"])
    places = {volume.partition(":")[2] for volume in service["volumes"]}
    defaults = Settings()
    wanted = (defaults.state_folder, defaults.model_url, defaults.keys_folder)
    assert places == {f"/app/{place}" for place in wanted}


@pytest.mark.parametrize("name", sorted(_built()))
def test_the_image_of_a_service_is_an_extra_of_the_project(name: str) -> None:
    build = _built()[name]["build"]
    assert build["dockerfile"] == "deploy/Dockerfile"
    extra = build["args"]["SERVICE"]
    assert extra in PROJECT["optional-dependencies"]
    if name in OURS:
        assert extra == OURS[name][0].removeprefix("services.")


@pytest.mark.parametrize("name", sorted(_built()))
def test_every_variable_is_a_setting(name: str, tmp_path: Path) -> None:
    variables = {**_variables_of_image(), **_built()[name].get("environment", {})}
    settings = Settings.load(variables, tmp_path / "none")
    assert settings.kafka["bootstrap.servers"] == "kafka:19092"
    assert settings.http_port == 8000


def test_the_kafka_image_is_the_version_of_the_local_stack() -> None:
    assert _services()["kafka"]["image"] == f"apache/kafka:{jars.version()}"


def test_the_broker_is_set_as_the_local_one() -> None:
    lines = [line for line in PROPERTIES.read_text().splitlines() if line and not line.startswith("#")]
    local = dict(line.split("=", 1) for line in lines)
    environment = _services()["kafka"]["environment"]
    local.pop("listener.security.protocol.map")  # one listener more, for clients outside the containers
    found = {name: environment.get(f"KAFKA_{name.upper().replace('.', '_')}") for name in local}
    assert found == {name: None if name in ABSENT_FROM_COMPOSE else value for name, value in local.items()}


def test_nothing_runs_as_root_or_listens_beyond_this_machine() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["millrace"]
    for service in _services().values():
        assert not str(service.get("user", "")).startswith(("0", "root"))
        assert not service.get("privileged")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_image_has_a_health_check_and_only_what_the_lock_file_names() -> None:
    assert READY in DOCKERFILE
    for line in DOCKERFILE.splitlines():
        if line.startswith("RUN uv sync"):
            assert "--frozen" in line
            assert '--extra "$SERVICE"' in line
    for folder in re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE):
        assert (ROOT / folder).is_dir()
        assert f"!{folder}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_commands_of_the_one_shot_service_exist() -> None:
    program, noun, verb = _services()["topics"]["command"]
    assert (program, verb) == ("millrace", "apply")
    assert program in PROJECT["scripts"]
    assert noun in NOUNS


def test_prometheus_asks_every_service() -> None:
    content = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = content["scrape_configs"]
    assert set(job["static_configs"][0]["targets"]) == {f"{name}:8000" for name in OURS}


def test_every_metric_of_the_dashboard_is_one_that_a_service_has() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    named = {name for each in expressions for name in re.findall(rf"\b{PREFIX}\w+", each)}
    assert len(named) >= 5
    assert named <= _metrics()


def test_files_that_containers_mount_exist() -> None:
    for service in _services().values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists()
            else:
                assert source in COMPOSE["volumes"]


def _variables_of_image() -> dict[str, str]:
    return dict(re.findall(r"(MILLRACE_\w+)=(\S+)", DOCKERFILE))


def _metrics() -> set[str]:
    found = set()
    for folder in ("services", "shared"):
        for file in (ROOT / folder).rglob("*.py"):
            for kind, name in re.findall(r"\.(counter|gauge|histogram)\(\s*\"(\w+)\"", file.read_text()):
                endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
                found |= {f"{PREFIX}{name}{ending}" for ending in endings}
    return found
