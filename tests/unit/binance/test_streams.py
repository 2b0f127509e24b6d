"""Streams on real sockets: reconnects, renewals, gaps, silence, rollover, conflation, and a quick stop."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.frames import Opcode
from websockets.sync.server import ServerConnection

from app.adapters.binance.market_stream import MarketStream
from app.adapters.binance.rest import QuestionError
from app.adapters.binance.server_clock import ServerClock
from app.adapters.binance.stream_loop import ReconnectRequested, StreamLimits, StreamLoop
from app.adapters.binance.user_events import OrderUpdate, StreamGap, UserEvent
from app.adapters.binance.user_stream import KEY_SECONDS_MAX, RENEW_SECONDS, UserStream, _UserListener
from app.domain.market import FundingRate, Quote
from app.ports import ExchangeError
from tests.support.waiting import wait_until
from tests.unit.binance.raw_server import http, read_request, serving
from tests.unit.binance.stream_server import StreamServer, streaming
from tests.unit.binance.test_user_events import order_event

QUICK = StreamLimits(
    open_seconds_max=1.0,
    close_seconds_max=0.3,
    poll_seconds=0.02,
    ping_after_seconds=0.1,
    pong_seconds_max=0.2,
    backoff_first_seconds=0.02,
    backoff_seconds_max=0.1,
    stable_seconds=0.0,
)
WAIT = 5.0
LISTEN_KEY = "CANARYlistenKEY" * 4


@dataclass
class FakeListenKeys:
    """Gives out numbered keys; may be told to fail."""

    opened: int = 0
    extended: int = 0
    failure: QuestionError | None = None

    def open_listen_key(self) -> str:
        if self.failure is not None:
            raise self.failure
        self.opened += 1
        return f"{LISTEN_KEY}{self.opened}"

    def extend_listen_key(self) -> None:
        self.extended += 1
        if self.failure is not None:
            raise self.failure


class Run:
    """A blocking `run` in a thread of its own, stopped at the end; what it raised is kept."""

    def __init__(self, target: Callable[[threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.raised: Exception | None = None
        self.thread = threading.Thread(target=self._run, args=(target,), daemon=True)
        self.thread.start()

    def _run(self, target: Callable[[threading.Event], None]) -> None:
        try:
            target(self.stop)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.raised = error

    def end(self) -> float:
        """Stop it; how long that took."""
        began = time.monotonic()
        self.stop.set()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()
        return time.monotonic() - began


@contextmanager
def listening(
    server: StreamServer, keys: FakeListenKeys | None = None, *, limits: StreamLimits = QUICK, **options: Any
):
    events: list[UserEvent] = []
    stream = UserStream(
        listen_keys=keys or FakeListenKeys(), stream_url=server.url, random_share=lambda: 0.0, limits=limits, **options
    )
    run = Run(lambda stop: stream.run(events.append, stop))
    try:
        yield stream, events, run
    finally:
        run.end()


def hold(connection: ServerConnection, server: StreamServer, number: int) -> None:
    server.hold(connection)


def reasons(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why streams reconnected, as the log tells."""
    return [line["reason"] for line in lines if line["event"] == "stream_reconnects"]


def gaps(events: Sequence[UserEvent]) -> list[str]:
    return [event.reason for event in events if isinstance(event, StreamGap)]


# ---------------------------------------------------------------------------------------------------- user stream


def test_the_first_event_is_a_gap_and_the_next_ones_are_what_was_said() -> None:
    def script(connection: ServerConnection, server: StreamServer, number: int) -> None:
        connection.send(json.dumps(order_event()))
        server.hold(connection)

    with streaming(script) as server, listening(server) as (stream, events, _):
        wait_until(lambda: len(events) == 2, seconds=WAIT, what="the gap and the order")
        assert isinstance(events[0], StreamGap)
        assert isinstance(events[1], OrderUpdate)
        assert server.paths == [f"/private/ws?listenKey={LISTEN_KEY}1"]
        assert stream.last_message_at is not None


def test_every_reconnect_is_told_as_a_gap_and_asks_for_the_key_again() -> None:
    def script(connection: ServerConnection, server: StreamServer, number: int) -> None:
        if number >= 2:
            server.hold(connection)
        connection.close()

    with streaming(script) as server, listening(server) as (_, events, _run):
        wait_until(lambda: len(gaps(events)) == 3, seconds=WAIT, what="three connections")
        wait_until(lambda: len(server.paths) == 3, seconds=WAIT, what="three paths")
        assert [path[-1] for path in server.paths] == ["1", "2", "3"]


