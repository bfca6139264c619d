"""`make helm`: the chart linted, rendered and held to the schemas of Kubernetes and KEDA; JSON last."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm"
TOOLS = ROOT / ".cache" / "helm"
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
KEDA = "github.com/kedacore/keda/v2@v2.21.0"
VERSIONS = ("1.31", "1.34")
NEEDED = {
    "kafka.bootstrapServers": "kafka:9092",
    "shared.existingClaim": "millrace",
    "secrets.existingSecret": "millrace",
    "modelKeys.existingSecret": "model-keys",
}
WHOLE = {
    **NEEDED,
    "scaling.enabled": "true",
    "kafka.existingSecret": "kafka-user",
    "kafka.hasCa": "true",
    "kafka.securityProtocol": "SASL_SSL",
    "kafka.settings.socket\\.keepalive\\.enable": '"true"',
    "redis.existingSecret": "redis",
    "modelUrl": "s3://bucket/models",
    "stateUrl": "s3://bucket/checkpoints",
    "storageClass": "fast",
    "settings.STREAM__MAX_BATCH": '"4000"',
    "envFrom[0].secretRef.name": "object-store",
    "image.pullSecrets[0].name": "registry",
}
RENDERED = {"least": NEEDED, "whole": WHOLE, "without topics": {**NEEDED, "topics.apply": "false"}}
REFUSED = {
    **{f"without {name}": {k: v for k, v in NEEDED.items() if k != name} for name in NEEDED},
    "misspelt": {**NEEDED, "kafka.bootstrap": "x"},
    "root port": {**NEEDED, "httpPort": "80"},
}


def main() -> int:
    """Check the chart; print what is wrong."""
    _install()
    wrong = [*_lint(), *_refusals()]
    manifests = 0
    for case, values in RENDERED.items():
        for version in VERSIONS:
            documents = render(values, version)
            manifests += len(documents)
            wrong += [f"{case}, {version}: {each}" for each in _faults(documents, version)]
    print(*wrong, sep="\n", file=sys.stderr)
    print(json.dumps({"manifests": manifests, "kubernetes": VERSIONS, "wrong": wrong, "passed": not wrong}))
    return 1 if wrong else 0


def render(values: Mapping[str, str], version: str = VERSIONS[0]) -> list[dict[str, Any]]:
    """Return the documents that the chart makes of values."""
    done = _helm("template", "millrace", str(CHART), "--kube-version", f"{version}.0", *_sets(values))
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each is not None]


def _install() -> None:
    if not (TOOLS / "helm").exists():
        command = ["env", f"GOBIN={TOOLS}", "GOFLAGS=-mod=mod", "go", "install", HELM]
        subprocess.run(command, check=True, cwd="/")


def _helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / "helm", *words], capture_output=True, text=True)


def _sets(values: Mapping[str, str]) -> list[str]:
    pairs = [f"{name}={value}" for name, value in values.items()]
    return [
        word for pair in pairs for word in ("--set-string" if '"' in pair else "--set", pair.replace('"', ""))
    ]


def _lint() -> Iterator[str]:
    for case, values in RENDERED.items():
        done = _helm("lint", "--strict", str(CHART), *_sets(values))
        if done.returncode != 0:
            yield f"lint, {case}: {done.stdout}{done.stderr}"


def _refusals() -> Iterator[str]:
    for case, values in REFUSED.items():
        try:
            render(values)
        except RuntimeError:
            continue
        yield f"{case}: rendered, and should not be"


def _faults(documents: list[dict[str, Any]], version: str) -> Iterator[str]:
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        try:
            if document["apiVersion"].startswith("keda.sh/"):
                jsonschema.validate(document, _keda()[document["kind"]])
            else:
                kubernetes_validate.validate(document, version, strict=True)
        except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
            yield f"{name}: {error.message}"
        if document["kind"] in ("StatefulSet", "Job"):
            yield from (f"{name}: {each}" for each in _pod_faults(document["spec"]["template"]["spec"]))


def _pod_faults(pod: dict[str, Any]) -> Iterator[str]:
    (container,) = pod["containers"]
    security = {**pod["securityContext"], **container["securityContext"]}
    wanted = {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    yield from (f"{key} is not {value}" for key, value in wanted.items() if security.get(key) is not value)
    if security["capabilities"] != {"drop": ["ALL"]}:
        yield "it keeps capabilities"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    yield from (f"{name} is no volume" for name in mounted - {v["name"] for v in pod["volumes"]} - {"state"})
    variables = {each["name"]: each.get("value", "0") for each in container["env"]}
    if len(variables) != len(container["env"]):
        yield "a variable is set twice"
    Settings.load(variables, ROOT / "none.toml")


@cache
def _keda() -> dict[str, Any]:
    command = ["env", "GOFLAGS=-mod=mod", "go", "mod", "download", "-json", KEDA]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    folder = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "bases"
    found = {}
    for file in folder.glob("keda.sh_*.yaml"):
        content = yaml.safe_load(file.read_text())["spec"]
        found[content["names"]["kind"]] = _closed(content["versions"][0]["schema"]["openAPIV3Schema"])
    return found


def _closed(schema: Any) -> Any:
    """A structural schema as the API server takes it: fields that it does not name are refused."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or schema.keys() & {"additionalProperties"}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not is_open:
        closed["additionalProperties"] = False
    return closed


if __name__ == "__main__":
    sys.exit(main())
