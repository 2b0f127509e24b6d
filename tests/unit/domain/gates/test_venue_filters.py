"""Gate: venue filters."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.gates.venue_filters import check_venue_filters
from app.domain.gates.verdicts import Verdict
from app.domain.signals import Side
from tests.unit.domain.builders import D, denies, make_rules, passes

# The grid of prices is 0.5, 2.5, 4.5 ...; that of quantities 0.1, 0.5, 0.9 ...: neither starts at zero.
RULES = make_rules(
    tick_size=D("2"),
    price_minimum=D("0.5"),
    price_maximum=D("300.5"),
    step_size=D("0.4"),
    quantity_minimum=D("0.1"),
    quantity_maximum=D("90.1"),
    notional_minimum=D("50.25"),
    price_multiplier_up=D("1.05"),
    price_multiplier_down=D("0.95"),
)


def check(
    side: Side = Side.BUY, *, quantity: str = "0.5", price: str = "100.5", mark: str = "100", **changes: Any
) -> Verdict:
    facts: dict[str, Any] = {
        "side": side,
        "rules": RULES,
        "quantity": D(quantity),
        "limit_price": D(price),
        "mark_price": D(mark),
    }
    return check_venue_filters(**{**facts, **changes})


def test_an_order_within_every_filter_passes() -> None:
    assert check() == passes("venue_filters", quantity="0.5", price="100.5", notional="50.25", mark="100")


@pytest.mark.parametrize(
    ("order", "code", "bound"),
    [
        ({"price": "0.4999", "mark": "1"}, "PRICE_BELOW_VENUE_MINIMUM", {"minimum": "0.5"}),
        ({"price": "-2.5", "rules": make_rules(price_minimum=D("-100"))}, "PRICE_BELOW_VENUE_MINIMUM", {}),
        ({"price": "0", "rules": make_rules(price_minimum=D("0"))}, "PRICE_BELOW_VENUE_MINIMUM", {"minimum": "0"}),
        ({"price": "300.5001", "mark": "300"}, "PRICE_ABOVE_VENUE_MAXIMUM", {"maximum": "300.5"}),
        ({"price": "100.4"}, "PRICE_OFF_TICK", {"tick": "2"}),
        ({"price": "102"}, "PRICE_OFF_TICK", {"tick": "2"}),
        ({"quantity": "0.0999"}, "QUANTITY_BELOW_VENUE_MINIMUM", {"minimum": "0.1"}),
        ({"quantity": "0", "rules": make_rules(quantity_minimum=D("0"))}, "QUANTITY_BELOW_VENUE_MINIMUM", {}),
        ({"quantity": "90.1001"}, "QUANTITY_ABOVE_VENUE_MAXIMUM", {"maximum": "90.1"}),
        ({"quantity": "0.4"}, "QUANTITY_OFF_STEP", {"step": "0.4"}),
        ({"quantity": "0.7"}, "QUANTITY_OFF_STEP", {"step": "0.4"}),
        ({"quantity": "0.5", "price": "98.5"}, "NOTIONAL_BELOW_VENUE_MINIMUM", {"minimum": "50.25"}),
    ],
)
def test_an_order_one_unit_outside_a_filter_is_denied(order: dict[str, Any], code: str, bound: dict[str, str]) -> None:
    verdict = check(**order)
    assert verdict.code == code
    assert bound.items() <= verdict.numbers.items()
    assert verdict.numbers["price"] == order.get("price", "100.5")
    assert verdict.numbers["quantity"] == order.get("quantity", "0.5")


@pytest.mark.parametrize(
    "order",
    [
        {"price": "300.5", "mark": "300.5"},
        {"quantity": "90.1"},
        {
            "quantity": "0.1",
            "price": "0.5",
            "mark": "0.5",
            "rules": make_rules(price_minimum=D("0.5"), quantity_minimum=D("0.1"), notional_minimum=D("0.05")),
        },
    ],
)
def test_an_order_exactly_at_a_bound_passes(order: dict[str, Any]) -> None:
    assert check(**order).code is None


@pytest.mark.parametrize(
    ("side", "price", "edge", "beyond", "code", "bound"),
    [
        # 105 is 100 times 1.05; a mark a hair lower puts the same price beyond.
        (Side.BUY, "105.5", "100.4761904762", "100.4761", "PRICE_ABOVE_MARK_MULTIPLE", {"maximum": "105.499905"}),
        (Side.SELL, "99.5", "104.7368421052", "104.7369", "PRICE_BELOW_MARK_MULTIPLE", {"minimum": "99.500055"}),
    ],
)
def test_a_price_beyond_the_marks_multiple_is_denied_on_the_side_it_hurts(
    side: Side, price: str, edge: str, beyond: str, code: str, bound: dict[str, str]
) -> None:
    rules = make_rules(tick_size=D("0.1"), price_minimum=D("0"), notional_minimum=D("1"))
    facts: dict[str, Any] = {"price": price, "rules": rules, "quantity": "1"}
    assert check(side, mark=edge, **facts).code is None
    assert check(side, mark=beyond, **facts) == denies(
        "venue_filters", code, quantity="1", price=price, notional=price, mark=beyond, **bound
    )
    assert check(side.opposite, mark=beyond, **facts).code is None


def test_exactly_the_marks_multiple_passes() -> None:
    rules = make_rules(tick_size=D("0.1"), price_minimum=D("0"), notional_minimum=D("1"))
    assert check(Side.BUY, price="105", mark="100", rules=rules, quantity="1").code is None
    assert check(Side.SELL, price="95", mark="100", rules=rules, quantity="1").code is None
    assert check(Side.BUY, price="105.1", mark="100", rules=rules, quantity="1").code == "PRICE_ABOVE_MARK_MULTIPLE"
    assert check(Side.SELL, price="94.9", mark="100", rules=rules, quantity="1").code == "PRICE_BELOW_MARK_MULTIPLE"


def test_a_zero_switches_a_rule_off() -> None:
    zero = Decimal(0)
    rules = make_rules(
        tick_size=zero,
        price_minimum=zero,
        price_maximum=zero,
        step_size=zero,
        quantity_minimum=zero,
        quantity_maximum=zero,
        notional_minimum=zero,
        price_multiplier_up=zero,
        price_multiplier_down=zero,
    )
    for side in Side:
        assert check(side, quantity="12345.678901", price="98765.4321", mark="1", rules=rules).code is None
        assert check(side, quantity="0.000001", price="0.000001", mark="0.000001", rules=rules).code is None


@pytest.mark.parametrize(
    ("missing", "code", "numbers"),
    [
        ("rules", "VENUE_RULES_UNKNOWN", {"symbol": "unknown"}),
        ("quantity", "VENUE_QUANTITY_UNKNOWN", {"quantity": "unknown"}),
        ("limit_price", "VENUE_PRICE_UNKNOWN", {"price": "unknown"}),
        ("mark_price", "VENUE_MARK_PRICE_UNKNOWN", {"mark": "unknown"}),
    ],
)
def test_a_missing_fact_denies(missing: str, code: str, numbers: dict[str, str]) -> None:
    facts: dict[str, Any] = {
        "side": Side.BUY,
        "rules": RULES,
        "quantity": D("0.5"),
        "limit_price": D("100.5"),
        "mark_price": D("100"),
    }
    assert check_venue_filters(**{**facts, missing: None}) == denies("venue_filters", code, **numbers)


@pytest.mark.parametrize("mark", ["0", "-1"])
def test_a_mark_that_is_no_price_is_unknown(mark: str) -> None:
    assert check(mark=mark) == denies("venue_filters", "VENUE_MARK_PRICE_UNKNOWN", mark=mark)
