"""The contracts the paper exchange lists: their filters, precisions and leverage brackets.

BTCUSDT carries the live values of 2026-09-15; the other contracts have the production tick and step sizes and
rounded but realistic limits. The exchange is free to differ from production here: a client reads exchangeInfo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

# What production answers for a perpetual: the year 2100.
PERPETUAL_DELIVERY_MS: Final = 4_133_404_800_000


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """One step of the maintenance margin table: notional in (floor, cap] allows at most `initial_leverage`.

    Maintenance margin of a position = notional * maintenance_margin_ratio - cumulative, in the margin asset.
    """

    bracket: int
    initial_leverage: int
    notional_floor: Decimal
    notional_cap: Decimal
    maintenance_margin_ratio: Decimal
    cumulative: Decimal


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One perpetual contract as exchangeInfo and leverageBracket describe it. Prices in quote, quantities in base."""

    symbol: str
    pair: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    price_tick: Decimal
    price_min: Decimal
    price_max: Decimal
    price_precision: int
    quantity_step: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    quantity_precision: int
    market_quantity_step: Decimal
    market_quantity_min: Decimal
    market_quantity_max: Decimal
    notional_min: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal
    multiplier_decimal: int
    market_take_bound: Decimal
    orders_max: int
    liquidation_fee: Decimal
    trigger_protect: Decimal
    onboard_at_ms: int
    leverage_brackets: tuple[LeverageBracket, ...]
    delivery_at_ms: int = PERPETUAL_DELIVERY_MS
    contract_type: str = "PERPETUAL"
    status: str = "TRADING"
    underlying_type: str = "COIN"
    underlying_sub_types: tuple[str, ...] = ()
    base_asset_precision: int = 8
    quote_precision: int = 8
    maintenance_margin_percent: Decimal = Decimal("2.5000")
    required_margin_percent: Decimal = Decimal("5.0000")
    position_control_side: str = "NONE"
    order_types: tuple[str, ...] = (
        # The conditional types are still listed here although /order refuses them since 2025-12-09.
        "LIMIT",
        "MARKET",
        "STOP",
        "STOP_MARKET",
        "TAKE_PROFIT",
        "TAKE_PROFIT_MARKET",
        "TRAILING_STOP_MARKET",
    )
    times_in_force: tuple[str, ...] = ("GTC", "IOC", "FOK", "GTX", "GTD")

    @property
    def leverage_max(self) -> int:
        """Highest initial leverage the smallest position may use."""
        return self.leverage_brackets[0].initial_leverage


def _brackets(*rows: tuple[int, int, str]) -> tuple[LeverageBracket, ...]:
    """Build the table from (initial leverage, notional cap, maintenance ratio) rows, deriving floor and cumulative."""
    brackets: list[LeverageBracket] = []
    floor, ratio_before, cumulative = Decimal(0), Decimal(0), Decimal(0)
    for number, (leverage, cap, ratio_text) in enumerate(rows, start=1):
        ratio = Decimal(ratio_text)
        # Keeps the maintenance margin continuous where one bracket ends and the next begins.
        cumulative += floor * (ratio - ratio_before)
        brackets.append(LeverageBracket(number, leverage, floor, Decimal(cap), ratio, cumulative))
        floor, ratio_before = Decimal(cap), ratio
    return tuple(brackets)


