"""Comparing with the exchange: an answer is wrong only if our books never had that figure around its moment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from app.domain.reconciliation import (
    Course,
    Difference,
    Reading,
    compare,
    have_one_cause,
    lasting,
    position_course,
    wallet_course,
)

D = Decimal
Spans = Sequence[tuple[Decimal, Decimal]]


def position(theirs: str) -> Reading:
    return Reading(subject="position:A", theirs=D(theirs), since=4)


def at_rest(quantity: str) -> Course:
    return position_course(D(quantity), newest_first=[])


def difference(theirs: str, course: Course, *, subject: str = "position:A") -> tuple[Difference, Course]:
    return Difference(subject=subject, ours=course.now, theirs=D(theirs), since=4), course


def spans(*pairs: tuple[int, int]) -> Spans:
    return [(D(low), D(high)) for low, high in pairs]


def test_a_position_at_rest_agrees_to_the_last_digit_or_not_at_all() -> None:
    assert compare(position("0.500"), at_rest("0.5")) is None
    found = compare(position("0.5001"), at_rest("0.5"))
    assert found == Difference(subject="position:A", ours=D("0.5"), theirs=D("0.5001"), since=4)
    assert found.symbol == "A"
    assert found.reading == position("0.5001")


def test_a_position_that_trades_may_be_any_that_it_had_and_none_between() -> None:
    course = position_course(D(5), newest_first=[D(3), D(-4)])  # it was 6, then 2, and is 5
    assert [theirs for theirs in range(8) if compare(position(str(theirs)), course) is None] == [2, 5, 6]


def test_the_wallet_may_differ_by_the_exchanges_rounding_and_no_more() -> None:
    def of(theirs: str) -> Difference | None:
        reading = Reading(subject="wallet", theirs=D(theirs), since=0)
        return compare(reading, wallet_course(D(1), gained=D(0), lost=D(0)))

    assert of("1.00000001") is None
    assert of("0.99999998") is not None
    found = of("1.000000011")
    assert found is not None
    assert found.symbol is None


def test_the_wallet_may_be_anything_that_a_part_of_its_newest_lines_made_of_it() -> None:
    course = wallet_course(D(101), gained=D(5), lost=D(-4))  # it was 100
    agree = [theirs for theirs in range(94, 108) if course.explains(D(theirs))]
    assert agree == list(range(96, 106))


def test_what_was_seen_once_does_not_last() -> None:
    assert lasting([], [difference("1", at_rest("0"))], unsettled=()) == []
    assert lasting([difference("1", at_rest("0"))], [], unsettled=()) == []


def test_what_is_seen_again_by_the_same_amount_lasts_whatever_was_traded_meanwhile() -> None:
    before, now = difference("1", at_rest("0")), difference("8", at_rest("7"))
    assert lasting([before], [now], unsettled=()) == [now[0]]
    assert lasting([before], [difference("9", at_rest("7"))], unsettled=()) == []
    traded = difference("9", position_course(D(7), newest_first=[D(-1)]))  # it was 8: wrong by 1, or by 2
    assert lasting([before], [traded], unsettled=()) == [traded[0]]


def test_what_the_exchange_has_not_told_explains_its_symbol_and_the_wallet_but_no_other_symbol() -> None:
    a, b = difference("1", at_rest("0")), difference("1", at_rest("0"), subject="position:B")
    money = difference("1", at_rest("0"), subject="wallet")
    everything = [a, b, money]
    assert lasting(everything, everything, unsettled=()) == [a[0], b[0], money[0]]
    assert lasting(everything, everything, unsettled={"A"}) == [b[0]]
    assert lasting(everything, everything, unsettled={"C"}) == [a[0], b[0]]


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ([], spans((1, 1)), False),
        (spans((1, 1), (3, 3), (9, 9)), spans((2, 2), (8, 8), (9, 9)), True),
        (spans((1, 1), (3, 3)), spans((0, 0), (2, 2), (4, 4)), False),
        (spans((1, 5)), spans((5, 9)), True),
        (spans((1, 5)), spans((6, 9)), False),
        (spans((-9, -6), (1, 5)), spans((-5, 0), (2, 2)), True),
    ],
)
def test_two_readings_have_one_cause_if_one_amount_explains_both(one: Spans, other: Spans, is_one: bool) -> None:
    assert have_one_cause(one, other, tolerance=D(0)) is is_one
    assert have_one_cause(other, one, tolerance=D(0)) is is_one
