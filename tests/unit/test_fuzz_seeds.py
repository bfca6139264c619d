from pathlib import Path

import pytest

from tests.fuzz.target import NAMES, target


@pytest.mark.parametrize("name", NAMES)
def test_what_fuzzing_starts_from_is_handled_as_it_must_be(name: str, tmp_path: Path) -> None:
    execute = target(name).start(tmp_path)
    seeds = list(target(name).seeds())
    assert seeds
    for seed in seeds:
        execute(seed)
