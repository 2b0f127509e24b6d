"""How old a fact is, exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

_MICROSECOND = timedelta(microseconds=1)


def age_seconds(observed_at: datetime, *, now: datetime) -> Decimal:
    """Seconds from `observed_at` to `now`, to the microsecond; negative for a time that is still to come."""
    return Decimal((now - observed_at) // _MICROSECOND).scaleb(-6)
