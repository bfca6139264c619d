from __future__ import annotations

from tests.bench.scale import PAGE, SERVICES, STAGES, WHOLE, cores_of, filled, instances, rates_of


def test_the_tables_of_the_page_are_what_the_command_makes() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run `make scale-page`"


def test_instances_follow_from_the_rates_of_the_stages() -> None:
    rates = {stage: {"per_core_second": 10_000.0} for stage in STAGES}
    found = rates_of({"result": {"rates": rates}})
    assert found == dict.fromkeys(STAGES, 10_000.0)
    lines = instances(found, {"all": 0.0001}).splitlines()
    assert lines[2].startswith("| 1,000 | 1 | 1 | 1 | 1 | 1 | 0.10 |")
    assert lines[4].startswith("| 20,000 | 3 | 3 | 3 | 3 | 3 | 2.00 |")  # 20,000 / 7,000 = 2.9
    assert lines[-1] == "With 4 partitions the slowest stage ends at 28,000 payments/s."


def test_cores_are_those_of_the_whole_machine_without_the_sender() -> None:
    shares = {**dict.fromkeys(SERVICES, 0.25), "broker": 0.5, "sender": 0.1, "machine": 2.0}
    chain = {"per_second": 10_000, "cpu_shares": shares}
    found = cores_of({"result": {"full_load": {WHOLE: {"chain": chain}}}})
    assert found is not None
    at_full_load = {name: round(each * 10_000, 6) for name, each in found.items()}
    assert at_full_load == {"stages": 1.0, "broker": 0.5, "others": 0.4, "all": 1.9}


def test_without_the_rate_of_every_stage_the_page_says_so() -> None:
    assert rates_of({"result": {"rates": {}}}) is None
    assert "No result" in instances(rates_of(None), {"all": 0.0001})
    assert "No result" in instances(dict.fromkeys(STAGES, 10_000.0), cores_of(None))
