"""Our own record, read from Postgres in one moment, for the comparison with the exchange's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import psycopg

CONNECT_SECONDS_MAX = 5
STATEMENT_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True)
class OurSignal:
    """A signal's state and reason."""

    state: str
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class OurOrder:
    """What was approved and where it ended."""

    quantity: Decimal
    executed_quantity: Decimal
    booked_quantity: Decimal
    state: str


@dataclass(frozen=True, slots=True)
class OurAttempt:
    """What we think became of a request."""

    client_order_id: str
    order_id: str
    state: str
    executed_quantity: Decimal


@dataclass(frozen=True, slots=True)
class OurProtection:
    """A protective order that exists at the exchange, or may, by what we think."""

    symbol: str
    leg: str
    side: str
    quantity: Decimal
    state: str
    is_leaving: bool  # a cancel was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything the promises are about. Fills are (price, quantity, fee) by (symbol, trade id)."""

    signals: Mapping[str, OurSignal]
    orders: Mapping[str, OurOrder]
    attempts: Mapping[str, OurAttempt]
    fills: Mapping[tuple[str, int], tuple[Decimal, Decimal, Decimal]]
    positions: Mapping[str, Decimal]
    wallet: Decimal | None
    stopped: list[tuple[datetime, datetime | None]]  # acknowledged safe, until armed again (None: still)
    protection: Mapping[str, OurProtection] = field(default_factory=dict)  # by its id

    def under_way(self) -> str | None:
        """What has not ended yet; None when no signal waits, no order is open, every execution has its fills."""
        signals = sum(signal.state in ("QUEUED", "DISPATCHED", "ORDERED") for signal in self.signals.values())
        attempts = sum(attempt.state in ("SENDING", "UNKNOWN") for attempt in self.attempts.values())
        orders = sum(order.state in ("SUBMITTED", "CHASING") for order in self.orders.values())
        unbooked = sum(order.executed_quantity != order.booked_quantity for order in self.orders.values())
        if signals or attempts or orders or unbooked:
            return f"{signals} signals, {attempts} attempts, {orders} orders, {unbooked} executions without their fills"
        unsure = sum(each.state != "WORKING" or each.is_leaving for each in self.protection.values())
        bare = sorted(symbol for symbol in self.positions if not self._is_covered(symbol))
        if unsure or bare:
            return f"{unsure} protective orders on their way, positions without protection: {bare or 'none'}"
        return None

    def _is_covered(self, symbol: str) -> bool:
        held = self.positions[symbol]
        side = "SELL" if held > 0 else "BUY"
        return all(
            sum(
                each.quantity
                for each in self.protection.values()
                if (each.symbol, each.leg, each.side, each.state) == (symbol, leg, side, "WORKING")
            )
            >= abs(held)
            for leg in ("STOP", "TARGET")
        )


def read_books(database_url: str) -> Books:
    """One snapshot of our tables; `psycopg.OperationalError` while Postgres is away."""
    with psycopg.connect(
        database_url,
        connect_timeout=CONNECT_SECONDS_MAX,
        options=f"-c statement_timeout={STATEMENT_SECONDS_MAX}s",
        autocommit=True,
    ) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        read = connection.execute
        signals = read("SELECT signal_id, state, reason_code FROM signals").fetchall()
        orders = read(
            "SELECT order_id::text, quantity, executed_quantity, booked_quantity, state FROM orders"
        ).fetchall()
        attempts = read("SELECT client_order_id, order_id::text, state, executed_quantity FROM attempts").fetchall()
        fills = read("SELECT symbol, trade_id, price, quantity, fee FROM fills").fetchall()
        positions = read("SELECT symbol, quantity FROM positions WHERE quantity <> 0").fetchall()
        protection = read(
            "SELECT client_algo_id, symbol, leg, side, quantity, state, cancel_requested_at IS NOT NULL"
            " FROM protective_orders WHERE state IN ('SENDING', 'UNKNOWN', 'WORKING', 'TRIGGERED')"
        ).fetchall()
        wallet = read(
            "SELECT sum(amount) FILTER (WHERE account = 'wallet'),"
            " count(*) FILTER (WHERE entry LIKE 'adoption:%') FROM ledger_lines WHERE asset = 'USDT'"
        ).fetchone()
        audit = read(
            "SELECT at, action FROM audit WHERE action IN ('ess_safe', 'ess_reset', 'ess_armed') ORDER BY audit_id"
        ).fetchall()
    return Books(
        signals={row[0]: OurSignal(*row[1:]) for row in signals},
        orders={row[0]: OurOrder(*row[1:]) for row in orders},
        attempts={row[0]: OurAttempt(*row) for row in attempts},
        fills={(row[0], row[1]): (row[2], row[3], row[4]) for row in fills},
        positions=dict(positions),
        wallet=wallet[0] if wallet is not None and wallet[1] else None,
        protection={row[0]: OurProtection(*row[1:]) for row in protection},
        stopped=_stopped(audit),
    )


def _stopped(audit: list[tuple[datetime, str]]) -> list[tuple[datetime, datetime | None]]:
    """The times between an acknowledged trip and the next arming (a cooldown denies entries just the same)."""
    found: list[tuple[datetime, datetime | None]] = []
    for at, action in audit:
        if action == "ess_safe":
            found.append((at, None))
        elif action == "ess_armed":
            # A stop that was tripped again before it was armed has been safe more than once.
            found = [(begin, at if end is None else end) for begin, end in found]
    return found
