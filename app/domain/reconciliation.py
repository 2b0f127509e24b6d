"""Comparing what we hold with what the exchange says: differences, and which of them nothing explains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.money import ZERO, exactly

WALLET = "wallet"
# The exchange rounds balances to eight decimals; a position must agree to the last digit.
WALLET_TOLERANCE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure that is not the same here and there; `subject` is a symbol's position or the wallet."""

    subject: str  # position:SYMBOL or wallet
    ours: Decimal
    theirs: Decimal

    @property
    def symbol(self) -> str | None:
        """The symbol of a position's difference."""
        kind, _, symbol = self.subject.partition(":")
        return symbol if kind == "position" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One look at both books: when, and what differed while nothing moved."""

    at: datetime
    differences: Sequence[Difference]


def compare(
    *,
    our_positions: Mapping[str, Decimal],
    their_positions: Mapping[str, Decimal],
    our_wallet: Decimal | None,
    their_wallet: Decimal,
) -> Sequence[Difference]:
    """Every difference, positions by symbol first; `our_wallet` None means that no opening balance was adopted yet."""
    found = [
        Difference(subject=f"position:{symbol}", ours=ours, theirs=theirs)
        for symbol in sorted({*our_positions, *their_positions})
        if (ours := our_positions.get(symbol, ZERO)) != (theirs := their_positions.get(symbol, ZERO))
    ]
    if our_wallet is not None and abs(exactly(their_wallet, "-", our_wallet)) > WALLET_TOLERANCE:
        found.append(Difference(subject=WALLET, ours=our_wallet, theirs=their_wallet))
    return found


def at_rest(differences: Sequence[Difference], *, moving: Collection[str]) -> Sequence[Difference]:
    """Those that no fill on its way explains. `moving` are symbols with an open attempt, an execution that is not
    booked yet, or a position of ours that changed while we looked; the wallet is judged only while nothing moves."""
    return [
        difference
        for difference in differences
        if (difference.symbol not in moving if difference.symbol is not None else not moving)
    ]


def lasting(previous: Pass | None, current: Sequence[Difference]) -> Sequence[Difference]:
    """Differences at rest that the pass before saw with the same figures: nothing explains them."""
    seen = set() if previous is None else set(previous.differences)
    return [difference for difference in current if difference in seen]
