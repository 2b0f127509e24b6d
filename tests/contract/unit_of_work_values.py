"""Values that the tests of the unit of work store: small makers with everything filled in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.ess import EmergencyStop, EssState
from app.domain.events import Event, EventType
from app.domain.fills import Fill, FillSource
from app.domain.gates.verdicts import Verdict
from app.domain.market import AccountSnapshot, SymbolRules
from app.domain.orders import (
    Attempt,
    AttemptState,
    Order,
    OrderPurpose,
    OrderState,
    OrderType,
    TimeInForce,
    client_order_id,
)
from app.domain.positions import Position
from app.domain.signals import ModelVote, Side, Signal
from app.ports import NewDecision

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
D = Decimal


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def signal(signal_id: str = "s1", **changes: Any) -> Signal:
    values: dict[str, Any] = {
        "signal_id": signal_id,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "confidence": D("0.518321943283081"),
        "strategy": "ensemble",
        "generated_at": later(-1),
        "received_at": NOW,
        "expires_at": later(30),
        "reference_price": D("84123.40"),
        "models": {
            "xgboost": ModelVote(action="SELL", confidence=D("0.7723599672317505"), source="xgboost"),
            "nhits": ModelVote(action="HOLD", confidence=D("0.5"), source=None),
        },
        "correlation_id": f"c-{signal_id}",
        "producer": "models",
    }
    return Signal(**values | changes)


def order(signal_id: str | None = "s1", **changes: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": uuid.uuid4(),
        "signal_id": signal_id,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "purpose": OrderPurpose.ENTRY,
        "quantity": D("0.500"),
        "reference_price": D("84123.40"),
        "limit_price": D("84291.60"),
        "state": OrderState.SUBMITTED,
        "reason_code": None,
        "reason": None,
        "executed_quantity": D(0),
        "booked_quantity": D(0),
        "attempts_made": 1,
        "next_attempt_at": None,
        "policy_version": 1,
        "correlation_id": "c",
        "created_at": NOW,
        "ended_at": None,
    }
    return Order(**values | changes)


def attempt(of: Order, number: int = 1, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "client_order_id": client_order_id(of.order_id, number),
        "order_id": of.order_id,
        "number": number,
        "symbol": of.symbol,
        "side": of.side,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC,
        "quantity": of.quantity,
        "price": of.limit_price,
        "reduce_only": of.purpose is OrderPurpose.EXIT,
        "signed_at_ms": 1_795_348_800_123,
        "recv_window_ms": 2_500,
        "state": AttemptState.SENDING,
        "begun_at": NOW,
    }
    return Attempt(**values | changes)


def fill(of: Order | None = None, trade_id: int = 1, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "trade_id": trade_id,
        "exchange_order_id": 77,
        "client_order_id": None if of is None else client_order_id(of.order_id, 1),
        "order_id": None if of is None else of.order_id,
        "side": Side.BUY,
        "price": D("84200.10"),
        "quantity": D("0.125"),
        "fee": D("4.21000500"),
        "fee_asset": "USDT",
        "realised_pnl": D("-1.25"),
        "is_maker": False,
        "traded_at": NOW,
        "source": FillSource.TRADES,
    }
    return Fill(**values | changes)


def position(symbol: str = "BTCUSDT", **changes: Any) -> Position:
    values: dict[str, Any] = {
        "symbol": symbol,
        "quantity": D("-0.25"),
        "entry_price": D("84000.123456789"),
        "entry_cost": D("-21000.03086419725"),
        "realised_pnl": D("12.34"),
        "fees": D("0.5"),
        "stop_price": D("85000"),
        "target_price": None,
        "updated_at": NOW,
    }
    return Position(**values | changes)


def account(**changes: Any) -> AccountSnapshot:
    values: dict[str, Any] = {
        "wallet_balance": D("10000.00000001"),
        "unrealised_pnl": D("-3.5"),
        "available_balance": D("9000"),
        "observed_at": NOW,
    }
    return AccountSnapshot(**values | changes)


def tripped(**changes: Any) -> EmergencyStop:
    values: dict[str, Any] = {
        "state": EssState.TRIPPED,
        "trip_reason": "daily drawdown",
        "tripped_at": NOW,
        "tripped_by": "watch",
        "safe_at": None,
        "cooldown_started_at": None,
        "cooldown_until": None,
        "trip_count": 1,
        "reset_count": 0,
        "flatten_requested": True,
        "updated_at": NOW,
    }
    return EmergencyStop(**values | changes)


def rules(symbol: str = "BTCUSDT", **changes: Any) -> SymbolRules:
    values: dict[str, Any] = {
        "symbol": symbol,
        "status": "TRADING",
        "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT",
        "tick_size": D("0.10"),
        "price_minimum": D("556.80"),
        "price_maximum": D("4529764"),
        "step_size": D("0.001"),
        "quantity_minimum": D("0.001"),
        "quantity_maximum": D("1000"),
        "market_quantity_maximum": D("120"),
        "notional_minimum": D("100"),
        "price_multiplier_up": D("1.0500"),
        "price_multiplier_down": D("0.9500"),
    }
    return SymbolRules(**values | changes)


def decision(signal_id: str = "s1", **changes: Any) -> NewDecision:
    values: dict[str, Any] = {
        "signal_id": signal_id,
        "order_id": None,
        "attempt_number": 1,
        "policy_version": 3,
        "outcome": "DENIED",
        "code": "CONFIDENCE_BELOW_MINIMUM",
        "verdicts": [
            Verdict(gate="stage"),
            Verdict(
                gate="confidence",
                code="CONFIDENCE_BELOW_MINIMUM",
                numbers={"confidence": "0.4", "minimum": "0.50"},
            ),
        ],
        "inputs": {"equity": "10000.5", "open_positions": 3, "quote": None},
        "decided_at": NOW,
    }
    return NewDecision(**values | changes)


def event(number: int = 1) -> Event:
    return Event(event_id=f"e{number}", type=EventType.SIGNAL_RECEIVED, at=NOW, payload={"signal_id": f"s{number}"})
