"""The live socket on a real server: batches, resuming, slow clients, gaps, outages, and who may listen."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.domain.events import EventType
from app.settings import Settings
from tests.support.waiting import wait_until
from tests.web.fakes import PASSWORD, FakeEvents, FakeSystem
from tests.web.live_server import Reader, dashboard, served
from web.live import hub as hub_module
from web.live.hub import GOING_AWAY
from web.live.outgoing import OutgoingSocket

SIGNAL = EventType.SIGNAL_RECEIVED


@pytest.fixture
def events(system: FakeSystem) -> FakeEvents:
    return system.events


@pytest.fixture
def port(application: Flask) -> Iterator[int]:
    with served(application) as number:
        yield number


@pytest.fixture
def connected(application: Flask) -> Any:
    hub = application.extensions["dashboard_hub"]
    return lambda count: wait_until(
        lambda: hub.client_count == count and not hub._arriving and len(hub._clients) == count,
        seconds=10,
        what=f"{count} clients",
    )


def test_ten_events_come_as_one_frame_at_once(port: int, events: FakeEvents, connected: Any) -> None:
    with dashboard(port) as connection:
        connected(1)
        begun = time.monotonic()
        events.publish(*[SIGNAL] * 10, symbol="BTCUSDT")
        frame = Reader(connection).next()
    assert {key: frame[key] for key in ("type", "count", "first_seq", "last_seq", "dropped")} == {
        "type": "event_batch",
        "count": 10,
        "first_seq": 1,
        "last_seq": 10,
        "dropped": 0,
    }
    assert time.monotonic() - begun < 5  # a bound against hanging; exact times are the flow's tests


def test_without_after_only_what_happens_from_now_on_is_told(port: int, events: FakeEvents, connected: Any) -> None:
    events.publish(*[SIGNAL] * 5)
    with dashboard(port) as connection:
        connected(1)
        events.publish(SIGNAL)
        assert Reader(connection).next()["first_seq"] == 6


def test_a_client_that_comes_back_misses_nothing(port: int, events: FakeEvents, connected: Any) -> None:
    events.publish(*[SIGNAL] * 3)
    with dashboard(port, after=0) as connection:
        first = Reader(connection)
        first.until(3)
    events.publish(*[EventType.POSITION_UPDATED] * 120, symbol="BTCUSDT")
    with dashboard(port, after=3) as connection:
        second = Reader(connection)
        second.until(60)
        events.publish(*[SIGNAL] * 7)
        second.until(130)
    assert [event["seq"] for event in first.events + second.events] == list(range(1, 131))
    assert all(frame["dropped"] == 0 for _, frame in second.frames)


def test_a_client_in_front_of_a_new_server_gets_its_history_from_the_stream(
    system: FakeSystem, settings: Settings
) -> None:
    from web.application import create_app

    system.events.publish(*[SIGNAL] * 40)
    with served(create_app(system, settings)) as port, dashboard(port, after=25) as connection:
        reader = Reader(connection)
        reader.until(40)
    assert [event["seq"] for event in reader.events] == list(range(26, 41))


@pytest.mark.parametrize("early", [True, False])
def test_a_stream_may_begin_with_any_number(settings: Settings, early: bool) -> None:
    from web.application import create_app

    system = FakeSystem(events=FakeEvents(first=1_795_363_192_905_232))
    if not early:
        system.events.publish(*[SIGNAL] * 3)
    with served(create_app(system, settings)) as port, dashboard(port, after=0) as connection:
        if early:
            system.events.publish(*[SIGNAL] * 3)
        reader = Reader(connection)
        reader.until(1_795_363_192_905_234)
    assert [event["seq"] - 1_795_363_192_905_232 for event in reader.events] == [0, 1, 2]
    assert all(frame["dropped"] == 0 for _, frame in reader.frames)


@pytest.mark.parametrize(("after", "published", "held"), [(7, 50, 20), (0, 1200, 10_000), (99, 5, 10_000)])
def test_a_client_whose_events_are_gone_is_told_to_load_the_snapshot(
    settings: Settings, after: int, published: int, held: int
) -> None:
    from web.application import create_app

    system = FakeSystem(events=FakeEvents(capacity=held))
    system.events.publish(*[SIGNAL] * published)
    with served(create_app(system, settings)) as port, dashboard(port, after=after) as connection:
        reader = Reader(connection)
        frame = reader.next()
        assert (frame["type"], frame["last_seq"]) == ("snapshot_required", published)
        assert frame["first_seq"] == max(1, published - min(held, 1000) + 1)
        system.events.publish(SIGNAL)
        assert reader.next()["first_seq"] == published + 1


def test_a_hole_in_the_stream_is_told_to_everybody(port: int, events: FakeEvents, connected: Any) -> None:
    with dashboard(port) as one, dashboard(port) as other:
        connected(2)
        events.publish(SIGNAL)
        readers = [Reader(one), Reader(other)]
        for reader in readers:
            reader.until(1)
        events.skip(4)
        events.publish(SIGNAL)
        for reader in readers:
            assert reader.next()["type"] == "snapshot_required"
            assert reader.next()["first_seq"] == 6


def test_a_stream_that_began_anew_is_noticed(port: int, events: FakeEvents, connected: Any) -> None:
    events.publish(*[SIGNAL] * 30)
    with dashboard(port) as connection:
        connected(1)
        events._held.clear()
        events._newest = 0
        reader = Reader(connection)
        assert reader.next()["type"] == "snapshot_required"
        events.publish(SIGNAL)
        assert reader.next()["first_seq"] == 1


def test_one_client_that_reads_nothing_changes_nothing_for_the_others(
    port: int, events: FakeEvents, connected: Any, application: Flask
) -> None:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", port))
    hub = application.extensions["dashboard_hub"]
    with dashboard(port, sock=raw, max_queue=1) as slow, dashboard(port) as fast:
        connected(2)
        reader = Reader(fast)
        target = 0
        signals = []
        # Two big states to one small signal, until the slow one's buffers are full and it goes alone.
        deadline = time.monotonic() + 20
        while not any(not client.socket.is_clear and client.flow is not None for client in hub._clients):
            assert time.monotonic() < deadline, "the slow client was never slow"
            events.publish(
                EventType.POSITION_UPDATED, EventType.POSITION_UPDATED, symbol="BTCUSDT", padding="x" * 20_000
            )
            target = events.publish(SIGNAL)
            signals.append(target)
            reader.until(target)
        [alone] = [client for client in hub._clients if client.flow is not None]
        for _ in range(12):
            events.publish(*[EventType.POSITION_UPDATED] * 9, symbol="BTCUSDT")
            target = events.publish(SIGNAL)
            signals.append(target)
            reader.until(target)
        # More is published than the pace lets through: states are merged and counted; nothing else is missing.
        told = 0
        for _, frame in reader.frames:
            assert frame["last_seq"] - told == frame["count"] + frame["dropped"], "the fast one lost something"
            told = frame["last_seq"]
        assert set(signals) <= {event["seq"] for event in reader.events}
        assert len(alone.flow.backlog) <= 120
        # It wakes up: everything it did not see is counted, and it has the newest state.
        late = Reader(slow)
        late.until(target, timeout=20)
        seen = 0
        for _, frame in late.frames:
            assert frame["last_seq"] - seen == frame["count"] + frame["dropped"]
            seen = frame["last_seq"]
        assert sum(frame["dropped"] for _, frame in late.frames) > 0
        wait_until(lambda: alone.flow is None, seconds=5, what="the slow client to join the others again")


def test_a_flood_is_paced_conflated_and_counted(port: int, events: FakeEvents, connected: Any) -> None:
    with dashboard(port) as connection:
        connected(1)
        for n in range(1000):
            events.publish(EventType.ORDER_UPDATED if n % 2 else SIGNAL, order_id=f"o{n % 8}")
        reader = Reader(connection)
        reader.until(1000, timeout=20)
    assert sum(frame["count"] + frame["dropped"] for _, frame in reader.frames) == 1000
    newest = {e["payload"]["order_id"]: e["seq"] for e in reader.events if e["type"] == "order_updated"}
    assert newest == {"o1": 994, "o3": 996, "o5": 998, "o7": 1000}


def test_a_vanished_client_is_forgotten(port: int, events: FakeEvents, connected: Any, application: Flask) -> None:
    with dashboard(port) as connection, dashboard(port) as other:
        connected(2)
        connection.socket.shutdown(socket.SHUT_RDWR)
        connected(1)
        events.publish(SIGNAL)
        assert Reader(other).next()["last_seq"] == 1


def test_a_client_that_does_not_even_answer_pings_is_sent_away(
    port: int, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "PING_SECONDS", 0.1)
    # Longer than a busy machine keeps the lively one from answering, shorter than the wait below.
    monkeypatch.setattr(hub_module, "SILENCE_SECONDS_MAX", 3.0)
    with dashboard(port) as lively, socket.create_connection(("127.0.0.1", port)) as dead:
        dead.sendall(
            b"GET /ws/dashboard HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer read-token\r\n\r\n"
        )
        connected(2)
        connected(1)
        lively.ping().wait(2)


def test_an_outage_of_the_stream_ends_the_sockets_and_refuses_new_ones_until_it_is_over(
    port: int, events: FakeEvents, connected: Any, application: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "STREAM_GRACE_SECONDS", 0.3)
    with dashboard(port) as connection:
        connected(1)
        events.publish(SIGNAL)
        Reader(connection).until(1)
        events.failing = True
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
    with pytest.raises(InvalidStatus) as refused:
        dashboard(port)
    assert refused.value.response.status_code == 503
    events.failing = False
    events.publish(SIGNAL)

    wait_until(lambda: application.extensions["dashboard_hub"].is_available, seconds=5, what="the stream")
    with dashboard(port, after=1) as connection:
        assert Reader(connection).next()["first_seq"] == 2


@pytest.mark.parametrize(
    ("options", "query", "status"),
    [
        ({"token": None}, "", 401),
        ({"token": "unknown"}, "", 401),
        ({"token": "signals-token"}, "", 403),
        ({"headers": {"Origin": "http://evil.example"}}, "", 403),
        ({"headers": {"Origin": "null"}}, "", 403),
        (
            {"headers": {"Cookie": "qt_session_5000=forged"}, "token": None},
            "",
            401,
        ),
        ({"after": "x"}, "", 400),
        ({"after": -1}, "", 400),
    ],
)
def test_who_may_not_listen_is_refused_before_the_upgrade(
    port: int, application: Flask, options: dict[str, Any], query: str, status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dashboard(port, **options)
    response = refused.value.response
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert application.extensions["dashboard_hub"].client_count == 0


def test_another_site_cannot_listen_through_a_browser_that_is_logged_in(port: int, application: Flask) -> None:
    browser = application.test_client()
    login = browser.post(
        "/api/session", json={"name": "olga", "password": PASSWORD}, base_url=f"http://127.0.0.1:{port}"
    )
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    for origin in ("http://evil.example", f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1.evil.example:{port}"):
        with pytest.raises(InvalidStatus) as refused:
            dashboard(port, token=None, headers={"Cookie": cookie, "Origin": origin})
        assert refused.value.response.status_code == 403
    with dashboard(port, token=None, headers={"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}) as connection:
        connection.ping().wait(5)


def test_operators_may_listen_and_the_same_origin_too(port: int, events: FakeEvents) -> None:
    with dashboard(port, token="operate-token", headers={"Origin": f"http://127.0.0.1:{port}"}, after=0) as connection:
        events.publish(SIGNAL)
        assert Reader(connection).next()["last_seq"] == 1


def test_a_revoked_token_loses_its_socket(
    port: int, connected: Any, system: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.live.dashboard_socket.ACCESS_CHECK_SECONDS", 0.2)
    with dashboard(port) as connection:
        connected(1)
        monkeypatch.setattr(FakeSystem, "authenticate", lambda *_: None)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_client_that_compresses_understands_what_is_sent(port: int, events: FakeEvents, connected: Any) -> None:
    with dashboard(port, compression="deflate") as connection:
        connected(1)
        connection.send("dashboards may talk; nobody acts on it")
        connection.ping().wait(5)
        events.publish(SIGNAL)
        assert Reader(connection).next()["count"] == 1


def test_a_bug_in_the_hub_ends_the_sockets_instead_of_freezing_them(
    port: int, events: FakeEvents, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise KeyError("a payload nobody thought of")

    with dashboard(port) as connection:
        connected(1)
        with monkeypatch.context() as patch:
            patch.setattr(hub_module, "encode_event", broken)
            events.publish(SIGNAL)
            with pytest.raises(ConnectionClosed):
                connection.recv(timeout=5)
    with dashboard(port) as connection:
        connected(1)
        events.publish(SIGNAL)
        assert Reader(connection).next()["last_seq"] == 2


def test_stopping_says_goodbye(application: Flask, tmp_path: Path) -> None:
    with served(application) as port, dashboard(port) as connection:
        hub = application.extensions["dashboard_hub"]
        wait_until(lambda: len(hub._clients) == 1, seconds=5, what="the client")
        hub.stop()
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


def test_a_client_that_arrives_as_we_stop_is_told_goodbye_before_it_is_cut_off(
    application: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = application.extensions["dashboard_hub"]
    start_thread = hub._start_thread

    def start_and_stop() -> None:
        """The server stops right after the hub has taken the client on."""
        start_thread()
        hub._stopping.set()

    monkeypatch.setattr(hub, "_start_thread", start_and_stop)
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(OutgoingSocket(ours)) as outgoing:
        client = hub.join(outgoing, after=None)
        theirs.settimeout(5)
        assert theirs.recv(64)[2:4] == GOING_AWAY.to_bytes(2, "big")
        hub.leave(client)
        hub.stop()


def test_a_plain_request_is_told_to_upgrade(application: Flask) -> None:
    response = application.test_client().get("/ws/dashboard")
    assert response.status_code == 426
    assert response.get_json(force=True)["type"] == "/problems/upgrade-required"
