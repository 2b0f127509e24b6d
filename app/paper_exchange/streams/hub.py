"""The hub: takes the engine's events and the market's news to the connections that asked for them."""

import asyncio
from typing import Any, Final

from aiohttp import WSCloseCode

from app.paper_exchange.codec import dumps
from app.paper_exchange.events import Event
from app.paper_exchange.faults import Fault
from app.paper_exchange.streams.connection import Connection
from app.paper_exchange.streams.market_payloads import MarketStream, agg_trade, book_ticker, open_stream
from app.paper_exchange.streams.user_payloads import listen_key_expired, payloads_of
from app.paper_exchange.venue import Venue

# A held-back event is let go after this even if no later one overtakes it.
REORDER_HOLD_MS: Final = 1_000
STREAM_ENDING_KINDS: Final = ("drop_stream", "listen_key_expiry")


class Hub:
    """All connections of one exchange."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.connections: set[Connection] = set()
        self._market: dict[str, MarketStream] = {}
        self._listeners: dict[str, set[Connection]] = {}
        self._held: list[tuple[int, str, str]] = []
        self._last_book: dict[str, Any] = {}
        venue.publish = self.publish
        venue.on_faults_added = self.on_faults_added

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)

    def remove(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for stream in list(connection.streams):
            self.unsubscribe(connection, stream)

    def subscribe(self, connection: Connection, stream: str) -> None:
        """Listen to a market stream; an unknown name stays silent, as on the exchange."""
        connection.streams.add(stream)
        if stream not in self._market:
            opened = open_stream(self.venue, stream)
            if opened is None:
                return
            self._market[stream] = opened
        self._listeners.setdefault(stream, set()).add(connection)

    def unsubscribe(self, connection: Connection, stream: str) -> None:
        connection.streams.discard(stream)
        listeners = self._listeners.get(stream)
        if listeners is None:
            return
        listeners.discard(connection)
        if not listeners:
            del self._listeners[stream]
            self._market.pop(stream, None)

    async def close(self) -> None:
        """Say goodbye to everybody, waiting at most a second for those who do not answer."""
        closing = [c.socket.close(code=WSCloseCode.GOING_AWAY) for c in list(self.connections)]
        if closing:
            done = asyncio.gather(*closing, return_exceptions=True)
            try:
                await asyncio.wait_for(done, timeout=1.0)
            except TimeoutError:
                for connection in self.connections:
                    connection.abort()

    def publish(self, events: list[Event]) -> None:
        """Tell the account's listeners, unless a fault has other plans for an event."""
        if not any(connection.listen_keys for connection in self.connections):
            return
        for event in events:
            for payload in payloads_of(event, self.venue.market):
                self._publish_user(str(payload["e"]), payload)

    def _publish_user(self, kind: str, payload: dict[str, Any]) -> None:
        text = dumps(payload).decode()
        faults = self.venue.faults
        for name in STREAM_ENDING_KINDS:
            if faults.decide(name, event=kind):
                self._end_streams(name)
        if faults.decide("drop_events", event=kind):
            return
        delay = faults.decide("delay_events", event=kind)
        if delay:
            loop = asyncio.get_running_loop()
            loop.call_later(delay.params["delay_ms"] / 1000, self._deliver, kind, text)
            return
        if faults.decide("reorder_events", event=kind):
            self._held.append((self.venue.clock.now_ms(), kind, text))
            return
        self._deliver(kind, text)
        if faults.decide("duplicate_events", event=kind):
            self._deliver(kind, text)
        self._release_held()

    def _release_held(self, *, older_than_ms: int | None = None) -> None:
        """Deliver what was held back, once something later has overtaken it (or nothing came)."""
        due = [h for h in self._held if older_than_ms is None or h[0] <= older_than_ms]
        self._held = [h for h in self._held if h not in due]
        for _, kind, text in due:
            self._deliver(kind, text)

    def _deliver(self, kind: str, text: str) -> None:
        now_ms = self.venue.now_us() // 1000
        for connection in list(self.connections):
            if connection.silent:
                continue
            for key, wanted in connection.listen_keys.items():
                if self.venue.listen_keys.is_valid(key, now_ms) and (not wanted or kind in wanted):
                    connection.push_stream(key, text)

    def on_faults_added(self, rules: list[Fault]) -> None:
        """Rules that end streams act at once unless they wait for something."""
        for rule in rules:
            immediate = rule.after == 0 and rule.probability == 1 and rule.params.get("event") is None
            if rule.kind in STREAM_ENDING_KINDS and immediate and rule.fires():
                self._end_streams(rule.kind)

    def _end_streams(self, kind: str) -> None:
        if kind == "listen_key_expiry":
            self.venue.listen_keys.expires_ms = 0
            self._expire_listen_key()
            return
        for connection in list(self.connections):
            if connection.listen_keys:
                connection.abort()

    def _expire_listen_key(self) -> None:
        now_ms = self.venue.now_us() // 1000
        key = self.venue.listen_keys.expired_key(now_ms)
        if key is None:
            return
        text = dumps(listen_key_expired(key, now_ms)).decode()
        for connection in list(self.connections):
            if key in connection.listen_keys and not connection.silent:
                connection.push_stream(key, text)

    def tick(self) -> None:
        """Send market data that is due, let held events go, expire the listen key."""
        now_ms = self.venue.now_us() // 1000
        self._expire_listen_key()
        if self._held:
            self._release_held(older_than_ms=self.venue.clock.now_ms() - REORDER_HOLD_MS)
        for stream in list(self._market.values()):
            if now_ms < stream.due_ms and stream.due_ms - now_ms <= stream.every_ms:
                continue
            stream.due_ms = now_ms + stream.every_ms
            payload = stream.compose(now_ms)
            if payload is not None:
                self._send(stream.name, payload)
        self._send_trades()
        self._send_all_books(now_ms)

    def _send(self, stream: str, payload: Any) -> None:
        text = dumps(payload).decode()
        for connection in list(self._listeners.get(stream, ())):
            if not connection.silent:
                connection.push_stream(stream, text)

    def _send_trades(self) -> None:
        for trade in self.venue.tape.take_fresh():
            stream = f"{trade.symbol.lower()}@aggTrade"
            if stream in self._listeners:
                self._send(stream, agg_trade(self.venue, trade))

    def _send_all_books(self, now_ms: int) -> None:
        if "!bookTicker" not in self._listeners:
            return
        for symbol in self.venue.market.symbols:
            payload = book_ticker(self.venue, symbol, now_ms)
            top = (payload["b"], payload["B"], payload["a"], payload["A"])
            if self._last_book.get(symbol) != top:
                self._last_book[symbol] = top
                self._send("!bookTicker", payload)
