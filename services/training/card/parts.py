"""What goes into a package beside manifest and model: environment, configuration, verdicts and card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution

import msgspec

import schemas
from services.training.card.facts import Card, Facts
from services.training.card.pages import html, markdown
from services.training.gates.verdict import Verdict
from services.training.recipe import Recipe
from shared.models import Manifest
from shared.policy import Policy

ENVIRONMENT, CONFIG, VERDICTS = "environment.txt", "config.json", "verdicts.json"
FIGURES, CARD_HTML, CARD_MARKDOWN = "card.json", "card.html", "card.md"
NAME = re.compile(r"[A-Za-z0-9._-]+")


def parts_of(
    manifest: Manifest, recipe: Recipe, facts: Facts, verdicts: Sequence[Verdict], policy: Policy
) -> dict[str, bytes]:
    """Return the parts by name; the same content gives the same bytes."""
    bounds = {"version": policy.version, "review_at": policy.review_at, "decline_at": policy.decline_at}
    card = Card(manifest, facts, list(verdicts), bounds)
    config = {"recipe": recipe, "policy": schemas.toml("policy"), "features": schemas.toml("features")}
    return {
        ENVIRONMENT: environment(manifest.libraries).encode(),
        CONFIG: _json(config),
        VERDICTS: _json(list(verdicts)),
        FIGURES: _json(facts),
        CARD_HTML: html(card).encode(),
        CARD_MARKDOWN: markdown(card).encode(),
    }


def environment(libraries: Iterable[str]) -> str:
    """Return these libraries and all that they need, one `name==version` a line."""
    found: dict[str, str] = {}
    waiting = list(libraries)
    while waiting:
        try:
            of = distribution(waiting.pop())
        except PackageNotFoundError:
            continue  # needed on another system only
        name = of.metadata["Name"].lower()
        if name not in found:
            found[name] = of.version
            waiting += [_name(each) for each in of.requires or () if "extra ==" not in each]
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def pins(lines: str) -> dict[str, str]:
    r"""Return the version of each library of an environment.

    Examples
    --------
    >>> pins("numpy==2.4.6\nscipy==1.16.3\n")
    {'numpy': '2.4.6', 'scipy': '1.16.3'}
    """
    return {name: version for name, _, version in (line.partition("==") for line in lines.splitlines())}


def _name(requirement: str) -> str:
    match = NAME.match(requirement)
    return match.group() if match else requirement


def _json(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content, order="deterministic"), indent=1)
