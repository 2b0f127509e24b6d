"""Random histories of fills for property tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from app.domain.fills import Fill
from app.domain.positions import Position, apply_fill, flat_position, realised_by
from app.domain.signals import Side
from tests.unit.domain.builders import make_fill

prices = st.decimals(Decimal("0.0001"), Decimal("100000"), places=4)
quantities = st.decimals(Decimal("0.001"), Decimal("1000"), places=3)
# Fees as the exchange charges them, and the rebates it sometimes pays.
fees = st.decimals(Decimal("-1"), Decimal("50"), places=8)

_trades = st.tuples(st.sampled_from(Side), prices, quantities, fees, st.sampled_from(["USDT", "BNB"]))


@st.composite
def histories(draw: st.DrawFn, *, closing: bool = False) -> Sequence[Fill]:
    """Fills of one symbol whose realised PnL is what our own books say; `closing` ends flat."""
    position = flat_position("BTCUSDT")
    fills: list[Fill] = []
    trades = draw(st.lists(_trades, min_size=1, max_size=12))
    for number, (side, price, quantity, fee, fee_asset) in enumerate(trades, start=1):
        position = _book(
            fills, position, trade_id=number, side=side, price=price, quantity=quantity, fee=fee, fee_asset=fee_asset
        )
    if closing and position.quantity:
        _book(
            fills,
            position,
            trade_id=len(fills) + 1,
            side=Side.SELL if position.quantity > 0 else Side.BUY,
            price=draw(prices),
            quantity=abs(position.quantity),
            fee=Decimal(0),
            fee_asset="USDT",
        )
    return fills


def _book(
    fills: list[Fill],
    position: Position,
    *,
    trade_id: int,
    side: Side,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    fee_asset: str,
) -> Position:
    fill = make_fill(trade_id=trade_id, side=side, price=price, quantity=quantity, fee=fee, fee_asset=fee_asset)
    fill = replace(fill, realised_pnl=realised_by(position, fill))
    fills.append(fill)
    return apply_fill(position, fill)