_BITCOIN_BRACKETS: Final = _brackets(
    (125, 300_000, "0.004"),
    (100, 800_000, "0.005"),
    (75, 3_000_000, "0.0065"),
    (50, 12_000_000, "0.01"),
    (25, 70_000_000, "0.02"),
    (20, 100_000_000, "0.025"),
    (10, 230_000_000, "0.05"),
    (5, 480_000_000, "0.1"),
    (4, 600_000_000, "0.125"),
    (3, 800_000_000, "0.15"),
    (2, 1_200_000_000, "0.25"),
    (1, 1_800_000_000, "0.5"),
)
_ETHER_BRACKETS: Final = _brackets(
    (125, 300_000, "0.004"),
    (100, 800_000, "0.005"),
    (75, 3_000_000, "0.0065"),
    (50, 12_000_000, "0.01"),
    (25, 50_000_000, "0.02"),
    (20, 65_000_000, "0.025"),
    (10, 150_000_000, "0.05"),
    (5, 320_000_000, "0.1"),
    (4, 400_000_000, "0.125"),
    (3, 530_000_000, "0.15"),
    (2, 800_000_000, "0.25"),
    (1, 1_200_000_000, "0.5"),
)
_MAJOR_BRACKETS: Final = _brackets(
    (75, 10_000, "0.005"),
    (50, 100_000, "0.01"),
    (40, 500_000, "0.015"),
    (25, 1_500_000, "0.02"),
    (20, 4_000_000, "0.025"),
    (10, 20_000_000, "0.05"),
    (5, 40_000_000, "0.1"),
    (4, 50_000_000, "0.125"),
    (2, 100_000_000, "0.25"),
    (1, 150_000_000, "0.5"),
)
_MINOR_BRACKETS: Final = _brackets(
    (50, 5_000, "0.01"),
    (40, 25_000, "0.015"),
    (25, 100_000, "0.02"),
    (20, 400_000, "0.025"),
    (10, 2_000_000, "0.05"),
    (5, 4_000_000, "0.1"),
    (4, 5_000_000, "0.125"),
    (2, 10_000_000, "0.25"),
    (1, 15_000_000, "0.5"),
)


def _decimals(step: str) -> int:
    return len(step.partition(".")[2].rstrip("0"))


def _perpetual(
    base: str,
    *,
    tick: str,
    price_min: str,
    price_max: str,
    step: str,
    quantity_max: str,
    market_quantity_max: str,
    notional_min: str = "5",
    multiplier_up: str = "1.0500",
    multiplier_down: str = "0.9500",
    market_take_bound: str = "0.05",
    price_precision: int | None = None,
    liquidation_fee: str = "0.015000",
    onboard_at_ms: int,
    kinds: tuple[str, ...] = (),
    brackets: tuple[LeverageBracket, ...] = _MAJOR_BRACKETS,
) -> SymbolSpec:
    return SymbolSpec(
        symbol=f"{base}USDT",
        pair=f"{base}USDT",
        base_asset=base,
        quote_asset="USDT",
        margin_asset="USDT",
        price_tick=Decimal(tick),
        price_min=Decimal(price_min),
        price_max=Decimal(price_max),
        price_precision=_decimals(tick) if price_precision is None else price_precision,
        quantity_step=Decimal(step),
        quantity_min=Decimal(step),
        quantity_max=Decimal(quantity_max),
        quantity_precision=_decimals(step),
        market_quantity_step=Decimal(step),
        market_quantity_min=Decimal(step),
        market_quantity_max=Decimal(market_quantity_max),
        notional_min=Decimal(notional_min),
        multiplier_up=Decimal(multiplier_up),
        multiplier_down=Decimal(multiplier_down),
        multiplier_decimal=4,
        market_take_bound=Decimal(market_take_bound),
        orders_max=200,
        liquidation_fee=Decimal(liquidation_fee),
        trigger_protect=Decimal("0.0500"),
        onboard_at_ms=onboard_at_ms,
        leverage_brackets=brackets,
        underlying_sub_types=kinds,
    )


