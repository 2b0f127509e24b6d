"""A fill: one trade of ours, as the exchange reported it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.signals import Side


class FillSource(StrEnum):
    """Which of the exchange's mouths told us first."""

    STREAM = "STREAM"
    TRADES = "TRADES"  # userTrades asked after an order
    RECONCILIATION = "RECONCILIATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade; `(symbol, trade_id)` is its identity, whoever reports it and however often.

    `fee` is positive when paid. `realised_pnl` is the exchange's own figure, before the fee. `order_id` is None for
    a trade that no order of ours explains (adopted).
    """

    symbol: str
    trade_id: int
    exchange_order_id: int
    client_order_id: str | None
    order_id: uuid.UUID | None
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised_pnl: Decimal
    is_maker: bool
    traded_at: datetime
    source: FillSource
    adopted: bool = False
