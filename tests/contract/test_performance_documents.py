"""Figures in documents are those of the kept results."""

from __future__ import annotations

from tests.bench import readme


def test_documents_hold_the_figures_of_the_kept_results() -> None:
    made = readme.documents()
    differing = [str(path) for path, text in made.items() if (readme.ROOT / path).read_text() != text]
    assert differing == [], "run `python -m tests.bench.readme`"
    plots = {path.name for path in (readme.ROOT / readme.PLOTS).glob("*.svg")}
    assert plots == {path.name for path in made if path.suffix == ".svg"}
