"""What the doors show, read without locks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from app.domain.ensemble.provenance import Ballot
from app.domain.market import Quote
from app.domain.signals import SignalState
from app.ports.database import Page


class ReadModels(Protocol):
    """What people look at. Mappings are JSON-ready: decimals as plain strings, times as RFC 3339 text.

    Every call is one read-only transaction that sees one moment and waits for no row lock; raises
    `DatabaseUnavailableError`.
    """

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        """`signal, state, decision` (the newest)`, decisions, order, attempts, fills, timeline`, or None."""
        ...

    def signals(self, *, states: Sequence[SignalState], after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def orders(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def explain_order(self, order_id: uuid.UUID) -> Mapping[str, Any] | None:
        """`order, attempts, fills`, or None."""
        ...

    def ballots(self, *, symbol: str | None, limit: int) -> Sequence[Ballot]:
        """The votes of the newest signals that had some, newest first; only so far back that it stays quick."""
        ...

    def audit(self, *, actor: str | None, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def open_attempts(self, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Attempts whose end is not known, oldest first."""
        ...

    def alerts(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def positions(self, quotes: Mapping[str, Quote], *, now: datetime, after: str | None, limit: int) -> Page:
        """Those that are not flat, by symbol, valued at the quotes' mark prices."""
        ...

    def portfolio(self, *, now: datetime) -> Mapping[str, Any]:
        """The account as the exchange told it, and what our ledger has realised and paid in fees."""
        ...

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None = None) -> Page:
        """Oldest first from `since` on, `next` being the `since` of the next page; without it the newest `limit`.

        With `every_seconds`, one point of each such span: its last.
        """
        ...

    def ess(self) -> Mapping[str, Any]: ...

    def policy(self) -> Mapping[str, Any]: ...

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        ...

    def counts(self, *, newest: int | None) -> Mapping[str, Any]:
        """Signals and orders by state among the `newest` of each (None: of all, which reads them all)."""
        ...

    def overview(self, quotes: Mapping[str, Quote], *, now: datetime, limit: int) -> Mapping[str, Any]:
        """`portfolio, positions, orders, signals, ess, policy, counts` as of one moment; lists hold `limit` rows."""
        ...
