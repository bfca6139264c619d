"""`millrace models`: list, show, verify, promote or roll back model versions."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from services.training.versions import Versions
    from shared.models import ModelRecord
    from shared.settings import Settings

METRICS = ("auc_roc", "average_precision", "card_precision_100")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, about in (
        ("list", "all versions with status, signer and metrics"),
        ("rollback", "make the champion before this one act again"),
        ("show", "everything about one version"),
        ("verify", "check digest, signature, features and libraries of a package"),
        ("promote", "make a version the champion, once verified"),
    ):
        inner = verbs.add_parser(verb, help=about, description=about.capitalize() + ".")
        if verb not in ("list", "rollback"):
            inner.add_argument("version")
        add_output(inner)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where a version is unknown or its package is refused."""
    from services.training.versions import Versions
    from shared.models import ModelRefused

    verbs = {"list": _list, "show": _show, "verify": _verify, "promote": _promote, "rollback": _roll_back}
    try:
        emit(arguments, verbs[arguments.verb](Versions.read(settings), arguments))
    except ModelRefused as refused:
        print(f"millrace models: {refused.reason}: {refused}", file=sys.stderr)
        return 1
    return 0


def _list(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.models import trusted_keys

    acting = {record.version for record in versions.acting() if record}
    trusted = trusted_keys(versions.settings)
    return [
        {
            "version": record.version,
            "status": record.status,
            "acts": record.version in acting,
            "signer": record.signer,
            "is_trusted": record.signer in trusted,
            **_metrics(record),
            "who": record.who,
            "reason": record.reason,
        }
        for record in list(versions.standing.values())[::-1]
    ]


def _metrics(record: ModelRecord) -> dict[str, float | None]:
    try:
        found = json.loads(record.manifest).get("metrics", {})
    except (json.JSONDecodeError, AttributeError):
        found = {}
    return {name: found.get(name) for name in METRICS}


def _show(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.models import fetch, trusted_keys, verified

    record = versions.record(arguments.version)
    manifest, model = verified(fetch(record, versions.settings), record, trusted_keys(versions.settings))
    about = {"status": record.status, "who": record.who, "reason": record.reason, "package": record.package}
    proof = {"sha256": record.sha256, "signer": record.signer, "model_bytes": len(model)}
    content = {**about, **proof, **json.loads(manifest.to_bytes())}
    if arguments.output == "json":
        return [content]
    return [{"name": name, "value": value} for name, value in content.items()]


def _verify(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    model = versions.load(arguments.version, definitions())
    record = versions.record(arguments.version)
    return [{"version": model.version, "verified": True, "signer": record.signer, "sha256": record.sha256}]


def _promote(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    before = versions.acting()[0]
    record = versions.promote(arguments.version, definitions())
    return [{"champion": record.version, "before": before.version if before else None}]


def _roll_back(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    champion, retired = versions.roll_back(definitions())
    return [{"champion": champion.version, "retired": retired.version}]
