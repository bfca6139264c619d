"""`millrace models`: list, show, compare, export, promote or roll back versions; freeze the roll-out."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from services.cli import model_files
from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from services.training.versions import Versions
    from shared.models import ModelRecord
    from shared.settings import Settings

REASONED = {
    "promote": "promoted by hand",
    "rollback": "rolled back by hand",
    "freeze": "frozen by hand",
    "thaw": "thawed by hand",
}
METRICS = ("auc_roc", "average_precision", "card_precision_100")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, about in (
        ("list", "all versions with status, signer and metrics"),
        ("rollback", "take the champion back: the one before it acts again"),
        ("freeze", "stop all moves that are not made by hand"),
        ("thaw", "let models move by themselves again"),
        ("show", "everything about one version"),
        ("verify", "check digest, signature, features and libraries of a package"),
        ("promote", "make a version the champion, once verified"),
    ):
        inner = verbs.add_parser(verb, help=about, description=about.capitalize() + ".")
        if verb in ("show", "verify", "promote"):
            inner.add_argument("version")
        if verb in REASONED:
            inner.add_argument("--reason", default=REASONED[verb], help="why (%(default)s)")
        add_output(inner)
    for printing in model_files.add_arguments(verbs):
        add_output(printing)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where a version is unknown or its package is refused."""
    from services.training.versions import Versions
    from shared.models import ModelRefused

    verbs = {
        "list": _list,
        "show": _show,
        "verify": _verify,
        "promote": _promote,
        "rollback": _roll_back,
        "freeze": _switch,
        "thaw": _switch,
        "diff": model_files.diff,
        "history": model_files.history,
        "export": model_files.export,
    }
    try:
        if arguments.verb == "card":
            print(model_files.card(Versions.read(settings), arguments), end="")
            return 0
        emit(arguments, verbs[arguments.verb](Versions.read(settings), arguments))
    except ModelRefused as refused:
        print(f"millrace models: {refused.reason}: {refused}", file=sys.stderr)
        return 1
    return 0


def _list(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.models import trusted_keys

    trusted = trusted_keys(versions.settings)
    champion, challenger = versions.standing.champion, versions.standing.challenger
    roles = {challenger.version: "beside"} if challenger else {}
    roles |= {champion.version: "acts"} if champion else {}
    found = sorted(versions.standing.versions.values(), key=lambda each: each.newest.sequence, reverse=True)
    return [
        {
            "version": each.version,
            "status": each.status,
            "scores": roles.get(each.version, "no"),
            "signer": each.published.signer,
            "is_trusted": each.published.signer in trusted,
            **_metrics(each.published),
            "who": each.newest.who,
            "reason": each.newest.reason,
        }
        for each in found
    ]


def _metrics(record: ModelRecord) -> dict[str, float | None]:
    try:
        found = json.loads(record.manifest).get("metrics", {})
    except (json.JSONDecodeError, AttributeError):
        found = {}
    return {name: found.get(name) for name in METRICS}


def _show(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.models import fetch, trusted_keys, verified

    found = versions.version(arguments.version)
    record = found.published
    manifest, model = verified(fetch(record, versions.settings), record, trusted_keys(versions.settings))
    about = {"status": found.status, "who": found.newest.who, "reason": found.newest.reason}
    about |= {"package": record.package}
    proof = {"sha256": record.sha256, "signer": record.signer, "model_bytes": len(model)}
    content = {**about, **proof, **json.loads(manifest.to_bytes())}
    if arguments.output == "json":
        return [content]
    return [{"name": name, "value": value} for name, value in content.items()]


def _verify(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    model = versions.load(arguments.version, definitions())
    record = versions.version(arguments.version).published
    return [{"version": model.version, "verified": True, "signer": record.signer, "sha256": record.sha256}]


def _promote(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    before = versions.standing.champion
    versions.promote(arguments.version, definitions(), arguments.reason)
    return [{"champion": arguments.version, "before": before.version if before else None}]


def _roll_back(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from shared.features import definitions

    champion, gone = versions.roll_back(definitions(), arguments.reason)
    return [{"champion": champion, "rolled_back": gone}]


def _switch(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    versions.switch(arguments.verb == "freeze", arguments.reason)
    return [{"is_frozen": versions.standing.is_frozen}]