def test_an_expired_listen_key_is_replaced() -> None:
    def script(connection: ServerConnection, server: StreamServer, number: int) -> None:
        if number == 0:
            connection.send(json.dumps({"e": "listenKeyExpired", "E": 1, "listenKey": "x"}))
        server.hold(connection)

    with streaming(script) as server, listening(server) as (_, events, _run):
        wait_until(lambda: len(gaps(events)) == 2, seconds=WAIT, what="a second connection")
        wait_until(lambda: len(server.paths) == 2, seconds=WAIT, what="its path")
        assert server.paths[-1].endswith("2")


def test_a_peer_that_answers_no_ping_is_given_up() -> None:
    def deaf(connection: ServerConnection, server: StreamServer, number: int) -> None:
        connection.protocol.send_pong = lambda data: None  # type: ignore[method-assign]
        connection.protocol.recv_frame = _swallow_pings(connection)  # type: ignore[method-assign]
        server.hold(connection)

    with streaming(deaf) as server, capture_logs() as lines, listening(server) as (_, events, _run):
        wait_until(lambda: len(gaps(events)) >= 2, seconds=WAIT, what="a second connection")
    assert reasons(lines)[0] == "no pong within 0.2 s"


def _swallow_pings(connection: ServerConnection) -> Callable[[Any], None]:
    original = type(connection.protocol).recv_frame

    def recv_frame(frame: Any) -> None:
        if frame.opcode is not Opcode.PING:
            original(connection.protocol, frame)

    return recv_frame


def test_silence_with_pongs_is_normal_in_the_user_stream_and_proves_that_it_lives() -> None:
    with streaming(hold) as server, listening(server) as (stream, events, _):
        wait_until(lambda: events, seconds=WAIT, what="the connection")
        first = stream.last_alive_at
        assert first is not None
        wait_until(lambda: stream.last_alive_at != first, seconds=WAIT, what="a pong")
        assert stream.last_message_at is None
        assert len(server.paths) == 1


def test_the_daily_rollover_reconnects() -> None:
    limits = replace(QUICK, life_seconds_max=0.2)
    with streaming(hold) as server, capture_logs() as lines, listening(server, limits=limits) as (_, events, _run):
        wait_until(lambda: len(gaps(events)) == 2, seconds=WAIT, what="a second connection")
    assert reasons(lines)[0] == "daily rollover"


def test_an_event_that_cannot_be_understood_is_told_as_a_gap_once_in_a_while() -> None:
    now = [0.0]

    def monotonic() -> float:
        return now[0]

    events: list[UserEvent] = []
    listener = _UserListener(FakeListenKeys(), "ws://x", events.append, monotonic)
    listener.url()
    listener.opened()
    for _ in range(100):
        listener.received(json.dumps(order_event(X="SOMETHING_NEW")))
        listener.idle()
    assert len(gaps(events)) == 1
    now[0] = 5.0
    listener.idle()
    assert len(gaps(events)) == 2
    assert "not understood" in gaps(events)[1]


def test_the_key_is_renewed_every_25_minutes_and_replaced_when_that_fails_too_long() -> None:
    now = [1_000.0]
    keys = FakeListenKeys()
    listener = _UserListener(keys, "ws://x", lambda event: None, lambda: now[0])
    listener.url()
    now[0] += RENEW_SECONDS - 1
    listener.idle()
    assert keys.extended == 0
    now[0] += 1
    listener.idle()
    assert keys.extended == 1
    renewed = now[0]
    keys.failure = QuestionError("502")
    while now[0] <= renewed + KEY_SECONDS_MAX:
        listener.idle()
        now[0] += 30
    attempts = keys.extended - 1
    assert 25 <= attempts <= 35  # once a minute between the 25th and the 55th minute
    with pytest.raises(ReconnectRequested):
        for _ in range(3):
            listener.idle()
            now[0] += 30


def test_a_key_that_is_gone_is_replaced_at_once() -> None:
    now = [1_000.0]
    keys = FakeListenKeys()
    listener = _UserListener(keys, "ws://x", lambda event: None, lambda: now[0])
    listener.url()
    keys.failure = QuestionError("gone", code="-1125")
    now[0] += RENEW_SECONDS
    with pytest.raises(ReconnectRequested):
        listener.idle()


def test_without_a_key_it_keeps_trying_and_stops_quickly() -> None:
    keys = FakeListenKeys(failure=QuestionError("banned"))
    with streaming(hold) as server, listening(server, keys) as (_, events, run):
        time.sleep(0.1)
        assert run.end() < 1.0
        assert events == []
        assert server.paths == []


