"""Gate: would the exchange's own filters take the order as it stands?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.verdicts import Seen, Verdict, denied, passed
from app.domain.market import SymbolRules
from app.domain.money import ZERO, exactly, is_multiple_of
from app.domain.signals import Side

GATE = "venue_filters"
VENUE_RULES_UNKNOWN = "VENUE_RULES_UNKNOWN"
VENUE_QUANTITY_UNKNOWN = "VENUE_QUANTITY_UNKNOWN"
VENUE_PRICE_UNKNOWN = "VENUE_PRICE_UNKNOWN"
VENUE_MARK_PRICE_UNKNOWN = "VENUE_MARK_PRICE_UNKNOWN"
PRICE_BELOW_VENUE_MINIMUM = "PRICE_BELOW_VENUE_MINIMUM"
PRICE_ABOVE_VENUE_MAXIMUM = "PRICE_ABOVE_VENUE_MAXIMUM"
PRICE_OFF_TICK = "PRICE_OFF_TICK"
QUANTITY_BELOW_VENUE_MINIMUM = "QUANTITY_BELOW_VENUE_MINIMUM"
QUANTITY_ABOVE_VENUE_MAXIMUM = "QUANTITY_ABOVE_VENUE_MAXIMUM"
QUANTITY_OFF_STEP = "QUANTITY_OFF_STEP"
NOTIONAL_BELOW_VENUE_MINIMUM = "NOTIONAL_BELOW_VENUE_MINIMUM"
PRICE_ABOVE_MARK_MULTIPLE = "PRICE_ABOVE_MARK_MULTIPLE"
PRICE_BELOW_MARK_MULTIPLE = "PRICE_BELOW_MARK_MULTIPLE"

_Finding = tuple[str, dict[str, Seen]]


def check_venue_filters(
    *,
    side: Side,
    rules: SymbolRules | None,
    quantity: Decimal | None,
    limit_price: Decimal | None,
    mark_price: Decimal | None,
) -> Verdict:
    """Deny a limit order that the symbol's filters would refuse; exactly at a filter's bound passes.

    PRICE_FILTER, LOT_SIZE, MIN_NOTIONAL (price times quantity) and PERCENT_PRICE (a BUY not above the mark times the
    upper multiplier, a SELL not below the mark times the lower one); a zero switches a rule off. Source: the
    exchange's common definitions of filters.
    """
    if rules is None:
        return denied(GATE, VENUE_RULES_UNKNOWN, symbol=None)
    if quantity is None:
        return denied(GATE, VENUE_QUANTITY_UNKNOWN, quantity=None)
    if limit_price is None:
        return denied(GATE, VENUE_PRICE_UNKNOWN, price=None)
    if mark_price is None or mark_price <= ZERO:
        return denied(GATE, VENUE_MARK_PRICE_UNKNOWN, mark=mark_price)
    notional = exactly(limit_price, "*", quantity)
    finding = (
        _price_finding(rules, limit_price)
        or _quantity_finding(rules, quantity)
        or _notional_finding(rules, notional)
        or _percent_price_finding(rules, side, limit_price, mark_price)
    )
    if finding is not None:
        code, bound = finding
        return denied(GATE, code, quantity=quantity, price=limit_price, notional=notional, mark=mark_price, **bound)
    return passed(GATE, quantity=quantity, price=limit_price, notional=notional, mark=mark_price)


def _price_finding(rules: SymbolRules, price: Decimal) -> _Finding | None:
    if price <= ZERO or price < rules.price_minimum:
        return PRICE_BELOW_VENUE_MINIMUM, {"minimum": rules.price_minimum}
    if rules.price_maximum and price > rules.price_maximum:
        return PRICE_ABOVE_VENUE_MAXIMUM, {"maximum": rules.price_maximum}
    # The grid starts at the minimum, not at zero.
    if rules.tick_size and not is_multiple_of(exactly(price, "-", rules.price_minimum), rules.tick_size):
        return PRICE_OFF_TICK, {"tick": rules.tick_size}
    return None


def _quantity_finding(rules: SymbolRules, quantity: Decimal) -> _Finding | None:
    if quantity <= ZERO or quantity < rules.quantity_minimum:
        return QUANTITY_BELOW_VENUE_MINIMUM, {"minimum": rules.quantity_minimum}
    if rules.quantity_maximum and quantity > rules.quantity_maximum:
        return QUANTITY_ABOVE_VENUE_MAXIMUM, {"maximum": rules.quantity_maximum}
    if rules.step_size and not is_multiple_of(exactly(quantity, "-", rules.quantity_minimum), rules.step_size):
        return QUANTITY_OFF_STEP, {"step": rules.step_size}
    return None


def _notional_finding(rules: SymbolRules, notional: Decimal) -> _Finding | None:
    if notional < rules.notional_minimum:
        return NOTIONAL_BELOW_VENUE_MINIMUM, {"minimum": rules.notional_minimum}
    return None


def _percent_price_finding(rules: SymbolRules, side: Side, price: Decimal, mark_price: Decimal) -> _Finding | None:
    if side is Side.BUY and rules.price_multiplier_up:
        highest = exactly(mark_price, "*", rules.price_multiplier_up)
        if price > highest:
            return PRICE_ABOVE_MARK_MULTIPLE, {"maximum": highest}
    if side is Side.SELL:
        lowest = exactly(mark_price, "*", rules.price_multiplier_down)
        if price < lowest:
            return PRICE_BELOW_MARK_MULTIPLE, {"minimum": lowest}
    return None
