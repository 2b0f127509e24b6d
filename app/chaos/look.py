"""A look at both records at one moment: the market goes on, and a stop may fire between two questions."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from app.chaos.books import Books
from app.chaos.promises import Ledger
from app.domain.reconciliation import WALLET_TOLERANCE

LOOK_SECONDS = 0.2


def look(read_books: Callable[[], Books], read_ledger: Callable[[], Ledger]) -> tuple[Books, Ledger, str | None]:
    """Both records, and why they are not at rest; None when nothing is under way and what was missed is caught up.

    An event that the exchange never sent is found by reconciliation, within seconds: until then the records differ, and
    that is no contradiction yet.
    """
    before = read_ledger()
    books = read_books()
    ledger = read_ledger()
    return books, ledger, _unrest(before, books, ledger)


def look_until_rest(
    read_books: Callable[[], Books],
    read_ledger: Callable[[], Ledger],
    *,
    seconds: float,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Books, Ledger, str | None]:
    """Look until both records are at rest, `seconds` at most: the last look, which is the one to judge.

    A look after one that found rest may find the next stop moved already. `tell` hears why there is no rest yet, each
    reason once. `psycopg.OperationalError` when our record cannot be read at the end either.
    """
    deadline = time.monotonic() + seconds
    told: str | None = None
    while True:
        is_last = time.monotonic() >= deadline
        try:
            why = read_books().under_way()
            if why is None or is_last:  # the exchange is asked only when nothing is under way here
                books, ledger, why = look(read_books, read_ledger)
                if why is None or is_last:
                    return books, ledger, why
        except psycopg.OperationalError as error:
            if is_last:
                raise
            why = f"our record cannot be read: {error}"
        if why != told:
            tell(f"not at rest yet: {why}")
            told = why
        time.sleep(LOOK_SECONDS)


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
