"""The arithmetic of a row: medians, spread, ratio, verdict, and what is not there."""

from __future__ import annotations

import pytest

from bench.report.rows import (
    Better,
    Missing,
    Row,
    Series,
    Target,
    Verdict,
    ours_at_least,
    ours_at_most,
    ratio_at_least,
    ratio_at_most,
    ratio_of,
)
from bench.report.turns import in_turn


def row(*, ours: Series | Missing, limit: Series | Missing | None = None, target: Target | None = None) -> Row:
    return Row(name="a-row", what="a row", unit="calls/s", better=Better.HIGHER, ours=ours, limit=limit, target=target)


def test_the_median_is_the_middle_round_and_one_wild_round_moves_nothing() -> None:
    assert Series("a", [5.0, 1.0, 3.0]).median == 3.0
    assert Series("a", [5.0, 1.0, 3.0, 4.0]).median == 3.5
    assert Series("a", [1.0, 2.0, 3.0, 4.0, 1_000_000.0]).median == 3.0


def test_the_spread_is_the_quartiles_and_of_few_rounds_the_extremes() -> None:
    assert Series("a", [1.0, 2.0, 3.0, 4.0, 5.0]).spread == (2.0, 4.0)
    assert Series("a", [9.0, 7.0, 8.0]).spread == (7.0, 9.0)
    assert Series("a", [4.0]).spread == (4.0, 4.0)


def test_a_series_without_a_round_is_no_series() -> None:
    with pytest.raises(ValueError, match="without a round"):
        Series("a", [])


def test_the_ratio_is_of_the_medians_and_its_spread_of_rounds_taken_in_turn() -> None:
    ratio = ratio_of(Series("ours", [10.0, 20.0, 30.0]), Series("limit", [10.0, 40.0, 30.0]))
    assert ratio is not None
    assert ratio.of_medians == 20.0 / 30.0
    assert (ratio.low, ratio.high) == (0.5, 1.0)


def test_more_rounds_of_one_than_of_the_other_are_paired_as_far_as_they_go() -> None:
    ratio = ratio_of(Series("ours", [2.0, 4.0, 100.0]), Series("limit", [1.0, 1.0]))
    assert ratio is not None
    assert (ratio.of_medians, ratio.low, ratio.high) == (4.0, 2.0, 4.0)


@pytest.mark.parametrize("other", [None, Missing("limit", "not installed"), Series("limit", [0.0])])
def test_there_is_no_ratio_to_what_is_missing_or_nothing(other: Series | Missing | None) -> None:
    assert ratio_of(Series("ours", [1.0]), other) is None


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        (ratio_at_least(0.5), Verdict.MET),
        (ratio_at_least(0.51), Verdict.MISSED),
        (ratio_at_most(0.5), Verdict.MET),
        (ratio_at_most(0.49), Verdict.MISSED),
        (ours_at_least(50.0), Verdict.MET),
        (ours_at_least(51.0), Verdict.MISSED),
        (ours_at_most(50.0), Verdict.MET),
        (ours_at_most(49.0), Verdict.MISSED),
        (None, Verdict.NO_TARGET),
    ],
)
def test_a_verdict_is_about_the_ratio_or_our_own_median_and_at_the_bound_is_met(
    target: Target | None, verdict: Verdict
) -> None:
    # The wild rounds would turn every verdict if means were judged.
    ours, limit = Series("ours", [50.0, 49.0, 1e9]), Series("limit", [100.0, 99.0, 1e12])
    assert row(ours=ours, limit=limit, target=target).verdict is verdict


def test_what_was_not_measured_is_said_with_its_reason_and_never_met_or_missed() -> None:
    absent = row(ours=Missing("failed", "the server did not start"), target=ours_at_least(1.0))
    assert (absent.verdict, absent.ratio) == (Verdict.NOT_MEASURED, None)
    assert absent.reason == "failed: the server did not start"
    without_limit = row(
        ours=Series("ours", [1.0]), limit=Missing("other limiters", "not installed"), target=ratio_at_least(1.0)
    )
    assert without_limit.verdict is Verdict.NOT_MEASURED
    assert without_limit.reason == "other limiters: not installed"
    assert row(ours=Series("ours", [1.0])).reason is None


def test_contenders_take_turns_and_warm_rounds_do_not_count() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = in_turn({"a": lambda: contender("a"), "b": lambda: contender("b")}, rounds=2, warm=1)
    assert order == ["a", "b"] * 3
    assert (taken["a"].rounds, taken["b"].rounds) == ([3.0, 5.0], [4.0, 6.0])


def test_a_slow_machine_takes_fewer_rounds_but_three() -> None:
    taken = in_turn({"a": lambda: 1.0}, rounds=50, warm=0, seconds_max=-1.0)
    assert len(taken["a"].rounds) == 3