_SPECS: Final = (
    _perpetual(
        "BTC", tick="0.10", price_min="556.80", price_max="4529764", step="0.001", quantity_max="1000",
        market_quantity_max="120", notional_min="50", price_precision=2, liquidation_fee="0.012500",
        onboard_at_ms=1_569_398_400_000, kinds=("PoW",), brackets=_BITCOIN_BRACKETS,
    ),
    _perpetual(
        "ETH", tick="0.01", price_min="39.86", price_max="306177", step="0.001", quantity_max="10000",
        market_quantity_max="2000", notional_min="20", liquidation_fee="0.012500",
        onboard_at_ms=1_569_398_400_000, kinds=("Layer-1",), brackets=_ETHER_BRACKETS,
    ),
    _perpetual(
        "BNB", tick="0.010", price_min="6.600", price_max="100000", step="0.01", quantity_max="10000",
        market_quantity_max="2000", price_precision=3, onboard_at_ms=1_581_321_600_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "SOL", tick="0.0100", price_min="0.4200", price_max="6857", step="0.01", quantity_max="1000000",
        market_quantity_max="20000", price_precision=4, onboard_at_ms=1_599_984_000_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "XRP", tick="0.0001", price_min="0.0143", price_max="100000", step="0.1", quantity_max="10000000",
        market_quantity_max="2000000", onboard_at_ms=1_578_268_800_000, kinds=("Payment",),
    ),
    _perpetual(
        "ADA", tick="0.00010", price_min="0.01740", price_max="100000", step="1", quantity_max="2000000",
        market_quantity_max="300000", price_precision=5, onboard_at_ms=1_580_486_400_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "DOGE", tick="0.000010", price_min="0.002440", price_max="30", step="1", quantity_max="50000000",
        market_quantity_max="30000000", price_precision=6, onboard_at_ms=1_594_339_200_000, kinds=("Meme",),
    ),
    _perpetual(
        "AVAX", tick="0.0010", price_min="0.4180", price_max="5000", step="1", quantity_max="1440000",
        market_quantity_max="10000", price_precision=4, onboard_at_ms=1_600_243_200_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "LINK", tick="0.001", price_min="0.288", price_max="1000000", step="0.01", quantity_max="200000",
        market_quantity_max="20000", notional_min="20", onboard_at_ms=1_579_305_600_000, kinds=("Infrastructure",),
    ),
    _perpetual(
        "SUI", tick="0.000100", price_min="0.000100", price_max="200", step="0.1", quantity_max="10000000",
        market_quantity_max="300000", price_precision=6, onboard_at_ms=1_683_100_800_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "NEAR", tick="0.0010", price_min="0.0570", price_max="2000", step="1", quantity_max="5000000",
        market_quantity_max="60000", price_precision=4, onboard_at_ms=1_602_633_600_000, kinds=("Layer-1",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "UNI", tick="0.0010", price_min="0.4060", price_max="10000", step="1", quantity_max="1000000",
        market_quantity_max="20000", price_precision=4, onboard_at_ms=1_600_329_600_000, kinds=("DeFi",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "ARB", tick="0.000100", price_min="0.000100", price_max="200", step="0.1", quantity_max="10000000",
        market_quantity_max="1000000", price_precision=6, onboard_at_ms=1_679_500_800_000, kinds=("Layer-2",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "HBAR", tick="0.00001", price_min="0.00149", price_max="100000", step="1", quantity_max="30000000",
        market_quantity_max="1000000", onboard_at_ms=1_616_112_000_000, kinds=("Layer-1",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "ALGO", tick="0.0001", price_min="0.0098", price_max="2000", step="0.1", quantity_max="10000000",
        market_quantity_max="1000000", onboard_at_ms=1_581_321_600_000, kinds=("Layer-1",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "APT", tick="0.00100", price_min="0.10000", price_max="10000", step="0.1", quantity_max="1000000",
        market_quantity_max="25000", price_precision=5, onboard_at_ms=1_666_137_600_000, kinds=("Layer-1",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "LTC", tick="0.01", price_min="3.61", price_max="100000", step="0.001", quantity_max="10000",
        market_quantity_max="5000", notional_min="20", onboard_at_ms=1_578_009_600_000, kinds=("PoW",),
    ),
    _perpetual(
        "DOT", tick="0.001", price_min="0.303", price_max="100000", step="0.1", quantity_max="1000000",
        market_quantity_max="50000", onboard_at_ms=1_598_140_800_000, kinds=("Layer-1",),
        brackets=_MINOR_BRACKETS,
    ),
    _perpetual(
        "TRX", tick="0.00001", price_min="0.00132", price_max="10000", step="1", quantity_max="10000000",
        market_quantity_max="5000000", onboard_at_ms=1_579_046_400_000, kinds=("Layer-1",),
    ),
    _perpetual(
        "OP", tick="0.0001000", price_min="0.0001000", price_max="200", step="0.1", quantity_max="10000000",
        market_quantity_max="500000", price_precision=7, onboard_at_ms=1_654_041_600_000, kinds=("Layer-2",),
        brackets=_MINOR_BRACKETS,
    ),
)  # fmt: skip

CATALOGUE: Final[Mapping[str, SymbolSpec]] = MappingProxyType({spec.symbol: spec for spec in _SPECS})
"""Every listed contract by symbol, in the order exchangeInfo lists them."""
