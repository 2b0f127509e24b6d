"""How a symbol has done lately, by our own ledger: what was made or lost each time a position was reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.money import ONE, ZERO

# From half of the losses that pause a symbol on, an entry risks half.
LOSING_SIZE_FACTOR = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """One order that closed something; `net` is what it realised less its fees, in USDT."""

    at: datetime
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolResults:
    """The newest closings of a symbol read into what its next entry is judged by."""

    closings: int
    losses_in_a_row: int
    newest_loss_at: datetime | None

    def size_factor(self, *, losses_max: int) -> Decimal:
        """What a losing streak leaves of the risk budget."""
        return LOSING_SIZE_FACTOR if self.losses_in_a_row * 2 >= losses_max else ONE


def read_results(newest_first: Sequence[Closing]) -> SymbolResults:
    """The losses since the last closing that did not lose."""
    streak = 0
    for each in newest_first:
        if each.net >= ZERO:
            break
        streak += 1
    return SymbolResults(
        closings=len(newest_first),
        losses_in_a_row=streak,
        newest_loss_at=newest_first[0].at if streak else None,
    )
