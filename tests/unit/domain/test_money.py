"""Decimal arithmetic: exact where it must be, rounded only where it says so."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import (
    NotADecimalError,
    ceil_to_step,
    exactly,
    floor_to_step,
    for_display,
    is_multiple_of,
    parse_decimal,
    plain,
    round_down_to_step,
)
from tests.unit.domain.builders import D

amounts = st.decimals(Decimal("-1E12"), Decimal("1E12"), places=8)
steps = st.sampled_from([D("0.00000001"), D("0.001"), D("0.05"), D("0.3"), D("1"), D("7"), D("100")])


@given(left=amounts, right=amounts)
def test_sums_differences_and_products_are_those_of_fractions(left: Decimal, right: Decimal) -> None:
    assert Fraction(exactly(left, "+", right)) == Fraction(left) + Fraction(right)
    assert Fraction(exactly(left, "-", right)) == Fraction(left) - Fraction(right)
    assert Fraction(exactly(left, "*", right)) == Fraction(left) * Fraction(right)


def test_exactness_does_not_depend_on_the_callers_context() -> None:
    with localcontext(Context(prec=3)):
        assert exactly(D("12345.678"), "*", D("98765.432")) == D("1219326221.002896")


def test_there_is_no_exact_quotient() -> None:
    with pytest.raises(ValueError, match="unknown operator '/'"):
        exactly(D("1"), "/", D("3"))


@given(value=amounts, step=steps)
def test_rounding_to_a_step_lands_on_the_grid_on_the_promised_side(value: Decimal, step: Decimal) -> None:
    down, low, high = round_down_to_step(value, step), floor_to_step(value, step), ceil_to_step(value, step)
    for rounded in (down, low, high):
        assert is_multiple_of(rounded, step)
        assert abs(Fraction(rounded) - Fraction(value)) < Fraction(step)
    assert abs(down) <= abs(value)
    assert low <= value <= high
    assert (low == high) == is_multiple_of(value, step)


def test_rounding_a_negative_value_goes_to_zero_down_and_up_as_named() -> None:
    value, step = D("-1.25"), D("0.1")
    assert round_down_to_step(value, step) == D("-1.2")
    assert floor_to_step(value, step) == D("-1.3")
    assert ceil_to_step(value, step) == D("-1.2")


@pytest.mark.parametrize("step", ["0", "-0.1"])
def test_a_step_that_is_not_positive_is_a_surprise(step: str) -> None:
    for rounding in (round_down_to_step, floor_to_step, ceil_to_step):
        with pytest.raises(ValueError, match="step must be positive"):
            rounding(D("1"), D(step))


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-inf", "", "1,5", "ten", "0x10", "1 2"])
def test_text_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(NotADecimalError, match="not a"):
        parse_decimal(text)


@given(value=amounts)
def test_a_number_survives_its_plain_text(value: Decimal) -> None:
    text = plain(value)
    assert parse_decimal(text) == value
    assert "E" not in text
    assert "e" not in text
    assert text == plain(parse_decimal(text))
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+2", "100"),
        ("0E-8", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("1.500", "1.5"),
        ("100", "100"),
        ("1E-10", "0.0000000001"),
    ],
)
def test_plain_text_has_no_exponent_and_no_idle_zeros(value: str, text: str) -> None:
    assert plain(D(value)) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1.005", "1.01"), ("1.00499999", "1.00"), ("-1.005", "-1.01"), ("0.005", "0.01"), ("2.675", "2.68")],
)
def test_display_rounds_half_up_to_a_cent(value: str, shown: str) -> None:
    assert str(for_display(D(value))) == shown


def test_multiples_are_judged_exactly() -> None:
    assert is_multiple_of(D("0.3"), D("0.1"))
    assert not is_multiple_of(D("0.30000000000000000000000000001"), D("0.1"))
