"""A one-way position and how a fill changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

from app.domain.fills import Fill
from app.domain.money import MONEY_CONTEXT, ZERO, exactly
from app.domain.signals import Side

# The exchange settles USD-M futures to eight digits.
SETTLEMENT_STEP = Decimal("0.00000001")
SETTLEMENT_ASSET = "USDT"
# How far the exchange's realised PnL of one fill may lie from ours before the books are in doubt: its last digit.
REALISED_TOLERANCE = SETTLEMENT_STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Signed quantity and what it was entered for; cumulative realised PnL (before fees) and fees, in USDT.

    `entry_cost` is signed like the quantity (price times quantity of what is open) and exact: nothing is ever lost to
    the division that an average price needs. `entry_price` is that average, rounded, for people and for the wire.
    `realised_pnl` is the sum of the exchange's own figures, as the ledger books them; `realised_by` is ours.
    `fees` leaves out what was paid in another asset; the ledger holds that under the asset's name.
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    entry_cost: Decimal
    realised_pnl: Decimal
    fees: Decimal
    stop_price: Decimal | None
    target_price: Decimal | None
    updated_at: datetime | None


def flat_position(symbol: str) -> Position:
    """A position that was never held."""
    return Position(
        symbol=symbol,
        quantity=ZERO,
        entry_price=ZERO,
        entry_cost=ZERO,
        realised_pnl=ZERO,
        fees=ZERO,
        stop_price=None,
        target_price=None,
        updated_at=None,
    )


def apply_fill(position: Position, fill: Fill) -> Position:
    """The position after a fill: it adds, closes in part, closes whole, or flips to the other side.

    Stop and target belong to what was protected: they are dropped when the position closes or flips. The caller makes
    sure that a trade is applied once.
    """
    _same_symbol(position, fill)
    quantity = exactly(position.quantity, "+", _signed_quantity(fill))
    kept = exactly(position.entry_cost, "-", _released_cost(position, fill))
    entry_cost = exactly(kept, "+", exactly(_opening_quantity(position, fill), "*", fill.price))
    still_protected = position.quantity * quantity > ZERO
    fee = fill.fee if fill.fee_asset == SETTLEMENT_ASSET else ZERO
    return replace(
        position,
        quantity=quantity,
        entry_price=_average(entry_cost, quantity),
        entry_cost=entry_cost,
        realised_pnl=exactly(position.realised_pnl, "+", fill.realised_pnl),
        fees=exactly(position.fees, "+", fee),
        stop_price=position.stop_price if still_protected else None,
        target_price=position.target_price if still_protected else None,
        updated_at=fill.traded_at,
    )


def realised_by(position: Position, fill: Fill) -> Decimal:
    """What this fill realises against the position, before its fee, in USDT, by our own books; 0 when it only adds.

    The cost of what is closed is its part of `entry_cost`, rounded half up to the settlement step when only a part is
    closed; what the rounding leaves stays with the open quantity, so that no digit is ever lost.
    """
    _same_symbol(position, fill)
    proceeds = exactly(_closing_quantity(position, fill), "*", fill.price)
    return exactly(proceeds, "-", _released_cost(position, fill))


def realised_difference(position: Position, fill: Fill) -> Decimal:
    """The exchange's realised PnL of the fill minus ours; beyond `REALISED_TOLERANCE` one of us has missed a trade."""
    return exactly(fill.realised_pnl, "-", realised_by(position, fill))


def unrealised_pnl(position: Position, *, mark_price: Decimal) -> Decimal:
    """What closing at the mark would realise, before fees, in USDT, exactly."""
    return exactly(exactly(position.quantity, "*", mark_price), "-", position.entry_cost)


def _same_symbol(position: Position, fill: Fill) -> None:
    if position.symbol != fill.symbol:
        raise ValueError(f"a fill of {fill.symbol} cannot change a position in {position.symbol}")


def _signed_quantity(fill: Fill) -> Decimal:
    return fill.quantity if fill.side is Side.BUY else fill.quantity.copy_negate()


def _closing_quantity(position: Position, fill: Fill) -> Decimal:
    """How much of the position the fill closes, signed like the position."""
    if position.quantity * fill.side.sign >= ZERO:
        return ZERO
    if fill.quantity >= position.quantity.copy_abs():
        return position.quantity
    return _signed_quantity(fill).copy_negate()


def _opening_quantity(position: Position, fill: Fill) -> Decimal:
    """How much the fill adds or opens on its own side, signed like the fill."""
    return exactly(_signed_quantity(fill), "+", _closing_quantity(position, fill))


def _released_cost(position: Position, fill: Fill) -> Decimal:
    """The part of the entry cost that leaves with what is closed."""
    closing = _closing_quantity(position, fill)
    if closing == ZERO:
        return ZERO
    if closing == position.quantity:
        return position.entry_cost
    with localcontext(MONEY_CONTEXT):
        return (position.entry_cost * closing / position.quantity).quantize(SETTLEMENT_STEP, rounding=ROUND_HALF_UP)


def _average(entry_cost: Decimal, quantity: Decimal) -> Decimal:
    """The average entry price to eight digits, 0 when flat."""
    if quantity == ZERO:
        return ZERO
    with localcontext(MONEY_CONTEXT):
        return (entry_cost / quantity).quantize(SETTLEMENT_STEP, rounding=ROUND_HALF_UP)
