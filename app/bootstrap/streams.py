"""The exchange's streams, joined for the listener."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from app.adapters.binance.market_stream import MarketStream
from app.adapters.binance.user_events import AccountUpdate, AlgoUpdate, OrderUpdate, UserEvent
from app.adapters.binance.user_stream import UserStream
from app.bootstrap.system import System
from app.domain.fills import Fill, FillSource
from app.ports import (
    ConditionalReport,
    OrderReport,
)
from app.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Streams:
    """The exchange's streams, not yet running."""

    user: UserStream
    market: MarketStream


def open_streams(system: System, *, symbols: Sequence[str]) -> Streams:
    """The account's own events, and the market data of `symbols`. `SettingsError` without a stream host."""
    url = system.settings.exchange_ws_url
    if url is None:
        raise SettingsError("QT_EXCHANGE_WS_URL: not set")
    return Streams(
        user=UserStream(listen_keys=system.exchange, stream_url=url, random_share=random.random),
        market=MarketStream(
            stream_url=url,
            symbols=symbols,
            clock=system.exchange.clock,
            funding=system.exchange,
            random_share=random.random,
        ),
    )


def order_update_of(event: UserEvent) -> tuple[OrderReport, Fill | None] | None:
    """What a stream event says of an order, in the core's words; None when it is about something else."""
    if not isinstance(event, OrderUpdate):
        return None
    trade = event.trade
    if trade is None:
        return event.report, None
    fill = Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        exchange_order_id=trade.exchange_order_id,
        client_order_id=event.report.client_order_id,
        order_id=None,
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        realised_pnl=trade.realised_pnl,
        is_maker=trade.is_maker,
        traded_at=trade.traded_at,
        source=FillSource.STREAM,
    )
    return event.report, fill


def conditional_update_of(event: UserEvent) -> ConditionalReport | None:
    """What a stream event says of a conditional order, in the core's words; None when it is about something else."""
    if not isinstance(event, AlgoUpdate):
        return None
    return ConditionalReport(
        client_algo_id=event.client_algo_id,
        symbol=event.symbol,
        status=event.status,
        quantity=event.quantity,
        trigger_price=event.trigger_price,
        exchange_order_id=event.exchange_order_id,
        reason=event.reject_reason or None,
    )


def calls_for_reconciliation(event: UserEvent) -> bool:
    """Whether an event says that the account changed by something that no order event tells: funding, a deposit, a gap.

    Every fill brings an account event of reason ORDER beside its order event, and conditional orders trade by order
    events too: looking at the whole account for each would cost more of the request weight than all else together.
    """
    if isinstance(event, OrderUpdate | AlgoUpdate):
        return False
    return not (isinstance(event, AccountUpdate) and event.reason == "ORDER")
