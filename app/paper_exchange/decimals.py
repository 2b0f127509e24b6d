"""Exact decimal text: how the exchange reads and writes numbers on the wire."""

import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

# The exchange's own rule (protocol sheet, section 2): no sign, no exponent, at most 20 digits on either side.
WIRE_NUMBER = re.compile(r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
ZERO = Decimal(0)
# Money is booked to eight digits, as the exchange does.
MONEY_STEP = Decimal("0.00000001")


def parse_wire_number(text: str) -> Decimal | None:
    """Return the number, or None when the text is not one by the exchange's rule (`1e-05`, `-1`, ` 1`)."""
    return Decimal(text) if WIRE_NUMBER.match(text) else None


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without losing a digit."""
    return format(value, "f")


def padded(value: Decimal, digits: int) -> str:
    """Write a decimal with at least `digits` digits after the point; further significant digits are kept."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        value = value.normalize()
        exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent >= digits:
        return format(value, "f")
    return format(value, f".{digits}f")


def money(value: Decimal) -> Decimal:
    """Round an amount that comes from a division or a rate to the eight digits money is booked in."""
    return value.quantize(MONEY_STEP, rounding=ROUND_HALF_UP)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value` (`value` >= 0)."""
    if step <= 0:
        return value
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` lies on the grid of `step`; a step of 0 switches the rule off."""
    return step == 0 or value % step == 0
