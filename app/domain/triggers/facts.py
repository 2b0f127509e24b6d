"""Everything the triggers look at, gathered at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.market import AccountSnapshot
from app.domain.orders import Attempt
from app.domain.policy import Policy
from app.domain.reconciliation import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMarket:
    """A symbol that is held. `observed_at` is its newest quote's; None: no quote, not known since `missing_since`."""

    symbol: str
    observed_at: datetime | None
    missing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFacts:
    """The facts of one look; None means not known."""

    now: datetime
    policy: Policy | None
    account: AccountSnapshot | None
    start_of_day_equity: Decimal | None  # the day's first equity, UTC
    troubled_attempts: int | None  # in the policy's window: UNKNOWN at some time, or proved NOT_SENT
    newest_ended_entries: Sequence[Attempt] | None  # in the same window, newest first
    open_attempts: Sequence[Attempt] | None
    held: Sequence[HeldMarket] | None
    differences: Sequence[Difference] | None  # of the newest reconciliation
    reconciled_at: datetime | None
