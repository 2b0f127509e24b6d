"""What is known of a market: a symbol's trading rules, its best prices, its funding rate, the account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRules:
    """A symbol's filters as `exchangeInfo` gives them; a zero switches a rule off (exchange's convention)."""

    symbol: str
    status: str  # trade only TRADING
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    price_minimum: Decimal
    price_maximum: Decimal
    step_size: Decimal
    quantity_minimum: Decimal
    quantity_maximum: Decimal
    market_quantity_maximum: Decimal
    notional_minimum: Decimal
    price_multiplier_up: Decimal
    price_multiplier_down: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Best prices and mark price of a symbol; `observed_at` is when the exchange said so, the older of the two."""

    symbol: str
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal
    mark_price: Decimal
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """What a position pays (positive: longs pay) at the next funding time, per `interval_hours`."""

    symbol: str
    rate: Decimal
    interval_hours: int
    next_funding_at: datetime
    observed_at: datetime

    @property
    def rate_per_8h(self) -> Decimal:
        """The rate scaled to eight hours, so that intervals compare."""
        return self.rate * 8 / self.interval_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """The exchange's own figures of the account, in USDT."""

    wallet_balance: Decimal
    unrealised_pnl: Decimal
    available_balance: Decimal
    observed_at: datetime

    @property
    def equity(self) -> Decimal:
        """Wallet plus unrealised PnL (the exchange's margin balance)."""
        return self.wallet_balance + self.unrealised_pnl


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePosition:
    """A position as the exchange reports it; `quantity` is signed."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
