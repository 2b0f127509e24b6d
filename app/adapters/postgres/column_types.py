"""Column types that refuse what must never reach a table: binary floats, NaN, and times without a zone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class InexactValueError(TypeError):
    """A value that cannot be stored without losing or inventing something; a bug in the caller."""


class Money(sa.types.TypeDecorator[Decimal]):
    """Unconstrained NUMERIC, so that every digit the exchange sends is kept; only finite Decimals go in."""

    impl = sa.Numeric
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:
        if value is not None:
            require_exact(value)
        return value


class Moment(sa.types.TypeDecorator[datetime]):
    """TIMESTAMP WITH TIME ZONE; only aware datetimes go in, UTC comes out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None:
            require_aware(value)
        return value


def require_exact(value: Any) -> None:
    """`InexactValueError` unless it is a finite Decimal (or an int)."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise InexactValueError(f"money must be a Decimal, not {type(value).__name__}: {value!r}")
    if isinstance(value, Decimal) and not value.is_finite():
        raise InexactValueError(f"money must be finite, not {value!r}")


def require_aware(value: Any) -> None:
    """`InexactValueError` unless it is a datetime with a zone."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InexactValueError(f"a time must be an aware datetime: {value!r}")
