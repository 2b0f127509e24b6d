"""The account: one wallet in USDT and one position a symbol, in exact decimals."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from app.paper_exchange.decimals import ZERO, money
from app.paper_exchange.market import Side

ASSET = "USDT"
LEVERAGE_DEFAULT = 20


class MarginType(StrEnum):
    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


@dataclass(slots=True)
class Position:
    """A one-way position and its settings.

    `quantity` is signed. `cost` is what the open quantity was entered for, signed alike (quantity * entry price). It is
    kept instead of the entry price because it stays exact: realised + unrealised never lose a digit to a division.
    """

    symbol: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    # As `cost`, but with fees and what partial closes realised since the position was flat: gives the break-even price.
    break_even_cost: Decimal = ZERO
    accumulated_realised: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    leverage: int = LEVERAGE_DEFAULT
    margin_type: MarginType = MarginType.CROSSED
    updated_us: int = 0

    @property
    def entry_price(self) -> Decimal:
        """Average entry price to eight digits, 0 when flat."""
        return money(self.cost / self.quantity) if self.quantity else ZERO

    @property
    def break_even_price(self) -> Decimal:
        return money(self.break_even_cost / self.quantity) if self.quantity else ZERO

    def unrealised_pnl(self, mark_price: Decimal) -> Decimal:
        return self.quantity * mark_price - self.cost

    def apply_fill(self, side: Side, quantity: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Change the position by a fill and return the profit it realised (before the fee)."""
        signed = quantity if side == "BUY" else -quantity
        realised = ZERO
        if self.quantity and (self.quantity > 0) != (signed > 0):
            closing = min(quantity, abs(self.quantity))
            direction = 1 if self.quantity > 0 else -1
            whole = closing == abs(self.quantity)
            portion = self.cost if whole else money(self.cost * closing / abs(self.quantity))
            isolated_portion = (
                self.isolated_wallet if whole else money(self.isolated_wallet * closing / abs(self.quantity))
            )
            realised = direction * closing * price - portion
            self.cost -= portion
            self.isolated_wallet -= isolated_portion
            self.quantity -= direction * closing
            self.break_even_cost -= direction * closing * price
            self.accumulated_realised += realised
            signed += direction * closing
            if whole:
                self.break_even_cost = ZERO
        if signed:
            self.quantity += signed
            self.cost += signed * price
            self.break_even_cost += signed * price
            if self.margin_type is MarginType.ISOLATED:
                self.isolated_wallet += money(abs(signed) * price / self.leverage)
        if self.quantity:
            self.break_even_cost += fee
        return realised


@dataclass(slots=True)
class Account:
    """Wallet and positions. `wallet` = everything booked; the isolated part of it sits in the positions."""

    wallet: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    multi_assets_margin: bool = False
    maker_rate: Decimal = Decimal("0.0002")
    taker_rate: Decimal = Decimal("0.0005")
    updated_us: int = 0

    def position(self, symbol: str) -> Position:
        """The position of a symbol, made flat on first sight."""
        found = self.positions.get(symbol)
        if found is None:
            found = self.positions[symbol] = Position(symbol)
        return found

    @property
    def isolated_total(self) -> Decimal:
        return sum((p.isolated_wallet for p in self.positions.values() if p.isolated_wallet), ZERO)

    @property
    def cross_wallet(self) -> Decimal:
        return self.wallet - self.isolated_total
