"""`make accuracy-early` judges the mean over fixed draws of the delays, not the luck of one."""

from __future__ import annotations

import pytest

from tests.accuracy.run import judged


def draw(ap: float, cp100: float) -> dict[str, dict[str, float]]:
    return {"default": {"auc": 0.9, "ap": ap, "cp100": cp100}}


def test_the_mean_over_the_draws_is_judged() -> None:
    figures, missed = judged([draw(0.82, 0.33), draw(0.84, 0.34), draw(0.842, 0.342)], is_early=True)
    assert missed == []
    assert figures["default"]["ap"] == {"value": 0.834, "bound": 0.83}
    assert figures["default"]["cp100"] == {"value": 0.3373, "bound": 0.335}


@pytest.mark.parametrize("ap", [0.8, float("nan")])
def test_a_mean_below_its_bound_or_undefined_is_missed(ap: float) -> None:
    _, missed = judged([draw(0.84, 0.34), draw(ap, 0.34), draw(0.84, 0.34)], is_early=True)
    assert len(missed) == 1
    assert "default ap" in missed[0]


def test_a_contender_that_lacks_a_draw_has_no_mean() -> None:
    assert judged([draw(0.84, 0.34), {}], is_early=True) == ({}, [])


def test_a_leak_is_told_with_late_labels() -> None:
    _, missed = judged([draw(0.81, 0.34)], is_early=False)
    assert any("a label leaked" in each for each in missed)
