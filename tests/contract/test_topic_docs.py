"""The documents about topics are those that schemas/ makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.topic_docs import documents

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", list(documents()))
def test_the_committed_document_is_what_schemas_make(name: str) -> None:
    assert (DOCS / name).read_text() == documents()[name], "run `millrace topics docs`"
