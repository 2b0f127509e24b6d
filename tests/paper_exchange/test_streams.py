"""Streams against a real process: every URL form, subscriptions, faults, slow readers, and agreement with REST."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.paper_exchange.streams.connection import QUEUE_MESSAGES_MAX, Connection
from tests.support.paper_exchange import PaperExchange, start_paper_exchange

D = Decimal
QUIET_SECONDS = 0.4


@pytest.fixture(autouse=True)
def no_faults(exchange: PaperExchange) -> Iterator[None]:
    yield
    exchange.clear_faults()


def listen_key(exchange: PaperExchange) -> str:
    return str(exchange.http.post("/fapi/v1/listenKey").json()["listenKey"])


@contextmanager
def listening(exchange: PaperExchange, path: str, *subscriptions: str) -> Iterator[ClientConnection]:
    with connect(f"{exchange.ws}{path}", close_timeout=1) as socket:
        if subscriptions:
            answer = tell(socket, "SUBSCRIBE", *subscriptions)
            assert answer == {"result": None, "id": 1}
        yield socket


def tell(socket: ClientConnection, method: str, *params: Any) -> Any:
    socket.send(json.dumps({"method": method, "params": list(params), "id": 1}))
    return json.loads(socket.recv(timeout=5))


def receive(socket: ClientConnection, *, until: str, seconds: float = 10.0) -> list[dict[str, Any]]:
    """Everything up to and including the first event of type `until` (or order status `until`)."""
    seen: list[dict[str, Any]] = []
    ends = time.monotonic() + seconds
    while True:
        message = json.loads(socket.recv(timeout=max(0.01, ends - time.monotonic())))
        seen.append(message)
        data = message.get("data", message)
        if until in (data.get("e"), data.get("o", {}).get("X") if isinstance(data.get("o"), dict) else None):
            return seen


def is_quiet(socket: ClientConnection) -> bool:
    try:
        socket.recv(timeout=QUIET_SECONDS)
    except TimeoutError:
        return True
    return False


def test_every_form_of_the_user_stream_delivers(exchange: PaperExchange):
    key = listen_key(exchange)
    forms = {
        f"/private/ws/{key}": (False, ()),
        f"/private/ws?listenKey={key}": (False, ()),
        f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE": (False, ()),
        f"/private/stream?listenKey={key}": (True, ()),
        f"/private/stream?streams={key}": (True, ()),
        "/private/stream": (True, (key,)),
        "/private/ws": (False, (key,)),
    }
    for path, (enveloped, subscriptions) in forms.items():
        with listening(exchange, path, *subscriptions) as socket:
            exchange.order("XRPUSDT", "BUY", "10")
            last = receive(socket, until="FILLED")[-1]
            assert ("stream" in last) is enveloped, path
            if enveloped:
                assert last["stream"] == key
            assert (last["data"] if enveloped else last)["o"]["s"] == "XRPUSDT"


def test_the_retired_forms_connect_and_stay_silent(exchange: PaperExchange):
    key = listen_key(exchange)
    for path in (f"/ws/{key}", f"/stream?streams={key}", "/ws/btcusdt@bookTicker"):
        with listening(exchange, path) as socket:
            exchange.order("XRPUSDT", "BUY", "10")
            assert is_quiet(socket), path


def test_the_retired_forms_work_when_asked_for(tmp_path: Path):
    exchange = start_paper_exchange(tmp_path, "--legacy-streams")
    try:
        key = listen_key(exchange)
        for path in (f"/ws/{key}", f"/stream?streams={key}"):
            with listening(exchange, path) as socket:
                exchange.order("XRPUSDT", "BUY", "10")
                receive(socket, until="FILLED")
        with listening(exchange, "/stream?streams=btcusdt@bookTicker") as socket:
            assert receive(socket, until="bookTicker")[0]["stream"] == "btcusdt@bookTicker"
    finally:
        exchange.stop()


def test_events_choose_what_is_delivered(exchange: PaperExchange):
    key = listen_key(exchange)
    with listening(exchange, f"/private/ws?listenKey={key}&events=ACCOUNT_UPDATE") as socket:
        exchange.order("XRPUSDT", "BUY", "10")
        assert [m["e"] for m in receive(socket, until="ACCOUNT_UPDATE")] == ["ACCOUNT_UPDATE"]
        assert is_quiet(socket)


def test_an_unknown_listen_key_hears_nothing(exchange: PaperExchange):
    listen_key(exchange)
    with listening(exchange, "/private/ws/0000") as socket:
        exchange.order("XRPUSDT", "BUY", "10")
        assert is_quiet(socket)


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        ("btcusdt@markPrice@1s", "markPriceUpdate"),
        ("btcusdt@bookTicker", "bookTicker"),
        ("btcusdt@kline_1m", "kline"),
        ("btcusdt@depth5@100ms", "depthUpdate"),
        ("btcusdt@depth@100ms", "depthUpdate"),
        ("btcusdt@aggTrade", "aggTrade"),
        ("btcusdt@ticker", "24hrTicker"),
        ("btcusdt@miniTicker", "24hrMiniTicker"),
        ("!bookTicker", "bookTicker"),
    ],
)
def test_each_market_stream_speaks_on_its_own_and_enveloped(exchange: PaperExchange, stream: str, event: str):
    with listening(exchange, f"/market/ws/{stream}") as socket:
        assert receive(socket, until=event)[-1]["e"] == event
    with listening(exchange, f"/public/stream?streams={stream}") as socket:
        message = receive(socket, until=event)[-1]
        assert message["stream"] == stream
        if not stream.startswith("!"):
            assert message["data"]["s"] == "BTCUSDT"


def test_the_mark_price_of_all_symbols_comes_as_one_list(exchange: PaperExchange):
    with listening(exchange, "/market/stream", "!markPrice@arr@1s") as socket:
        message = json.loads(socket.recv(timeout=5))
        assert len(message["data"]) == len(exchange.http.get("/fapi/v1/exchangeInfo").json()["symbols"])


def test_subscriptions_are_listed_and_ended(exchange: PaperExchange):
    with listening(exchange, "/market/ws", "btcusdt@markPrice@1s") as socket:
        receive(socket, until="markPriceUpdate")
        assert tell(socket, "LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@markPrice@1s"]
        assert tell(socket, "UNSUBSCRIBE", "btcusdt@markPrice@1s")["result"] is None
        assert tell(socket, "LIST_SUBSCRIPTIONS")["result"] == []
        assert "error" in tell(socket, "NONSENSE")


def test_more_than_ten_messages_in_a_second_end_the_connection(exchange: PaperExchange):
    with listening(exchange, "/market/ws") as socket, pytest.raises(ConnectionClosed):
        for _ in range(40):
            socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
        for _ in range(40):
            socket.recv(timeout=5)


def test_pings_are_answered(exchange: PaperExchange):
    with listening(exchange, "/private/ws") as socket:
        assert socket.ping().wait(timeout=5)


def test_a_reader_that_stalls_stalls_nobody(exchange: PaperExchange):
    """It never reads; what is meant for it fills its own buffers while others get theirs."""
    host, port = "127.0.0.1", exchange.port
    key = listen_key(exchange)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((host, port))
    raw.sendall(
        (
            f"GET /private/ws/{key} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    slowest, filled, orders = 0.0, 0, 200
    try:
        with listening(exchange, f"/private/ws/{key}") as healthy:
            for number in range(orders):
                began = time.monotonic()
                exchange.order("XRPUSDT", ("BUY", "SELL")[number % 2], "10")
                slowest = max(slowest, time.monotonic() - began)
            while filled < orders:
                filled += sum(m.get("o", {}).get("X") == "FILLED" for m in receive(healthy, until="FILLED"))
        assert slowest < 2.0
    finally:
        raw.close()


class _Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_a_reader_too_far_behind_is_cut_off_and_its_queue_stays_bounded():
    transport = _Transport()
    request: Any = SimpleNamespace(transport=transport)
    connection = Connection(request, request, enveloped=False, silent=False, private=True)
    for number in range(QUEUE_MESSAGES_MAX):
        connection.push(str(number))
    assert not transport.aborted
    for _ in range(10):
        connection.push("one too many")
    assert transport.aborted
    assert len(connection.queue) == QUEUE_MESSAGES_MAX


def test_duplicated_events_arrive_twice(exchange: PaperExchange):
    key = listen_key(exchange)
    exchange.faults({"kind": "duplicate_events", "event": "ORDER_TRADE_UPDATE"})
    with listening(exchange, f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE") as socket:
        exchange.order("XRPUSDT", "BUY", "10")
        messages = [json.loads(socket.recv(timeout=5)) for _ in range(4)]
    assert messages[0] == messages[1]
    assert messages[2] == messages[3]


def test_reordered_events_are_overtaken_by_the_next(exchange: PaperExchange):
    key = listen_key(exchange)
    exchange.faults({"kind": "reorder_events", "event": "ORDER_TRADE_UPDATE", "count": 1})
    with listening(exchange, f"/private/ws/{key}") as socket:
        exchange.order("XRPUSDT", "BUY", "10")
        messages = [json.loads(socket.recv(timeout=5)) for _ in range(2)]
    assert [m["e"] for m in messages] == ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]
    assert messages[1]["o"]["X"] == "NEW"


def test_dropped_and_delayed_events(exchange: PaperExchange):
    key = listen_key(exchange)
    exchange.faults(
        {"kind": "drop_events", "event": "TRADE_LITE"},
        {"kind": "delay_events", "event": "ACCOUNT_UPDATE", "delay_ms": 200},
    )
    with listening(exchange, f"/private/ws/{key}") as socket:
        exchange.order("XRPUSDT", "BUY", "10")
        kinds = [m["e"] for m in receive(socket, until="ACCOUNT_UPDATE")]
    assert kinds == ["ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]


def test_a_dropped_stream_ends_the_connection(exchange: PaperExchange):
    key = listen_key(exchange)
    with listening(exchange, f"/private/ws/{key}") as socket:
        assert socket.ping().wait(timeout=5)
        exchange.faults({"kind": "drop_stream"})
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)


def test_an_expired_listen_key_is_told_and_then_hears_nothing(exchange: PaperExchange):
    key = listen_key(exchange)
    with listening(exchange, f"/private/ws/{key}") as socket:
        assert socket.ping().wait(timeout=5)
        exchange.faults({"kind": "listen_key_expiry"})
        assert receive(socket, until="listenKeyExpired")[-1]["listenKey"] == key
        exchange.order("XRPUSDT", "BUY", "10")
        assert is_quiet(socket)
    gone = exchange.http.put("/fapi/v1/listenKey")
    assert (gone.status_code, gone.json()["code"]) == (400, -1125)
    assert listen_key(exchange) != key


def test_a_listen_key_is_the_same_until_it_is_closed(exchange: PaperExchange):
    key = listen_key(exchange)
    assert listen_key(exchange) == key
    assert exchange.http.put("/fapi/v1/listenKey").json() == {"listenKey": key}
    assert exchange.http.delete("/fapi/v1/listenKey").json() == {}
    assert listen_key(exchange) != key


def test_rest_stream_and_ledger_tell_one_story(tmp_path: Path):
    exchange = start_paper_exchange(tmp_path, "--market", "seed:3", "--wallet", "100000")
    try:
        key = listen_key(exchange)
        with listening(exchange, f"/private/ws/{key}") as stream:
            ticker = exchange.book_ticker("BTCUSDT")
            exchange.order("BTCUSDT", "BUY", "0.5")
            exchange.order("BTCUSDT", "SELL", "0.2", price=ticker["bidPrice"])
            exchange.order("BTCUSDT", "SELL", "0.7", price=ticker["bidPrice"], timeInForce="IOC")
            exchange.order("BTCUSDT", "BUY", "9.9", price=ticker["askPrice"], timeInForce="FOK")
            exchange.order("ETHUSDT", "SELL", "3")
            exchange.signed("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
            exchange.order("BTCUSDT", "BUY", "0.001", newClientOrderId="the-last")
            told: list[dict[str, Any]] = []
            while not any(m.get("o", {}).get("c") == "the-last" and m["o"]["X"] == "FILLED" for m in told):
                told += receive(stream, until="FILLED")
        ledger = exchange.ledger()
        trades = [
            trade
            for symbol in ("BTCUSDT", "ETHUSDT")
            for trade in exchange.signed("GET", "/fapi/v1/userTrades", symbol=symbol).json()
        ]
        by_rest = {t["id"]: (D(t["price"]), D(t["qty"]), D(t["commission"])) for t in trades}
        by_ledger = {
            f["trade_id"]: (D(f["price"]), D(f["quantity"]), D(f["fee"])) for o in ledger["orders"] for f in o["fills"]
        }
        by_stream = {
            m["o"]["t"]: (D(m["o"]["L"]), D(m["o"]["l"]), D(m["o"]["n"]))
            for m in told
            if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["x"] == "TRADE"
        }
        assert len(by_rest) >= 4
        assert by_rest == by_ledger == by_stream
        [balance] = exchange.signed("GET", "/fapi/v3/balance").json()
        wallets = [m["a"]["B"][0]["wb"] for m in told if m["e"] == "ACCOUNT_UPDATE"]
        assert D(balance["balance"]) == D(ledger["wallet"]["USDT"]) == D(wallets[-1])
        realised = sum(D(t["realizedPnl"]) for t in trades)
        fees = sum(fee for _, _, fee in by_rest.values())
        assert D(balance["balance"]) == D(100000) + realised - fees + D(ledger["funding"])
        risk = {p["symbol"]: D(p["positionAmt"]) for p in exchange.signed("GET", "/fapi/v3/positionRisk").json()}
        assert risk == {p["symbol"]: D(p["quantity"]) for p in ledger["positions"]}
        signed = {"BTCUSDT": D(0), "ETHUSDT": D(0)}
        for trade in trades:
            signed[trade["symbol"]] += D(trade["qty"]) if trade["side"] == "BUY" else -D(trade["qty"])
        assert risk == {s: q for s, q in signed.items() if q}
    finally:
        exchange.stop()
