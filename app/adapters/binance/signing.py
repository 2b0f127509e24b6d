"""Signing: percent-encode first, then sign exactly the bytes that are sent, signature last."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import urlencode

from app.domain.money import plain

Parameter = tuple[str, str]
# What the exchange accepts as a number; exponents and signs are answered -1100. Source: general-info.
_WIRE_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


class UnsendableNumberError(ValueError):
    """The number has no form that the exchange accepts (negative, not finite, too many digits)."""


def wire_number(value: Decimal) -> str:
    """A Decimal as the exchange wants numbers: plain digits, at most 20 before and 20 after the point."""
    # Checked before it is written out: Decimal('1E+999999999') in plain digits would fill the memory.
    if not value.is_finite() or abs(value.adjusted()) > 20:
        raise UnsendableNumberError(f"not a number the exchange accepts: {value}")
    text = plain(value)
    if not _WIRE_NUMBER.fullmatch(text):
        raise UnsendableNumberError(f"not a number the exchange accepts: {value}")
    return text


def encode(parameters: Sequence[Parameter]) -> str:
    """Parameters in their order as percent-encoded UTF-8 (symbols may hold Chinese characters)."""
    return urlencode(parameters)


def signature_of(payload: str, *, secret: str) -> str:
    """HMAC-SHA256 of the encoded payload, in hex."""
    return hmac.new(secret.encode("utf-8"), payload.encode("ascii"), hashlib.sha256).hexdigest()


def signed(parameters: Sequence[Parameter], *, secret: str) -> str:
    """The encoded parameters with their signature appended: the very text to send, in a query or as a form body."""
    payload = encode(parameters)
    return f"{payload}&signature={signature_of(payload, secret=secret)}"
