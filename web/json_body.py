"""Reads a JSON body without trusting it: bounded before it is parsed, numbers kept exact, no field given twice."""

from __future__ import annotations

import json
import re
import socket
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from web.limits import (
    BODY_BYTES_MAX,
    BODY_READ_SECONDS_MAX,
    DRAINED_BYTES_MAX,
    JSON_DEPTH_MAX,
)
from web.problems import (
    BAD_REQUEST,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    MALFORMED_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    ProblemError,
)

CHUNK_BYTES = 65_536
NOT_A_NUMBER = Decimal("NaN")


def read_json() -> Any:
    """The request's body; numbers with a fraction or exponent are Decimals, NaN and what overflows are Decimal NaN.

    Raises `ProblemError` 415, 413, 408 or 400. Nothing is parsed before type and size are known to be right.
    """
    if request.mimetype != "application/json":
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json", headers={"Accept": "application/json"}
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ProblemError(UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not accepted")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise ProblemError(UNSUPPORTED_MEDIA_TYPE, "JSON is UTF-8")
    return parse_json(_read_body())


def _read_body() -> bytes:
    _bound_the_wait()
    request.max_content_length = DRAINED_BYTES_MAX
    try:
        # A length that says too much is believed; a body without one (chunked) is counted as it comes.
        body = bytearray()
        size = 0
        while chunk := request.stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size <= BODY_BYTES_MAX:
                body += chunk
            elif body:
                body = bytearray()
    except RequestEntityTooLarge as error:
        raise _too_large() from error
    except ClientDisconnected as error:
        # The stream's word for any failure to read; what it was is its context.
        silent = isinstance(error.__context__, TimeoutError)
        what = f"nothing more came for {BODY_READ_SECONDS_MAX:g} s" if silent else "the body ended before its length"
        raise ProblemError(BODY_TIMEOUT if silent else BAD_REQUEST, what, headers={"Connection": "close"}) from error
    if size > BODY_BYTES_MAX:
        raise _too_large()
    return bytes(body)


def _too_large() -> ProblemError:
    return ProblemError(
        BODY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes are accepted", members={"limit_bytes": BODY_BYTES_MAX}
    )


def _bound_the_wait() -> None:
    # The servers read bodies from a blocking socket without any time-out of their own; both reset it per request.
    for name in ("gunicorn.socket", "werkzeug.socket"):
        connection = request.environ.get(name)
        if isinstance(connection, socket.socket):
            connection.settimeout(BODY_READ_SECONDS_MAX)


class _DuplicateFieldError(ValueError):
    """An object names a field twice: which of the two was meant?"""


class _TooDeepError(ValueError):
    """Nested beyond anything this API has a use for."""


def parse_json(body: bytes) -> Any:
    """The value of a UTF-8 JSON text; `ProblemError` 400 says where it stops being one."""
    try:
        text = body.decode("utf-8")
        _refuse_depth(text)
        return json.loads(
            text,
            parse_float=_number,
            parse_int=_integer,
            parse_constant=lambda _: NOT_A_NUMBER,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except _DuplicateFieldError as error:
        raise _malformed(str(error), code="duplicate_field") from error
    except _TooDeepError as error:
        raise _malformed(f"nested deeper than {JSON_DEPTH_MAX} levels", code="too_deep") from error


def _malformed(detail: str, *, code: str = "malformed_json") -> ProblemError:
    return ProblemError(MALFORMED_JSON, detail, errors=[FieldError(code, detail, pointer="")])


_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def _refuse_depth(text: str) -> None:
    # Before parsing: the parser recurses, and its own limit is the interpreter's stack.
    if text.count("[") + text.count("{") <= JSON_DEPTH_MAX:
        return
    depth = 0
    for match in _STRUCTURE.finditer(text):
        first = match.group()[0]
        if first in "[{":
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise _TooDeepError
        elif first in "]}":
            depth -= 1


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        return NOT_A_NUMBER


def _integer(text: str) -> int | Decimal:
    # Converting digits to int is quadratic; a Decimal of any length is not, and no field here needs that many.
    return int(text) if len(text) <= 18 else Decimal(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateFieldError(f"the field {twice[:64]!r} is given twice")
    return members
