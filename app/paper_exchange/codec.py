"""Dataclasses to JSON rows and back, decimals as exact text: the form in which state is made durable."""

import types
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

from app.paper_exchange.decimals import plain

T = TypeVar("T")


class CodecError(Exception):
    """A row does not fit the dataclass it should become."""


def _fallback(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> bytes:
    """JSON with every decimal as plain text; dataclasses and enums by their fields and values."""
    return orjson.dumps(value, default=_fallback)


def decode(kind: type[T], body: bytes) -> T:
    """Build the dataclass that `dumps` wrote."""
    try:
        return _build(kind, orjson.loads(body))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CodecError(f"not a {kind.__name__}: {error}") from error


def _build(kind: type[T], row: dict[str, Any]) -> T:
    converters = _converters(cast(Hashable, kind))
    return kind(**{name: convert(row[name]) for name, convert in converters if name in row})


@cache
def _converters(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, _converter(hints[f.name])) for f in fields(kind) if f.init)


def _converter(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = _converter(next(arg for arg in get_args(hint) if arg is not type(None)))
        return lambda value: None if value is None else inner(value)
    if hint is Decimal:
        return Decimal
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: _build(hint, value)
    return lambda value: value
