"""How values look in JSON columns and answers: decimals and times as text, nothing rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from app.adapters.postgres.column_types import InexactValueError, require_aware, require_exact
from app.domain.money import plain


def rfc3339(moment: datetime) -> str:
    """The time in UTC with a trailing Z, microseconds where there are any."""
    require_aware(moment)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rfc3339_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def plain_or_none(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def to_json(value: Any) -> str:
    """JSON text; Decimals become plain strings, times RFC 3339, everything else must be JSON already."""
    try:
        return orjson.dumps(value, default=_exact_text, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except orjson.JSONEncodeError as error:
        # orjson says only that it could not; its cause says why.
        if isinstance(error.__cause__, InexactValueError):
            raise error.__cause__ from error
        raise


def from_json(text: str | bytes) -> Any:
    return orjson.loads(text)


def _exact_text(value: Any) -> str:
    if isinstance(value, Decimal):
        require_exact(value)
        return plain(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"not a JSON value: {type(value).__name__}")
