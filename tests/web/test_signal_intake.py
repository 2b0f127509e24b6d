"""`POST /api/signals`: what is let in, exactly, and how each unusable request is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.domain.signals import Side
from app.services.admit_together import IntakeCrowdedError
from tests.web.fakes import NOW, FakeSystem
from web.json_body import parse_json
from web.problems import PROBLEM_TYPES, ProblemError

SIGNALS = {"Authorization": "Bearer signals-token"}


def a_signal(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "confidence": 0.81,
        "strategy": "ensemble",
        "generated_at": NOW.isoformat(),
        **changes,
    }


def post(client: FlaskClient, body: Any, **options: Any) -> TestResponse:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post("/api/signals", data=data, **{"headers": SIGNALS, "content_type": "application/json", **options})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in a_signal().items() if key != name}


# ------------------------------------------------------------------------------------------- what is let in


def test_one_signal_is_admitted_with_every_field_as_sent(client: FlaskClient, system: FakeSystem) -> None:
    response = post(
        client,
        a_signal(
            signal_id="abc:1",
            confidence="0.525",
            reference_price="100000.10",
            ttl_seconds=20,
            models={"xgboost": {"action": "HOLD", "confidence": 0.1, "source": "xgb-v3"}},
        ),
    )
    assert (response.status_code, response.json) == (202, {"results": [{"signal_id": "abc:1", "verdict": "QUEUED"}]})
    [signal] = system.admitted
    assert (signal.signal_id, signal.symbol, signal.side) == ("abc:1", "BTCUSDT", Side.BUY)
    assert (signal.confidence, signal.reference_price) == (Decimal("0.525"), Decimal("100000.10"))
    assert signal.models["xgboost"].confidence == Decimal("0.1")
    assert (signal.received_at, signal.expires_at) == (NOW, NOW + timedelta(seconds=20))
    assert (signal.producer, signal.correlation_id) == ("signals", "abc:1")


def test_a_json_number_never_becomes_a_binary_float(client: FlaskClient, system: FakeSystem) -> None:
    text = json.dumps(a_signal()).replace("0.81", "0.1000000000000000055511151231257827")
    assert post(client, text).status_code == 422  # more places than any producer means
    text = json.dumps(a_signal()).replace("0.81", "0.100000000000000000000000000001")
    assert post(client, text).status_code == 202
    assert system.admitted[0].confidence == Decimal("0.100000000000000000000000000001")


@pytest.mark.parametrize("confidence", ["0", "1", "1.0", "1e-7", "-0", '"0.5"', '"1"', "0e5"])
def test_confidence_may_be_any_spelling_of_a_number_from_0_to_1(
    client: FlaskClient, system: FakeSystem, confidence: str
) -> None:
    assert post(client, json.dumps(a_signal()).replace("0.81", confidence)).status_code == 202
    assert system.admitted[0].confidence == Decimal(confidence.strip('"'))


def test_a_signal_without_an_id_gets_one_that_sorts_by_time(client: FlaskClient, system: FakeSystem) -> None:
    first = post(client, a_signal()).json
    system.admitted.clear()
    assert first is not None
    made = first["results"][0]["signal_id"]
    assert len(made) == 36
    assert made[14] == "7"
    assert int(made.replace("-", "")[:12], 16) == int(NOW.timestamp() * 1000)


def test_500_signals_are_admitted_at_once(client: FlaskClient, system: FakeSystem) -> None:
    response = post(client, [a_signal(signal_id=f"n{n}") for n in range(500)])
    assert response.status_code == 202
    assert [result["signal_id"] for result in response.json["results"]] == [f"n{n}" for n in range(500)]
    assert len(system.admitted) == 500


def test_the_second_of_two_equal_ids_in_one_array_is_a_duplicate(client: FlaskClient, system: FakeSystem) -> None:
    body = [a_signal(signal_id="x", confidence=0.6), a_signal(signal_id="y"), a_signal(signal_id="x", confidence=0.9)]
    response = post(client, body)
    assert [result["verdict"] for result in response.json["results"]] == ["QUEUED", "QUEUED", "DUPLICATE"]
    assert [(each.signal_id, each.confidence) for each in system.admitted] == [
        ("x", Decimal("0.6")),
        ("y", Decimal("0.81")),
    ]


def test_the_same_id_sent_again_is_a_duplicate(client: FlaskClient, system: FakeSystem) -> None:
    post(client, a_signal(signal_id="x"))
    assert post(client, a_signal(signal_id="x")).json == {"results": [{"signal_id": "x", "verdict": "DUPLICATE"}]}


def test_any_well_formed_symbol_is_admitted_while_the_exchange_has_not_told_its_own(
    client: FlaskClient, system: FakeSystem
) -> None:
    system.symbols = None
    assert post(client, a_signal(symbol="币安人生USDT")).status_code == 202
    assert post(client, a_signal(symbol="btcusdt")).status_code == 422


def test_a_producers_clock_may_be_5_seconds_ahead_and_gains_no_life_by_it(
    client: FlaskClient, system: FakeSystem
) -> None:
    ahead = NOW + timedelta(seconds=5)
    assert post(client, a_signal(generated_at=ahead.isoformat(), ttl_seconds=10)).status_code == 202
    assert system.admitted[0].expires_at == NOW + timedelta(seconds=10)


def test_an_offset_is_converted_to_utc(client: FlaskClient, system: FakeSystem) -> None:
    assert post(client, a_signal(generated_at="2026-03-01T13:59:58.5+02:00")).status_code == 202
    assert system.admitted[0].generated_at == NOW - timedelta(seconds=1.5)


def test_markup_in_a_strategy_name_is_a_name_like_any_other(client: FlaskClient, system: FakeSystem) -> None:
    assert post(client, a_signal(strategy="<script>alert(1)</script>")).status_code == 202
    assert system.admitted[0].strategy == "<script>alert(1)</script>"


# ------------------------------------------------------------------------------------------- what is refused


NUMBER = json.dumps(a_signal())
INVALID = "invalid-signal"
REFUSALS: dict[str, tuple[Any, int, str, str, str]] = {
    # case: (body, status, problem, pointer, code)
    "not JSON": (b'{"symbol": ', 400, "malformed-json", "", "malformed_json"),
    "empty": (b"", 400, "malformed-json", "", "malformed_json"),
    "not UTF-8": (b'{"symbol": "\xff"}', 400, "malformed-json", "", "malformed_json"),
    "a field twice": (b'{"side": "BUY", "side": "SELL"}', 400, "malformed-json", "", "duplicate_field"),
    "too deep": (b"[" * 100_000, 400, "malformed-json", "", "too_deep"),
    "a string": (b'"BUY"', 422, INVALID, "", "wrong_type"),
    "null": (b"null", 422, INVALID, "", "wrong_type"),
    "an array of arrays": ([[]], 422, INVALID, "/0", "wrong_type"),
    "no item": ([], 422, "no-signals", "", "too_few"),
    "501 items": ([a_signal()] * 501, 422, "too-many-signals", "", "too_many"),
    "a field missing": (without("confidence"), 422, INVALID, "/confidence", "missing"),
    "an unknown field": (a_signal(leverage=100), 422, INVALID, "/leverage", "unknown_field"),
    "symbol of a wrong type": (a_signal(symbol=5), 422, INVALID, "/symbol", "wrong_type"),
    "a symbol in small letters": (a_signal(symbol="btcusdt"), 422, INVALID, "/symbol", "malformed_symbol"),
    "an unknown symbol": (a_signal(symbol="NOPEUSDT"), 422, INVALID, "/symbol", "unknown_symbol"),
    "an unknown side": (a_signal(side="HOLD"), 422, INVALID, "/side", "not_allowed"),
    "side in small letters": (a_signal(side="buy"), 422, INVALID, "/side", "not_allowed"),
    "confidence of 1.1": (a_signal(confidence=1.1), 422, INVALID, "/confidence", "out_of_range"),
    "confidence below 0": (a_signal(confidence=-0.1), 422, INVALID, "/confidence", "out_of_range"),
    "confidence NaN": (NUMBER.replace("0.81", "NaN"), 422, INVALID, "/confidence", "not_finite"),
    "confidence Infinity": (NUMBER.replace("0.81", "-Infinity"), 422, INVALID, "/confidence", "not_finite"),
    "confidence 'NaN'": (a_signal(confidence="NaN"), 422, INVALID, "/confidence", "not_finite"),
    "confidence '1e400'": (a_signal(confidence="1e400"), 422, INVALID, "/confidence", "out_of_range"),
    "confidence 1e400": (NUMBER.replace("0.81", "1e400"), 422, INVALID, "/confidence", "out_of_range"),
    "confidence 1e-400": (NUMBER.replace("0.81", "1e-400"), 422, INVALID, "/confidence", "too_precise"),
    "an endless exponent": (NUMBER.replace("0.81", "1e" + "9" * 40), 422, INVALID, "/confidence", "not_finite"),
    "an endless exponent in a string": (
        a_signal(confidence="1e" + "9" * 40),
        422,
        INVALID,
        "/confidence",
        "not_finite",
    ),
    "an endless number": (NUMBER.replace("0.81", "9" * 10_000), 422, INVALID, "/confidence", "out_of_range"),
    "confidence true": (a_signal(confidence=True), 422, INVALID, "/confidence", "wrong_type"),
    "confidence null": (a_signal(confidence=None), 422, INVALID, "/confidence", "wrong_type"),
    "confidence '0,5'": (a_signal(confidence="0,5"), 422, INVALID, "/confidence", "malformed_number"),
    "confidence in other digits": (a_signal(confidence="٠.٥"), 422, INVALID, "/confidence", "malformed_number"),
    "confidence '0_1'": (a_signal(confidence="0_1"), 422, INVALID, "/confidence", "malformed_number"),
    "strategy empty": (a_signal(strategy=""), 422, INVALID, "/strategy", "too_short"),
    "strategy of 65": (a_signal(strategy="s" * 65), 422, INVALID, "/strategy", "too_long"),
    "strategy with NUL": (a_signal(strategy="a\0b"), 422, INVALID, "/strategy", "not_printable"),
    "strategy with a new line": (a_signal(strategy="a\nb"), 422, INVALID, "/strategy", "not_printable"),
    "strategy with half a character": (a_signal(strategy="\ud800"), 422, INVALID, "/strategy", "not_printable"),
    "a time in the future": (
        a_signal(generated_at=(NOW + timedelta(seconds=5, microseconds=1)).isoformat()),
        422,
        INVALID,
        "/generated_at",
        "in_the_future",
    ),
    "a time without offset": (
        a_signal(generated_at="2026-03-01T12:00:00"),
        422,
        INVALID,
        "/generated_at",
        "malformed_time",
    ),
    "a time that is a number": (a_signal(generated_at=1772366400), 422, INVALID, "/generated_at", "wrong_type"),
    "a day that does not exist": (
        a_signal(generated_at="2026-02-30T12:00:00Z"),
        422,
        INVALID,
        "/generated_at",
        "malformed_time",
    ),
    "before the first year": (
        a_signal(generated_at="0001-01-01T00:00:00+14:00"),
        422,
        INVALID,
        "/generated_at",
        "malformed_time",
    ),
    "no time to live": (a_signal(ttl_seconds=0), 422, INVALID, "/ttl_seconds", "out_of_range"),
    "too much time to live": (a_signal(ttl_seconds=301), 422, INVALID, "/ttl_seconds", "out_of_range"),
    "an endless time to live": (
        NUMBER.replace("}", ', "ttl_seconds": ' + "9" * 400 + "}"),
        422,
        INVALID,
        "/ttl_seconds",
        "wrong_type",
    ),
    "time to live in words": (a_signal(ttl_seconds="30"), 422, INVALID, "/ttl_seconds", "wrong_type"),
    "reference price as a number": (a_signal(reference_price=100.5), 422, INVALID, "/reference_price", "wrong_type"),
    "reference price 0": (a_signal(reference_price="0.00"), 422, INVALID, "/reference_price", "out_of_range"),
    "reference price below 0": (a_signal(reference_price="-1"), 422, INVALID, "/reference_price", "malformed_number"),
    "reference price 1e5": (a_signal(reference_price="1e5"), 422, INVALID, "/reference_price", "malformed_number"),
    "signal id with a slash": (a_signal(signal_id="a/b"), 422, INVALID, "/signal_id", "malformed"),
    "signal id of 65": (a_signal(signal_id="a" * 65), 422, INVALID, "/signal_id", "malformed"),
    "signal id with a line end": (a_signal(signal_id="abc\n"), 422, INVALID, "/signal_id", "malformed"),
    "33 models": (
        a_signal(models={f"m{n}": {"action": "BUY", "confidence": 1} for n in range(33)}),
        422,
        INVALID,
        "/models",
        "too_many",
    ),
    "a model without confidence": (
        a_signal(models={"a/b": {"action": "BUY"}}),
        422,
        INVALID,
        "/models/a~1b/confidence",
        "missing",
    ),
    "a model with a long name": (
        a_signal(models={"m" * 65: {"action": "BUY", "confidence": 1}}),
        422,
        INVALID,
        "/models/" + "m" * 65,
        "too_long",
    ),
    "a model with a number for its source": (
        a_signal(models={"m": {"action": "BUY", "confidence": 1, "source": 3}}),
        422,
        INVALID,
        "/models/m/source",
        "wrong_type",
    ),
    "the fourth item": (
        [a_signal(), a_signal(), a_signal(), a_signal(confidence=2), a_signal()],
        422,
        INVALID,
        "/3/confidence",
        "out_of_range",
    ),
    "an unknown symbol in the second item": (
        [a_signal(), a_signal(symbol="NOPEUSDT")],
        422,
        INVALID,
        "/1/symbol",
        "unknown_symbol",
    ),
}


def assert_problem(response: TestResponse, status: int, name: str) -> dict[str, Any]:
    document = response.get_json(force=True)
    assert (response.status_code, document["type"]) == (status, f"/problems/{name}")
    assert response.content_type == "application/problem+json"
    assert document["title"] == PROBLEM_TYPES[name].title
    assert document["status"] == status
    assert document["detail"]
    assert document["instance"] == "/api/signals"
    return document  # type: ignore[no-any-return]


def assert_one_line(logs: list[Any], status: int) -> None:
    assert [(line["event"], line["status"]) for line in logs] == [("request", status)]
    assert "exc_info" not in logs[0]


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_with_a_pointer_and_leaves_nothing_but_one_line(
    client: FlaskClient, system: FakeSystem, case: str
) -> None:
    body, status, name, pointer, code = REFUSALS[case]
    with capture_logs() as logs:
        response = post(client, body)
    document = assert_problem(response, status, name)
    assert [(error["pointer"], error["code"]) for error in document["errors"]] == [(pointer, code)]
    assert system.admitted == []
    assert_one_line(logs, status)


@pytest.mark.parametrize(
    ("options", "status", "name"),
    [
        ({"headers": {}}, 401, "unauthenticated"),
        ({"headers": {"Authorization": "Bearer unknown"}}, 401, "unauthenticated"),
        ({"headers": {"Authorization": "Bearer "}}, 401, "unauthenticated"),
        ({"headers": {"Authorization": "Basic c2lnbmFsczo="}}, 401, "unauthenticated"),
        ({"headers": {"Authorization": "Bearer " + "x" * 300}}, 401, "unauthenticated"),
        ({"headers": {"Authorization": "Bearer read-token"}}, 403, "forbidden"),
        ({"headers": {"Authorization": "Bearer operate-token"}}, 403, "forbidden"),
        ({"content_type": "text/plain"}, 415, "unsupported-media-type"),
        ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
        ({"content_type": None}, 415, "unsupported-media-type"),
        ({"headers": {**SIGNALS, "Content-Encoding": "gzip"}}, 415, "unsupported-media-type"),
        ({"content_type": "application/json; charset=utf-16"}, 415, "unsupported-media-type"),
    ],
)
def test_a_request_that_may_not_be_made_is_refused_before_its_body_is_read(
    client: FlaskClient, system: FakeSystem, options: dict[str, Any], status: int, name: str
) -> None:
    with capture_logs() as logs:
        response = post(client, b"this is not even JSON", **options)
    assert_problem(response, status, name)
    assert ("WWW-Authenticate" in response.headers) == (status in (401, 403))
    assert system.admitted == []
    assert_one_line(logs, status)


@pytest.mark.parametrize("size", [1_048_577, 10_000_000, 64_000_000])
def test_a_body_that_is_too_large_is_not_parsed(client: FlaskClient, system: FakeSystem, size: int) -> None:
    with capture_logs() as logs:
        response = post(client, b"[" + b" " * (size - 2) + b"]")
    assert_problem(response, 413, "body-too-large")
    assert_one_line(logs, 413)


def test_a_body_of_exactly_the_limit_is_parsed(client: FlaskClient) -> None:
    assert_problem(post(client, b"[" + b" " * (1_048_576 - 2) + b"]"), 422, "no-signals")


def test_at_most_20_errors_are_told(client: FlaskClient) -> None:
    response = post(client, [{}] * 500)
    assert len(response.get_json(force=True)["errors"]) == 20


def test_a_database_that_is_away_is_503_and_may_be_tried_again(client: FlaskClient, system: FakeSystem) -> None:
    system.database_away = True
    response = post(client, a_signal())
    document = assert_problem(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "2"
    assert "10.1.2.3" not in json.dumps(document)


def test_too_many_waiting_signals_are_503_with_the_reason(
    client: FlaskClient, system: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crowded(_: object) -> None:
        raise IntakeCrowdedError("waiting=10000, maximum=10000")

    monkeypatch.setattr(system, "admit_signals", crowded)
    response = post(client, a_signal())
    document = assert_problem(response, 503, "unavailable")
    assert document["reason"] == "IntakeCrowdedError"
    assert "nothing was stored" in document["detail"]
    assert response.headers["Retry-After"] == "2"


def test_a_bug_of_ours_shows_nothing_of_itself(client: FlaskClient, system: FakeSystem) -> None:
    system.bug = True
    with capture_logs() as logs:
        response = post(client, a_signal())
    document = assert_problem(response, 500, "internal-error")
    assert "secret-internal-name" not in json.dumps(document)
    assert [type(line["exc_info"]) for line in logs] == [KeyError]


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.delete("/api/signals", headers=SIGNALS)
    assert_problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_parsing_gives_back_what_was_encoded(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_surprise_the_parser(body: bytes) -> None:
    # Either a value or a problem of the caller's; anything else fails the test by itself.
    with suppress(ProblemError):
        parse_json(body)


@given(st.text(alphabet='[]{}"\\,:0a', max_size=60))
def test_brackets_inside_strings_are_not_depth(text: str) -> None:
    assert parse_json(json.dumps(text * 10).encode()) == text * 10