def test_a_server_that_is_away_is_waited_for() -> None:
    with streaming(hold) as server:
        url = server.url
    events: list[UserEvent] = []
    stream = UserStream(listen_keys=FakeListenKeys(), stream_url=url, random_share=lambda: 0.0, limits=QUICK)
    run = Run(lambda stop: stream.run(events.append, stop))
    time.sleep(0.1)
    assert run.raised is None
    assert run.end() < 1.0


def test_a_rejected_handshake_is_a_failed_attempt() -> None:
    def refuse(connection: Any, server: Any) -> None:
        read_request(connection, server)
        connection.sendall(http(403, b"no"))

    def hang_up(connection: Any, server: Any) -> None:
        read_request(connection, server)

    for behaviour in (refuse, hang_up):
        with serving(behaviour) as server:
            url = f"ws://127.0.0.1:{server.port}"
            keys = FakeListenKeys()
            stream = UserStream(listen_keys=keys, stream_url=url, random_share=lambda: 0.0, limits=QUICK)
            run = Run(lambda stop, stream=stream: stream.run(lambda event: None, stop))
            wait_until(lambda keys=keys: keys.opened >= 3, seconds=WAIT, what="three attempts")
            run.end()
            assert run.raised is None


def test_what_the_handler_raises_ends_the_run() -> None:
    class DatabaseAwayError(Exception):
        pass

    def handler(event: UserEvent) -> None:
        raise DatabaseAwayError

    with streaming(hold) as server:
        stream = UserStream(listen_keys=FakeListenKeys(), stream_url=server.url, random_share=lambda: 0.0, limits=QUICK)
        run = Run(lambda stop: stream.run(handler, stop))
        run.thread.join(WAIT)
        assert isinstance(run.raised, DatabaseAwayError)


def test_the_listen_key_is_in_no_log_line(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)

    def script(connection: ServerConnection, server: StreamServer, number: int) -> None:
        connection.close()

    with streaming(script) as server, listening(server) as (_, events, _run):
        wait_until(lambda: len(gaps(events)) >= 3, seconds=WAIT, what="three connections")
    client_lines = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]
    printed = capsys.readouterr()
    assert not any(LISTEN_KEY in line for line in [*client_lines, printed.out, printed.err])


def test_back_off_doubles_to_a_cap_with_half_of_it_random() -> None:
    share = [0.0]
    loop = StreamLoop(
        _UserListener(FakeListenKeys(), "ws://x", lambda event: None, time.monotonic),
        name="x",
        random_share=lambda: share[0],
    )
    delays = [loop._backoff_seconds(failures) for failures in (0, 1, 2, 4, 5, 1000)]
    assert delays == [0.25, 0.5, 1.0, 4.0, 5.0, 5.0]
    share[0] = 1.0
    assert loop._backoff_seconds(1000) == 10.0


# ---------------------------------------------------------------------------------------------------- market stream

NOW = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
NOW_MS = 1_763_800_000_000


def book(symbol: str, bid: str, ask: str, *, at_ms: int = NOW_MS) -> str:
    data = {"e": "bookTicker", "u": 1, "s": symbol, "b": bid, "B": "1", "a": ask, "A": "2", "T": at_ms, "E": at_ms}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})


def marks(*prices: tuple[str, str], at_ms: int = NOW_MS) -> str:
    data = [
        {
            "e": "markPriceUpdate",
            "E": at_ms,
            "s": symbol,
            "p": price,
            "i": price,
            "r": "0.00010000",
            "T": NOW_MS + 3_600_000,
        }
        for symbol, price in prices
    ]
    return json.dumps({"stream": "!markPrice@arr@1s", "data": data})


@dataclass
class RecordingSink:
    puts: list[tuple[Sequence[Quote], Sequence[FundingRate]]] = field(default_factory=list)

    def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
        self.puts.append((quotes, funding))

    @property
    def newest(self) -> dict[str, Quote]:
        return {quote.symbol: quote for quotes, _ in self.puts for quote in quotes}

    @property
    def funding(self) -> dict[str, FundingRate]:
        return {rate.symbol: rate for _, rates in self.puts for rate in rates}


@dataclass
class FakeFunding:
    hours: Mapping[str, int] = field(default_factory=dict)
    fails: bool = False

    def funding_intervals(self) -> Mapping[str, int]:
        if self.fails:
            raise ExchangeError("away")
        return self.hours


def still_clock(*, now: datetime = NOW) -> ServerClock:
    return ServerClock(lambda: NOW_MS, ticks_ns=lambda: 0, wall_now=lambda: now)


