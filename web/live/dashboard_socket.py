"""`WS /ws/dashboard?after=SEQ`: lets a dashboard in and hands it to the hub."""

from __future__ import annotations

import functools
import threading
import time
from typing import Annotated, Any

import structlog
from flask import Blueprint, Flask, g, request
from flask_sock import Sock
from pydantic import Field

from web.access import require, require_same_origin
from web.limits import RETRY_AFTER_SECONDS
from web.live.frames import close_frame
from web.live.hub import POLICY_VIOLATION, Client, Hub
from web.live.limits import ACCESS_CHECK_SECONDS, CLIENTS_MAX, INCOMING_BYTES_MAX
from web.live.outgoing import OutgoingSocket
from web.problems import TOO_MANY_CLIENTS, UNAVAILABLE, ProblemError
from web.queries import Query, read_query
from web.use_cases import Scope, UseCases

log = structlog.get_logger("web.live")

SOCKET_PATH = "/ws/dashboard"
# Where the servers we run under put a connection's socket, and where simple-websocket looks for it.
_SOCKET_KEYS = ("gunicorn.socket", "werkzeug.socket")


class AfterQuery(Query):
    """Where to go on."""

    after: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None, description="The last sequence seen; without it, only what happens from now on"
    )


def add_dashboard_socket(app: Flask, system: UseCases) -> Hub:
    """Add the route; the hub is also in `app.extensions["dashboard_hub"]`."""
    hub = Hub(system.events)
    app.extensions["dashboard_hub"] = hub
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": None,  # the hub pings; a second sender would need a second lock
        "max_message_size": INCOMING_BYTES_MAX,
        "thread_class": functools.partial(threading.Thread, daemon=True),
    }
    blueprint = Blueprint("live", __name__)
    sock = Sock()

    @blueprint.before_request
    def let_in() -> None:
        """Everything that can be refused is refused here, while an HTTP answer is still possible."""
        require_same_origin()
        require(Scope.READ)
        g.after = read_query(AfterQuery).after
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        if not hub.has_room:
            raise ProblemError(TOO_MANY_CLIENTS, f"at most {CLIENTS_MAX} at a time", headers=headers)
        if not hub.is_available:
            raise ProblemError(UNAVAILABLE, "the event stream is away, or this server stops", headers=headers)
        for key in _SOCKET_KEYS:
            if key in request.environ:
                g.outgoing = request.environ[key] = OutgoingSocket(request.environ[key])
                return

    @sock.route(SOCKET_PATH, bp=blueprint, endpoint="dashboard")  # type: ignore[untyped-decorator]
    def dashboard(ws: Any) -> None:
        client = hub.join(g.outgoing, after=g.after)
        try:
            _listen(ws, client)
        finally:
            hub.leave(client)
            g.log_fields = {
                "status": 101,
                "frames": client.frames,
                "bytes": client.socket.sent_bytes,
                "why_gone": client.why_gone,
            }

    app.register_blueprint(blueprint)
    return hub


def _listen(ws: Any, client: Client) -> None:
    """Until the connection ends; what a dashboard says is read and means nothing."""
    check_at = time.monotonic() + ACCESS_CHECK_SECONDS
    while True:
        # Raises ConnectionClosed, which flask-sock expects, when the client leaves or the hub lets it go.
        ws.receive(timeout=max(0.0, check_at - time.monotonic()))
        if time.monotonic() >= check_at:
            check_at += ACCESS_CHECK_SECONDS
            if not _may_still_read():
                client.why_gone = "access withdrawn"
                client.socket.say_goodbye(close_frame(POLICY_VIOLATION, client.why_gone))
                return


def _may_still_read() -> bool:
    try:
        require(Scope.READ)
    except ProblemError:
        return False
    except Exception:  # noqa: BLE001 - a database that is away withdraws nobody's access
        log.warning("access_not_checked", path=request.path, principal=g.get("principal"))
    return True
