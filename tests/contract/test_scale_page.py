from __future__ import annotations

from tests.bench.scale import PAGE, STAGES, filled, instances, rates_of


def test_the_tables_of_the_page_are_what_the_command_makes() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run `make scale-page`"


def test_instances_follow_from_the_rates_of_the_stages() -> None:
    rates = {stage: {"per_core_second": 10_000.0} for stage in STAGES}
    found = rates_of({"result": {"rates": rates}})
    assert found == dict.fromkeys(STAGES, 10_000.0)
    lines = instances(found).splitlines()
    assert lines[2].startswith("| 1,000 | 1 | 1 | 1 | 1 | 0.4 | 1 |")
    assert lines[4].startswith("| 20,000 | 3 | 3 | 3 | 3 | 8.0 | 3 |")  # 20,000 / 7,000 = 2.9
    assert lines[-1] == "With 4 partitions the slowest stage ends at 28,000 payments/s."


def test_without_the_rate_of_every_stage_the_page_says_so() -> None:
    assert rates_of({"result": {"rates": {}}}) is None
    assert "No result" in instances(rates_of(None))
