"""The HTTP shell: aiohttp in front of the gateway, the control endpoints and the streams."""

import asyncio
import logging
from typing import Final

from aiohttp import web

from app.paper_exchange.codec import dumps
from app.paper_exchange.journal import JournalError
from app.paper_exchange.rest.control import CONTROLS, ControlError
from app.paper_exchange.rest.execution import Answer, Arrival
from app.paper_exchange.rest.gateway import handle
from app.paper_exchange.streams.hub import Hub
from app.paper_exchange.streams.sockets import is_stream_path, serve_socket
from app.paper_exchange.venue import Venue

log = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 1_048_576
TICK_SECONDS: Final = 0.1


class Server:
    """One venue behind one port."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.hub = Hub(venue)
        self.failed: BaseException | None = None
        self.stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError when the port is taken."""
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._ticker = asyncio.create_task(self._tick())
        addresses = self._runner.addresses
        bound: int = addresses[0][1]
        return bound

    async def stop(self) -> None:
        """Stop the clockwork, close every socket, finish what was accepted."""
        if self._ticker is not None:
            self._ticker.cancel()
        for task in list(self.venue.background):
            task.cancel()
        await self.hub.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self.venue.journal.close()

    def _fail(self, error: BaseException) -> None:
        """A defect or a dead disk: stop rather than answer from a memory that nobody can trust."""
        self.failed = error
        self.stopping.set()

    async def _tick(self) -> None:
        try:
            while True:
                self.venue.tick()
                self.hub.tick()
                await asyncio.sleep(TICK_SECONDS)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("the exchange's clockwork failed")
            self._fail(error)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if is_stream_path(path):
            return await serve_socket(self.hub, request)
        control = CONTROLS.get((request.method, path))
        body = await request.read() if request.can_read_body else b""
        if control is not None:
            return await self._control(request, body)
        # Bytes that are no UTF-8 become replacement characters, never something that cannot be written again.
        query = request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        # Some clients send a JSON content type with an empty body; parameters never come as JSON.
        form = b"" if request.content_type == "application/json" else body
        arrival = Arrival(
            method=request.method,
            path=path,
            query=query,
            body=form.decode("utf-8", errors="replace"),
            ip=request.remote or "",
            api_key=request.headers.get("X-MBX-APIKEY"),
        )
        try:
            answer = await handle(self.venue, arrival)
        except JournalError as error:
            log.critical("state cannot be made durable", exc_info=error)
            self._fail(error)
            answer = None
        if answer is None:
            return _hang_up(request)
        return _response(answer)

    async def _control(self, request: web.Request, body: bytes) -> web.StreamResponse:
        try:
            result = await CONTROLS[request.method, request.path](self.venue, body)
        except ControlError as error:
            return web.Response(status=400, body=dumps({"error": str(error)}), content_type="application/json")
        return web.Response(body=dumps(result), content_type="application/json")


def _hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer; what is returned has nobody left to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, content_type=answer.content_type, headers=answer.headers
    )