@contextmanager
def feeding(
    server: StreamServer, sink: Any, *, limits: StreamLimits = QUICK, funding: FakeFunding | None = None, **options: Any
):
    stream = MarketStream(
        stream_url=server.url,
        symbols=options.pop("symbols", ["BTCUSDT", "ETHUSDT"]),
        clock=options.pop("clock", still_clock()),
        funding=funding or FakeFunding(),
        random_share=lambda: 0.0,
        limits=limits,
        put_seconds=0.02,
        now=options.pop("now", lambda: NOW),
    )
    run = Run(lambda stop: stream.run(sink, stop))
    try:
        yield stream, run
    finally:
        run.end()


def split(
    books: Callable[[ServerConnection, StreamServer], None],
    mark_prices: Callable[[ServerConnection, StreamServer], None],
) -> Callable[[ServerConnection, StreamServer, int], None]:
    def script(connection: ServerConnection, server: StreamServer, number: int) -> None:
        assert connection.request is not None
        (mark_prices if "markPrice" in connection.request.path else books)(connection, server)
        server.hold(connection)

    return script


def say(*messages: str) -> Callable[[ServerConnection, StreamServer], None]:
    def speak(connection: ServerConnection, server: StreamServer) -> None:
        for message in messages:
            connection.send(message)

    return speak


def test_a_quote_joins_book_and_mark_and_is_as_old_as_the_older() -> None:
    sink = RecordingSink()
    script = split(
        say(book("BTCUSDT", "84000.1", "84000.2", at_ms=NOW_MS - 700)),
        say(marks(("BTCUSDT", "84000.5"), ("XRPUSDT", "2"), at_ms=NOW_MS - 300)),
    )
    with streaming(script) as server, feeding(server, sink, funding=FakeFunding({"BTCUSDT": 4})):
        wait_until(lambda: sink.newest and sink.funding, seconds=WAIT, what="a quote and a rate")
        assert sorted(server.paths) == [
            "/market/stream?streams=!markPrice@arr@1s",
            "/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker",
        ]
    assert sink.newest == {
        "BTCUSDT": Quote(
            symbol="BTCUSDT",
            bid_price=Decimal("84000.1"),
            bid_quantity=Decimal(1),
            ask_price=Decimal("84000.2"),
            ask_quantity=Decimal(2),
            mark_price=Decimal("84000.5"),
            observed_at=NOW - timedelta(milliseconds=700),
        )
    }
    rate = sink.funding["BTCUSDT"]
    assert (rate.rate, rate.interval_hours) == (Decimal("0.0001"), 4)
    assert rate.observed_at == NOW - timedelta(milliseconds=300)
    assert rate.next_funding_at == NOW + timedelta(hours=1)


def test_two_hundred_changes_become_a_few_puts_with_the_newest_prices() -> None:
    sink = RecordingSink()
    changes = [book("BTCUSDT", str(84000 + number), str(84001 + number)) for number in range(200)]
    with (
        streaming(split(say(*changes), say(marks(("BTCUSDT", "84000"))))) as server,
        feeding(server, sink),
    ):
        wait_until(
            lambda: "BTCUSDT" in sink.newest and sink.newest["BTCUSDT"].bid_price == Decimal(84199),
            seconds=WAIT,
            what="the newest book",
        )
    assert len(sink.puts) < 50


def test_nothing_new_is_not_put_again() -> None:
    sink = RecordingSink()
    script = split(say(book("BTCUSDT", "1", "2")), say(marks(("BTCUSDT", "1.5"))))
    with streaming(script) as server, feeding(server, sink):
        wait_until(lambda: sink.newest, seconds=WAIT, what="a quote")
        puts = len(sink.puts)
        time.sleep(0.2)  # ten more looks at the board
        assert len(sink.puts) == puts


@pytest.mark.parametrize(("bid", "ask"), [("0", "84000"), ("84000", "0"), ("84001", "84000"), ("84000", "84000")])
def test_a_book_that_is_not_sound_is_no_quote(bid: str, ask: str) -> None:
    sink = RecordingSink()
    script = split(
        say(book("BTCUSDT", "1", "2"), book("BTCUSDT", bid, ask), book("ETHUSDT", "1", "2")),
        say(marks(("BTCUSDT", "1.5"), ("ETHUSDT", "1.5"))),
    )
    with streaming(script) as server, feeding(server, sink):
        wait_until(lambda: "ETHUSDT" in sink.newest, seconds=WAIT, what="the sound book")
        assert Decimal(bid) not in {quote.bid_price for quotes, _ in sink.puts for quote in quotes}


