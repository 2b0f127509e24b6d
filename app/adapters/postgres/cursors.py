"""Opaque cursors of paged answers: the sequence number, or the name, of the last row of a page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.adapters.postgres.transaction import Row
from app.ports import PAGE_ROWS_MAX, InvalidCursorError, Page

_SEQUENCE_MAX = 2**63 - 1
_PREFIX = "s:"
_NAME_PREFIX = "n:"


def encode_cursor(sequence: int) -> str:
    return _encoded(f"{_PREFIX}{sequence}")


def encode_name(name: str) -> str:
    """The cursor of a list that is ordered by names."""
    return _encoded(f"{_NAME_PREFIX}{name}")


def name_before(cursor: str | None) -> str:
    """The name that the next page begins after, empty for the first; `InvalidCursorError` for one not of ours."""
    if cursor is None:
        return ""
    text = _decoded(cursor)
    name = text.removeprefix(_NAME_PREFIX)
    # Postgres stores no NUL, and would refuse to compare with one.
    if not name or not name.isprintable() or encode_name(name) != cursor or not text.startswith(_NAME_PREFIX):
        raise InvalidCursorError(f"not a cursor of ours: {cursor[:40]!r}")
    return name


def sequence_before(cursor: str | None) -> int:
    """The sequence number that the next page lies below; `InvalidCursorError` for what we never handed out."""
    if cursor is None:
        return _SEQUENCE_MAX
    try:
        sequence = int(_decoded(cursor).removeprefix(_PREFIX))
    except ValueError as error:
        raise InvalidCursorError(f"not a cursor of ours: {cursor[:40]!r}") from error
    if encode_cursor(sequence) != cursor or not 0 <= sequence <= _SEQUENCE_MAX:
        raise InvalidCursorError(f"not a cursor of ours: {cursor[:40]!r}")
    return sequence


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise InvalidCursorError(f"not a cursor of ours: {cursor[:40]!r}") from error


def limit_of(limit: int, *, maximum: int = PAGE_ROWS_MAX) -> int:
    """One row more than asked for: it tells whether there is a next page."""
    if not 1 <= limit <= maximum:
        raise ValueError(f"a page holds 1 to {maximum} rows, not {limit}")
    return limit + 1


def page_of(
    rows: Sequence[Row], *, limit: int, sequence: Callable[[Row], int], item: Callable[[Row], Mapping[str, Any]]
) -> Page:
    """A page from at most `limit + 1` rows, newest first."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[item(row) for row in shown], next=encode_cursor(sequence(shown[-1])) if more else None)
