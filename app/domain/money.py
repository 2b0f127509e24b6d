"""Decimal arithmetic for money and quantities: parsing, rounding to a step, rounding for display."""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    InvalidOperation,
    localcontext,
)

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")

# Enough digits that no product of a price and a quantity of this exchange is ever rounded.
MONEY_CONTEXT = Context(prec=50)


class NotADecimalError(ValueError):
    """The text is not a finite decimal number."""


def parse_decimal(text: str) -> Decimal:
    """A finite Decimal from its text; `NotADecimalError` for anything else (NaN, infinities, words)."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise NotADecimalError(f"not a decimal number: {text!r}") from error
    if not value.is_finite():
        raise NotADecimalError(f"not a finite number: {text!r}")
    return value


def exactly(left: Decimal, operator: str, right: Decimal) -> Decimal:
    """`left operator right` for + - * without rounding (50 digits)."""
    with localcontext(MONEY_CONTEXT):
        if operator == "*":
            return left * right
        if operator == "+":
            return left + right
        if operator == "-":
            return left - right
    raise ValueError(f"unknown operator {operator!r}")


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= ZERO:
        raise ValueError(f"step must be positive, not {step}")
    with localcontext(MONEY_CONTEXT):
        return (value / step).quantize(ONE, rounding=rounding) * step


def round_down_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` whose magnitude does not exceed `value`'s: never more than was asked for."""
    return _to_step(value, step, ROUND_DOWN)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value` (towards minus infinity)."""
    return _to_step(value, step, ROUND_FLOOR)


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value` (towards plus infinity)."""
    return _to_step(value, step, ROUND_CEILING)


def is_multiple_of(value: Decimal, step: Decimal) -> bool:
    """Whether `value` lies on the grid of `step`."""
    with localcontext(MONEY_CONTEXT):
        return value % step == ZERO


def for_display(value: Decimal) -> Decimal:
    """Rounded half up to a cent; for screens only, never stored or computed with."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP, context=MONEY_CONTEXT)


def plain(value: Decimal) -> str:
    """The number as plain digits, never in exponent notation, without trailing zeros (`Decimal('1E+2')` -> `100`)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
