"""Signing: the exchange's own test vector, the bytes that are sent, and numbers in the form it accepts."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.binance.signing import UnsendableNumberError, encode, signature_of, signed, wire_number

VECTOR_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
VECTOR_PARAMETERS = [
    ("symbol", "BTCUSDT"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("quantity", "1"),
    ("price", "9000"),
    ("timeInForce", "GTC"),
    ("recvWindow", "5000"),
    ("timestamp", "1591702613943"),
]
VECTOR_SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_the_published_vector_gives_the_published_signature() -> None:
    assert signature_of(encode(VECTOR_PARAMETERS), secret=VECTOR_SECRET) == VECTOR_SIGNATURE


def test_the_signature_comes_last_and_covers_exactly_what_precedes_it() -> None:
    text = signed([("symbol", "币安人生USDT"), ("note", "a b&c=d/:+")], secret="s")
    payload, _, signature = text.rpartition("&signature=")
    assert signature == signature_of(payload, secret="s")
    assert payload == "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&note=a+b%26c%3Dd%2F%3A%2B"


@given(st.decimals(min_value=0, max_value=Decimal("1e20") - 1, places=12))
def test_every_number_that_is_sent_has_the_form_the_exchange_accepts_and_the_same_value(value: Decimal) -> None:
    text = wire_number(value)
    assert re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", text)
    assert Decimal(text) == value


@pytest.mark.parametrize("text", ["1E-5", "1E+2", "0.00001000"])
def test_numbers_never_travel_with_an_exponent(text: str) -> None:
    assert "E" not in wire_number(Decimal(text))


@pytest.mark.parametrize("text", ["-1", "NaN", "Infinity", "1E+21", "1E-21", "1E+999999999", "0.123456789012345678901"])
def test_a_number_the_exchange_would_not_take_is_not_sent(text: str) -> None:
    with pytest.raises(UnsendableNumberError):
        wire_number(Decimal(text))
