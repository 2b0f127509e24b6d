"""The doors of the streams: every URL form clients use, SUBSCRIBE and its kin, pings, and the life of a socket."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, web

from app.paper_exchange.codec import dumps
from app.paper_exchange.streams.connection import STREAMS_MAX, Connection
from app.paper_exchange.streams.hub import Hub

ROUTES: Final = ("private", "public", "market")
MESSAGES_PER_SECOND_MAX: Final = 10
PING_SECONDS: Final = 180.0
PONG_SECONDS_MAX: Final = 600.0
LIFE_SECONDS_MAX: Final = 86_400.0
MESSAGE_BYTES_MAX: Final = 65_536


def is_stream_path(path: str) -> bool:
    """`/ws...`, `/stream...` and the same below /private, /public and /market."""
    parts = path.strip("/").split("/")
    if parts and parts[0] in ROUTES:
        parts = parts[1:]
    return bool(parts) and parts[0] in ("ws", "stream")


async def serve_socket(hub: Hub, request: web.Request) -> web.StreamResponse:
    """Carry one socket from its handshake to its end."""
    socket = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_BYTES_MAX, compress=False)
    if not socket.can_prepare(request).ok:
        return web.Response(status=400, text="expected a websocket handshake")
    connection = _open(hub, request, socket)
    await socket.prepare(request)
    hub.add(connection)
    sender = asyncio.create_task(_send(connection))
    keeper = asyncio.create_task(_keep(connection))
    try:
        await _receive(hub, connection)
    finally:
        hub.remove(connection)
        for task in (sender, keeper):
            task.cancel()
        await asyncio.gather(sender, keeper, return_exceptions=True)
    return socket


def _open(hub: Hub, request: web.Request, socket: web.WebSocketResponse) -> Connection:
    """Read from the URL what the socket wants."""
    parts = request.path.strip("/").split("/")
    route = parts.pop(0) if parts[0] in ROUTES else ""
    form, names = parts[0], "/".join(parts[1:])
    pairs = parse_qsl(request.query_string)
    retired = route == ""
    connection = Connection(
        socket=socket,
        request=request,
        enveloped=form == "stream",
        silent=retired and not hub.venue.legacy_streams,
        private=route == "private",
    )
    events = frozenset(e for name, value in pairs if name == "events" for e in value.split("/") if e)
    for name, value in pairs:
        if name == "listenKey":
            for key in value.split("/"):
                connection.listen_keys[key] = events
        elif name == "streams":
            _listen(hub, connection, value.split("/"))
    if names:
        _listen(hub, connection, names.split("/"))
    return connection


def _listen(hub: Hub, connection: Connection, names: list[str]) -> None:
    """A name without `@` is a listen key where one may be; everything else is a market stream."""
    for name in names:
        if not name:
            continue
        is_key = "@" not in name and not name.startswith("!")
        if is_key:
            connection.listen_keys.setdefault(name, frozenset())
        elif not connection.private and len(connection.streams) < STREAMS_MAX:
            hub.subscribe(connection, name)


async def _send(connection: Connection) -> None:
    with suppress(ConnectionResetError, ClientConnectionError):
        await connection.send_queued()


async def _keep(connection: Connection) -> None:
    """Ping every three minutes; end the connection after a day."""
    ends = time.monotonic() + LIFE_SECONDS_MAX
    with suppress(ConnectionResetError, ClientConnectionError):
        while time.monotonic() < ends:
            await asyncio.sleep(PING_SECONDS)
            await connection.socket.ping(str(time.time_ns() // 1_000_000).encode())
        await connection.socket.close(code=WSCloseCode.GOING_AWAY, message=b"24 hours")


async def _receive(hub: Hub, connection: Connection) -> None:
    """Read until the peer leaves. More than ten messages in a second end the connection."""
    second, count = 0, 0
    while True:
        try:
            message = await connection.socket.receive(timeout=PONG_SECONDS_MAX)
        except TimeoutError:
            connection.abort()
            return
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
            return
        if message.type is WSMsgType.PONG:
            continue
        now = int(time.monotonic())
        count = count + 1 if now == second else 1
        second = now
        if count > MESSAGES_PER_SECOND_MAX:
            await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
            return
        if message.type is WSMsgType.PING:
            with suppress(ConnectionResetError, ClientConnectionError):
                await connection.socket.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            connection.push(dumps(_answer(hub, connection, message.data)).decode())


def _answer(hub: Hub, connection: Connection, data: str | bytes) -> dict[str, Any]:
    """SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY."""
    try:
        asked = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return {"error": {"code": 3, "msg": f"Invalid JSON: {error}"}}
    if not isinstance(asked, dict):
        return {"error": {"code": 2, "msg": "Invalid request: expected an object"}}
    number = asked.get("id")
    method, names = asked.get("method"), asked.get("params") or []
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return {"error": {"code": 2, "msg": "Invalid request: params must be a list of strings"}, "id": number}
        if method == "SUBSCRIBE":
            _listen(hub, connection, names)
        else:
            for name in names:
                connection.listen_keys.pop(name, None)
                hub.unsubscribe(connection, name)
        return {"result": None, "id": number}
    if method == "LIST_SUBSCRIPTIONS":
        return {"result": sorted(connection.streams | set(connection.listen_keys)), "id": number}
    if method == "SET_PROPERTY":
        if names[:1] == ["combined"] and len(names) == 2 and isinstance(names[1], bool):
            connection.enveloped = names[1]
            return {"result": None, "id": number}
        return {"error": {"code": 0, "msg": "Unknown property"}, "id": number}
    if method == "GET_PROPERTY":
        return {"result": connection.enveloped, "id": number}
    return {"error": {"code": 1, "msg": f"Unknown method: {method}"}, "id": number}
