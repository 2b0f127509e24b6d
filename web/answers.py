"""Turns what a use case returned into JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from flask import Response, request

from app.domain.money import plain
from app.ports import Page

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
# Members that change while nothing else does; an ETag must not follow them.
_AGEING = frozenset({"at", "age_seconds"})


def encode(value: object) -> bytes:
    """JSON; a Decimal becomes plain digits in a string."""
    return orjson.dumps(value, default=_default, option=_OPTIONS)


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def rfc3339(at: datetime) -> str:
    """UTC with microseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def answer(value: object, *, status: int = 200) -> Response:
    """A JSON answer that nobody may keep."""
    return Response(encode(value), status=status, content_type="application/json")


def page_answer(page: Page) -> Response:
    """`{"items": [...], "next": cursor or null}`."""
    return answer(asdict(page) if not isinstance(page.items, list) else {"items": page.items, "next": page.next})


def conditional_answer(value: Mapping[str, Any]) -> Response:
    """An answer with a weak ETag over everything but ages: 304 means that only time has passed."""
    digest = hashlib.blake2b(encode(_without_ages(value)), digest_size=12).hexdigest()
    response = answer(value)
    response.set_etag(f"{value.get('seq')}-{digest}", weak=True)
    return response.make_conditional(request.environ)  # type: ignore[return-value]


def _without_ages(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _without_ages(each) for name, each in value.items() if name not in _AGEING}
    if isinstance(value, list | tuple):
        return [_without_ages(each) for each in value]
    return value
