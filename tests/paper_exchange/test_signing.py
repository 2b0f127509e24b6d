"""Signatures: the published test vector, and every way clients are known to sign."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from app.paper_exchange.signing import sign, signature_is_valid, strip_signature

SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
PAYLOAD = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
)
SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_the_published_vector():
    assert sign(SECRET, PAYLOAD) == SIGNATURE


@pytest.mark.parametrize("signature", [SIGNATURE, SIGNATURE.upper()])
@pytest.mark.parametrize("split", [0, 14, len(PAYLOAD)])
def test_parameters_may_stand_in_query_body_or_both_with_no_ampersand_between(split: int, signature: str):
    query, body = PAYLOAD[:split], PAYLOAD[split:]
    assert sign(SECRET, query + body) == SIGNATURE
    if body:
        assert signature_is_valid(SECRET, query, f"{body}&signature={signature}")
    else:
        assert signature_is_valid(SECRET, f"{query}&signature={signature}", body)


def test_text_signed_before_it_was_encoded_is_accepted():
    plain = "newClientOrderId=a:b/c&timestamp=1"
    sent = f"newClientOrderId={quote('a:b/c', safe='')}&timestamp=1&signature={sign(SECRET, plain)}"
    assert signature_is_valid(SECRET, sent, "")
    assert signature_is_valid(SECRET, "", sent)


def test_an_unencoded_json_batch_is_accepted():
    body = 'batchOrders=[{"symbol":"BTCUSDT","side":"BUY"}]&timestamp=1'
    assert signature_is_valid(SECRET, "", f"{body}&signature={sign(SECRET, body)}")


def test_chinese_symbols_are_signed_as_percent_encoded_utf8():
    query = urlencode({"symbol": "币安人生USDT", "timestamp": 1})
    assert signature_is_valid(SECRET, f"{query}&signature={sign(SECRET, query)}", "")


@pytest.mark.parametrize("changed", [PAYLOAD.replace("quantity=1", "quantity=2"), PAYLOAD + "&extra=1", PAYLOAD[:-1]])
def test_any_change_makes_it_invalid(changed: str):
    assert signature_is_valid(SECRET, f"{changed}&signature={SIGNATURE}", "") is False


def test_another_secret_is_invalid():
    assert signature_is_valid("other", f"{PAYLOAD}&signature={SIGNATURE}", "") is False


def test_no_signature_is_not_a_wrong_one():
    assert signature_is_valid(SECRET, PAYLOAD, "") is None
    assert strip_signature(PAYLOAD) == (PAYLOAD, None)
