from __future__ import annotations

import json
from pathlib import Path

from tests.bench.scale import PAGE, STAGES, filled, instances, newest_rates


def test_the_tables_of_the_page_are_what_the_command_makes() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run `make scale-page`"


def test_instances_follow_from_the_rates_of_the_newest_result_that_has_all_stages(tmp_path: Path) -> None:
    rates = {stage: {"per_core_second": 10_000.0} for stage in STAGES}
    (tmp_path / "2026-01-01.json").write_text(json.dumps({"rates": rates}))
    (tmp_path / "2026-01-02.json").write_text(json.dumps({"rates": {}}))
    found = newest_rates(tmp_path)
    assert found == dict.fromkeys(STAGES, 10_000.0)
    lines = instances(found).splitlines()
    assert lines[2].startswith("| 1,000 | 1 | 1 | 1 | 1 | 0.4 | 1 |")
    assert lines[4].startswith("| 20,000 | 3 | 3 | 3 | 3 | 8.0 | 3 |")  # 20,000 / 7,000 = 2.9
    assert lines[-1] == "With 4 partitions the slowest stage ends at 28,000 payments/s."


def test_without_a_result_the_page_says_so() -> None:
    assert "No result" in instances(None)
