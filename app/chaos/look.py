"""A look at both records at one moment: the market goes on, and a stop may fire between two questions."""

from __future__ import annotations

from collections.abc import Callable

from app.chaos.books import Books
from app.chaos.promises import Ledger
from app.domain.reconciliation import WALLET_TOLERANCE


def look(read_books: Callable[[], Books], read_ledger: Callable[[], Ledger]) -> tuple[Books, Ledger, str | None]:
    """Both records, and why they are not at rest; None when nothing is under way and what was missed is caught up.

    An event that the exchange never sent is found by reconciliation, within seconds: until then the records differ, and
    that is no contradiction yet.
    """
    before = read_ledger()
    books = read_books()
    ledger = read_ledger()
    return books, ledger, _unrest(before, books, ledger)


def why_not_at_rest(read_books: Callable[[], Books], read_ledger: Callable[[], Ledger]) -> str | None:
    """What is still under way; the exchange is asked only when nothing is here."""
    return read_books().under_way() or look(read_books, read_ledger)[2]


def _unrest(before: Ledger, books: Books, ledger: Ledger) -> str | None:
    if (under_way := books.under_way()) is not None:
        return under_way
    if before.at_stake() != ledger.at_stake():
        return "the exchange moved while we looked"
    if {**books.positions} != ledger.positions():
        return "positions are not reconciled yet"
    if books.wallet is not None and abs(books.wallet - ledger.wallet()) > WALLET_TOLERANCE:
        return "the wallet is not reconciled yet"
    return None