def test_after_a_reconnect_an_old_book_is_not_shown_beside_a_new_mark() -> None:
    sink = RecordingSink()
    reconnected = threading.Event()

    def books(connection: ServerConnection, server: StreamServer) -> None:
        if any("bookTicker" in path for path in server.paths[:-1]) and len(server.paths) > 2:
            reconnected.set()
            return  # says nothing any more
        connection.send(book("BTCUSDT", "1", "2"))
        wait_until(lambda: sink.newest, seconds=WAIT, what="the first quote")
        connection.close()

    def mark_prices(connection: ServerConnection, server: StreamServer) -> None:
        connection.send(marks(("BTCUSDT", "1.5")))
        assert reconnected.wait(WAIT)
        wait_until(lambda: len(server.open) >= 3, seconds=WAIT, what="the reconnect")
        connection.send(marks(("BTCUSDT", "9.5"), ("ETHUSDT", "9.5")))

    with streaming(split(books, mark_prices)) as server, feeding(server, sink):
        wait_until(lambda: "ETHUSDT" in sink.funding, seconds=WAIT, what="the later marks")
    assert sink.newest["BTCUSDT"].mark_price == Decimal("1.5")


def test_a_stream_that_falls_silent_is_reconnected() -> None:
    limits = replace(QUICK, silence_seconds_max=0.2)
    with streaming(hold) as server, capture_logs() as lines, feeding(server, RecordingSink(), limits=limits):
        wait_until(lambda: len(server.paths) >= 6, seconds=WAIT, what="reconnects of both")
    assert set(reasons(lines)) == {"no message for 0.2 s"}


def test_what_the_sink_raises_ends_the_run_and_its_streams() -> None:
    class RedisAwayError(Exception):
        pass

    class FailingSink:
        def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
            raise RedisAwayError

    script = split(say(book("BTCUSDT", "1", "2")), say(marks(("BTCUSDT", "1.5"))))
    with streaming(script) as server, feeding(server, FailingSink()) as (_, run):
        run.thread.join(WAIT)
        assert isinstance(run.raised, RedisAwayError)


def test_without_the_exchanges_clock_nothing_is_put() -> None:
    def away() -> int:
        raise ExchangeError("away")

    sink = RecordingSink()
    script = split(say(book("BTCUSDT", "1", "2")), say(marks(("BTCUSDT", "1.5"))))
    with streaming(script) as server, feeding(server, sink, clock=ServerClock(away)) as (stream, run):
        wait_until(lambda: stream.last_message_at, seconds=WAIT, what="messages on both")
        time.sleep(0.1)  # several looks at the board
        assert sink.puts == []
        assert run.raised is None


def test_funding_of_unknown_interval_is_not_guessed() -> None:
    sink = RecordingSink()
    funding = FakeFunding(fails=True)
    script = split(say(book("BTCUSDT", "1", "2")), say(marks(("BTCUSDT", "1.5"))))
    with streaming(script) as server, feeding(server, sink, funding=funding) as (stream, _):
        wait_until(lambda: stream.last_message_at, seconds=WAIT, what="messages on both")
        assert sink.puts == []
        funding.fails = False
        wait_until(lambda: sink.funding, seconds=WAIT, what="the rate")
        assert sink.funding["BTCUSDT"].interval_hours == 8


def test_a_quote_is_never_fresher_than_when_it_was_heard() -> None:
    """The exchange's clock jumps back after the message: the message does not become younger by that."""
    sink = RecordingSink()
    script = split(
        say(book("BTCUSDT", "1", "2", at_ms=NOW_MS + 60_000)), say(marks(("BTCUSDT", "1.5"), at_ms=NOW_MS + 60_000))
    )
    heard = NOW - timedelta(seconds=3)
    with streaming(script) as server, feeding(server, sink, now=lambda: heard):
        wait_until(lambda: sink.newest, seconds=WAIT, what="a quote")
    assert sink.newest["BTCUSDT"].observed_at == heard


def test_many_symbols_are_spread_over_connections() -> None:
    symbols = [f"S{number}USDT" for number in range(250)]
    with streaming(hold) as server, feeding(server, RecordingSink(), symbols=symbols):
        wait_until(lambda: len(server.paths) == 4, seconds=WAIT, what="three book connections and one for marks")
        assert sum(path.count("@bookTicker") for path in server.paths) == 250


def test_it_stops_quickly() -> None:
    with streaming(hold) as server, feeding(server, RecordingSink()) as (_, run):
        wait_until(lambda: len(server.paths) == 2, seconds=WAIT, what="both connections")
        assert run.end() < 1.5
