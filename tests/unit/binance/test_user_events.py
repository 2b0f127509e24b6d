"""User stream messages as typed events; what is decorative may be odd, what is money may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.binance.user_events import (
    AccountUpdate,
    AlgoUpdate,
    ListenKeyExpired,
    MarginCall,
    OrderUpdate,
    parse_user_event,
)
from app.adapters.binance.wire import MalformedAnswerError
from app.domain.signals import Side
from app.ports import ExchangeTrade, OrderReport

AT = datetime(2025, 11, 22, 8, 26, 40, 7_000, tzinfo=UTC)
AT_MS = 1_763_800_000_007


def order_event(**changes: Any) -> dict[str, Any]:
    """The documented example of a trade, shortened."""
    order: dict[str, Any] = {
        "s": "BTCUSDT",
        "c": "qabc-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "IOC",
        "q": "0.010",
        "p": "84000.10",
        "ap": "83999.5",
        "sp": "0",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 8886774,
        "l": "0.004",
        "z": "0.006",
        "L": "83999.9",
        "N": "USDT",
        "n": "0.16799980",
        "T": AT_MS,
        "t": 1234,
        "m": False,
        "R": False,
        "rp": "-1.25",
        "er": "0",
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": AT_MS, "T": AT_MS, "o": {**order, **changes}}


def parse(value: Any) -> Any:
    return parse_user_event(json.dumps(value))


def test_a_trade_is_told_with_its_order_exactly() -> None:
    assert parse(order_event()) == OrderUpdate(
        report=OrderReport(
            exchange_order_id=8886774,
            client_order_id="qabc-1",
            symbol="BTCUSDT",
            status="PARTIALLY_FILLED",
            original_quantity=Decimal("0.010"),
            executed_quantity=Decimal("0.006"),
            average_price=Decimal("83999.5"),
        ),
        execution_type="TRADE",
        trade=ExchangeTrade(
            symbol="BTCUSDT",
            trade_id=1234,
            exchange_order_id=8886774,
            side=Side.BUY,
            price=Decimal("83999.9"),
            quantity=Decimal("0.004"),
            fee=Decimal("0.16799980"),
            fee_asset="USDT",
            realised_pnl=Decimal("-1.25"),
            is_maker=False,
            traded_at=AT,
        ),
        expiry_reason="0",
        event_at=AT,
        traded_at=AT,
    )


def test_an_expiry_is_no_trade() -> None:
    update = parse(order_event(x="EXPIRED", X="EXPIRED", l="0", L="0", t=0, N=None, n=None, er=2))
    assert update.trade is None
    assert update.expiry_reason == "2"
    assert update.report.is_final


def test_a_trade_without_commission_has_a_fee_of_zero() -> None:
    event = order_event()
    del event["o"]["N"], event["o"]["n"]
    assert parse(event).trade.fee == Decimal(0)


def test_a_liquidation_trade_counts_whatever_its_execution_type_is_called() -> None:
    assert parse(order_event(x="CALCULATED", c="autoclose-1")).trade.trade_id == 1234


@pytest.mark.parametrize("changes", [{"er": None}, {"er": ["odd"]}, {"R": "odd"}, {"new": {"field": 1}}])
def test_odd_decoration_does_not_cost_us_the_fill(changes: dict[str, Any]) -> None:
    assert parse(order_event(**changes)).trade.quantity == Decimal("0.004")


@pytest.mark.parametrize(
    "changes",
    [
        {"X": "SOMETHING_NEW"},
        {"l": "-1"},
        {"z": "0.011"},
        {"L": "NaN"},
        {"t": 0},
        {"i": "8886774"},
        {"S": "LONG"},
        {"q": 1e400},
        {"n": "much"},
    ],
)
def test_an_order_event_that_does_not_add_up_is_not_believed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswerError):
        parse_user_event(json.dumps(order_event(**changes)))


def test_an_envelope_is_opened() -> None:
    assert parse({"stream": "key", "data": order_event()}) == parse(order_event())


def test_an_account_update_carries_only_what_changed() -> None:
    update = parse(
        {
            "e": "ACCOUNT_UPDATE",
            "E": AT_MS,
            "T": AT_MS,
            "a": {
                "m": "ORDER",
                "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12", "bc": "50.12"}],
                "P": [{"s": "BTCUSDT", "pa": "-0.5", "ep": "84000.1", "up": "-3.1", "mt": "cross", "ps": "BOTH"}],
            },
        }
    )
    assert isinstance(update, AccountUpdate)
    assert update.balances[0].wallet_balance == Decimal("122624.12345678")
    assert (update.positions[0].quantity, update.positions[0].unrealised_pnl) == (Decimal("-0.5"), Decimal("-3.1"))


def test_funding_has_a_balance_and_no_positions() -> None:
    body = {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "1", "cw": "1", "bc": "-0.1"}]}
    update = parse({"e": "ACCOUNT_UPDATE", "E": AT_MS, "T": AT_MS, "a": body})
    assert update.positions == []


def test_a_conditional_order_names_the_order_it_became() -> None:
    body = {
        "caid": "p-1",
        "aid": 2000000001,
        "o": "STOP_MARKET",
        "s": "BTCUSDT",
        "S": "SELL",
        "q": "0.01",
        "X": "TRIGGERED",
        "ai": "8886775",
        "tp": "80000",
        "rm": "",
    }
    update = parse({"e": "ALGO_UPDATE", "E": AT_MS, "T": AT_MS, "o": body})
    assert isinstance(update, AlgoUpdate)
    assert update.exchange_order_id == 8886775
    assert parse({"e": "ALGO_UPDATE", "E": AT_MS, "T": AT_MS, "o": {**body, "ai": ""}}).exchange_order_id is None


def test_a_margin_call_names_its_symbols() -> None:
    call = parse({"e": "MARGIN_CALL", "E": AT_MS, "cw": "3.16", "p": [{"s": "ETHUSDT", "pa": "1.327"}]})
    assert call == MarginCall(symbols=["ETHUSDT"], event_at=AT)


def test_the_end_of_the_listen_key_is_told() -> None:
    assert parse({"e": "listenKeyExpired", "E": AT_MS, "listenKey": "x" * 64}) == ListenKeyExpired()


@pytest.mark.parametrize("value", [{"e": "TRADE_LITE"}, {"e": "ACCOUNT_CONFIG_UPDATE"}, {"e": "NEW"}, {"result": None}])
def test_what_is_not_needed_is_passed_over(value: Any) -> None:
    assert parse(value) is None


@settings(max_examples=200)
@given(st.binary(max_size=100) | st.text(max_size=100))
def test_garbage_never_breaks_the_parser(message: str | bytes) -> None:
    try:
        parse_user_event(message)
    except MalformedAnswerError:
        return
