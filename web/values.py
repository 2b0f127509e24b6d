"""The types of single fields in request bodies: how each is read, bounded, refused and described."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain.money import ONE, ZERO
from web.limits import (
    DECIMAL_PLACES_MAX,
    NAME_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    REASON_CHARACTERS_MAX,
    SOURCE_CHARACTERS_MAX,
)

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PRICE = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?")
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _finite_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise PydanticCustomError("wrong_type", "must be a number or a decimal string")
    if isinstance(value, str):
        if len(value) > NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(value):
            code = "not_finite" if value.strip("+- ").lower() in ("nan", "inf", "infinity") else "malformed_number"
            raise PydanticCustomError(code, "must be a finite decimal number")
        # At most 64 characters, so even the exponent fits a Decimal or is beyond every range.
        value = Decimal(value) if len(value.lower().partition("e")[2]) <= 8 else Decimal("NaN")
    number = Decimal(value)
    if not number.is_finite():
        raise PydanticCustomError("not_finite", "must be a finite number")
    return number


def _share(value: object) -> Decimal:
    number = _finite_decimal(value)
    if not ZERO <= number <= ONE:
        raise PydanticCustomError("out_of_range", "must be between 0 and 1")
    if -int(number.as_tuple().exponent) > DECIMAL_PLACES_MAX:
        raise PydanticCustomError(
            "too_precise", "must have at most {places} decimal places", {"places": DECIMAL_PLACES_MAX}
        )
    return number if number else ZERO  # -0 and 0E+5 are 0


def _price(value: object) -> Decimal:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "must be a decimal string, so that no digit is lost on the way")
    if not _PRICE.fullmatch(value):
        raise PydanticCustomError("malformed_number", "must be plain digits, at most 20 before and after the point")
    price = Decimal(value)
    if price <= ZERO:
        raise PydanticCustomError("out_of_range", "must be above 0")
    return price


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "must be an RFC 3339 date-time string")
    try:
        if not _RFC3339.fullmatch(value):
            raise ValueError("not RFC 3339")
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("malformed_time", "must be an RFC 3339 date-time with an offset") from error


def _printable(value: str) -> str:
    # Control characters, direction overrides and lone surrogates have no business in a name, a log or a database.
    if not value.isprintable():
        raise PydanticCustomError("not_printable", "must hold printable characters only")
    return value


def _symbol(value: str) -> str:
    if not 2 <= len(value) <= 40 or value != value.upper() or not value.replace("_", "").replace("-", "").isalnum():
        raise PydanticCustomError("malformed_symbol", "must be an exchange symbol in capitals, such as BTCUSDT")
    return value


Share = Annotated[
    Decimal,
    BeforeValidator(_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^(0(\.[0-9]{1,30})?|1(\.0{1,30})?)$"},
            ],
            "description": "0..1; a JSON number is read exactly as written, never as a binary float",
        }
    ),
]
Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?$",
            "description": "decimal string above 0",
        }
    ),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "RFC 3339 with an offset"}),
]
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX), AfterValidator(_printable)]
Provenance = Annotated[str, Field(min_length=1, max_length=SOURCE_CHARACTERS_MAX), AfterValidator(_printable)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX), AfterValidator(_printable)]
Symbol = Annotated[
    str,
    AfterValidator(_symbol),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 2,
            "maxLength": 40,
            "description": "as the exchange writes it",
            "examples": ["BTCUSDT"],
        }
    ),
]
