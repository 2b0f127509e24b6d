"""What became of a signal: the return over the horizon, after costs. Prices and returns are Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from app.domain.money import MONEY_CONTEXT
from app.domain.signals import Side

MINUTE_MS = 60_000
RETURN_PLACES = Decimal("1E-10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One minute of trading as the exchange tells it; `open_ms` is when it begins. Closed: nothing follows."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def close_ms(self) -> int:
        """The first moment after it."""
        return self.open_ms + MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSignal:
    """The part of a stored signal that its outcome depends on."""

    signal_id: str
    sequence: int
    symbol: str
    side: Side
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Returns are parts of the entry price (0.01 is one per cent); None with a `reason` when it cannot be told."""

    signal: WatchedSignal
    horizon_minutes: int
    entry_price: Decimal | None
    exit_price: Decimal | None
    gross_return: Decimal | None
    cost: Decimal
    net_return: Decimal | None
    reason: str | None


def due_at(received_at: datetime, *, horizon_minutes: int) -> datetime:
    """When the last candle that an outcome needs has closed."""
    return received_at + timedelta(minutes=horizon_minutes + 1)


def entry_open_ms(received_at: datetime) -> int:
    """The first whole minute that begins after the signal came: nobody trades at a price from before."""
    milliseconds = (received_at - _EPOCH) // timedelta(milliseconds=1)
    return (milliseconds // MINUTE_MS + 1) * MINUTE_MS


def outcome_of(signal: WatchedSignal, candles: Mapping[int, Candle], *, horizon_minutes: int, cost: Decimal) -> Outcome:
    """From the open of the first whole minute after the signal to the close `horizon_minutes` later, after `cost`."""
    opens = entry_open_ms(signal.received_at)
    first, last = candles.get(opens), candles.get(opens + (horizon_minutes - 1) * MINUTE_MS)
    if first is None or last is None:
        missing = "first" if first is None else "last"
        return unknown_outcome(
            signal,
            horizon_minutes=horizon_minutes,
            cost=cost,
            reason=f"the exchange has no candle for its {missing} minute",
        )
    with localcontext(MONEY_CONTEXT):
        gross = (signal.side.sign * (last.close - first.open) / first.open).quantize(RETURN_PLACES)
        net = gross - cost
    return Outcome(
        signal=signal,
        horizon_minutes=horizon_minutes,
        entry_price=first.open,
        exit_price=last.close,
        gross_return=gross,
        cost=cost,
        net_return=net,
        reason=None,
    )


def unknown_outcome(signal: WatchedSignal, *, horizon_minutes: int, cost: Decimal, reason: str) -> Outcome:
    """An outcome that cannot be told, and why."""
    return Outcome(
        signal=signal,
        horizon_minutes=horizon_minutes,
        entry_price=None,
        exit_price=None,
        gross_return=None,
        cost=cost,
        net_return=None,
        reason=reason,
    )


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
