"""Makes the Flask application: routes, answers to every error, headers, one log line per request."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing.exceptions import WebsocketMismatch

from app.adapters.metrics.instruments import HTTP_SECONDS
from app.ports import (
    BufferFullError,
    BufferUnavailableError,
    DatabaseUnavailableError,
    EventsUnavailableError,
    WindowUnavailableError,
)
from app.services.admit_together import IntakeCrowdedError
from app.settings import Settings
from web.answers import answer, encode
from web.api import ROUTES
from web.limits import RETRY_AFTER_SECONDS
from web.live.dashboard_socket import add_dashboard_socket
from web.openapi import openapi_document
from web.page import add_page
from web.problems import (
    BODY_TOO_LARGE,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PROBLEM_TYPES,
    REQUEST_REFUSED,
    UNAVAILABLE,
    UPGRADE_REQUIRED,
    ProblemError,
    problem_response,
)
from web.queries import NoQuery, read_query
from web.routes import Route, register
from web.session_api import LINK_PATH, add_login_link
from web.shapes import ProblemDescription
from web.tradingview import PATH as TRADINGVIEW_PATH
from web.use_cases import UseCases

log = structlog.get_logger("web")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
DEFAULT_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-store"}


# What follows is a secret.
SECRET_PATHS = (LINK_PATH, TRADINGVIEW_PATH)

AWAY = {
    DatabaseUnavailableError: "the database",
    WindowUnavailableError: "the admission window",
    EventsUnavailableError: "the event stream",
    # Only intake comes this far: Postgres was asked first.
    BufferUnavailableError: "the database and, in its place, this machine's disk",
    BufferFullError: "the database is away, and this machine's disk, which is full,",
}


def utc_now() -> datetime:
    """The machine's clock, aware UTC."""
    return datetime.now(UTC)


def create_app(system: UseCases, settings: Settings, *, now: Callable[[], datetime] = utc_now) -> Flask:
    """The application over these use cases; `now` is a seam for tests."""
    app = Flask("web", static_folder=None)
    app.config.update(QT_USE_CASES=system, QT_SETTINGS=settings, QT_NOW=now)
    app.url_map.strict_slashes = False
    _believe_proxies(app, settings.trusted_proxies)
    for route in ROUTES:
        register(app, route)
    _describe(app)
    add_dashboard_socket(app, system)
    add_login_link(app)
    add_page(app)
    _answer_errors(app)
    _watch_requests(app)
    return app


def _believe_proxies(app: Flask, hops: int) -> None:
    """Take the visitor's address and scheme from so many proxies; from nobody unless told how many there are.

    The host is never taken from them: a proxy hands `Host` on as it came, or the page is another site to its own API.
    """
    if hops:
        proxied = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0)
        app.wsgi_app = proxied  # type: ignore[method-assign]


def _describe(app: Flask) -> None:
    """The routes that speak of the API itself."""

    @cache
    def document() -> bytes:
        return encode(
            openapi_document((*ROUTES, *own))
        )  # a fifth of a second of work: for whoever asks, not at each start

    def openapi() -> Response:
        read_query(NoQuery)
        return Response(document(), content_type="application/json")

    def live() -> Response:
        g.is_probe = True
        return answer({"live": True})

    def problem_type(name: str) -> Response:
        read_query(NoQuery)
        kind = PROBLEM_TYPES.get(name)
        if kind is None:
            raise ProblemError(NOT_FOUND, "there is no such type of problem")
        return answer({"type": kind.uri, "title": kind.title, "status": kind.status})

    own = (
        Route(
            method="GET",
            path="/api/openapi.json",
            name="openapi",
            summary="This document",
            view=openapi,
            scope=None,
            answer=None,
        ),
        Route(
            method="GET",
            path="/live",
            name="live",
            summary="This process answers; says nothing of the rest of the system, and leaves no line in the log",
            view=live,
            scope=None,
            answer=None,
        ),
        Route(
            method="GET",
            path="/problems/<name>",
            name="problem_type",
            summary="What a type of problem means",
            view=problem_type,
            scope=None,
            answer=ProblemDescription,
            problems=(NOT_FOUND,),
        ),
    )
    for route in own:
        register(app, route)


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(ProblemError)
    def problem(error: ProblemError) -> Response:
        return problem_response(error)

    @app.errorhandler(DatabaseUnavailableError)
    @app.errorhandler(WindowUnavailableError)
    @app.errorhandler(EventsUnavailableError)
    @app.errorhandler(BufferUnavailableError)
    def unavailable(error: Exception) -> Response:
        return try_again(
            f"{AWAY[type(error)]} did not answer; nothing is known to have been done, and the same request may be sent"
            " again",
            error,
        )

    @app.errorhandler(IntakeCrowdedError)
    def crowded(error: IntakeCrowdedError) -> Response:
        return try_again(
            "as many signals wait to be stored as may wait; nothing was stored, and the same request may be sent again",
            error,
        )

    def try_again(detail: str, error: Exception) -> Response:
        g.cause = error
        return problem_response(
            ProblemError(
                UNAVAILABLE,
                detail,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
                members={"reason": type(error).__name__},
            )
        )

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        kinds = {NotFound: NOT_FOUND, MethodNotAllowed: METHOD_NOT_ALLOWED, RequestEntityTooLarge: BODY_TOO_LARGE}
        if isinstance(error, WebsocketMismatch):
            return problem_response(
                ProblemError(UPGRADE_REQUIRED, UPGRADE_REQUIRED.title, headers={"Upgrade": "websocket"})
            )
        kind = kinds.get(type(error), REQUEST_REFUSED)
        response = problem_response(ProblemError(kind, error.description or kind.title), status=error.code)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def surprise(error: Exception) -> Response:
        g.surprise = error
        return problem_response(ProblemError(INTERNAL_ERROR, "the cause is in this system's log"))


def _watch_requests(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        given = {name.lower() for name, _ in response.headers}
        response.headers.extend([each for each in DEFAULT_HEADERS.items() if each[0].lower() not in given])
        if not g.get("is_probe"):
            log_request(response.status_code)
        return response


def _path_to_log(path: str) -> str:
    """Addresses that hold a secret without it, also when it was a wrong one."""
    for prefix in SECRET_PATHS:
        if path.startswith(prefix):
            return f"{prefix}***"
    return path[:200]


def log_request(status: int) -> None:
    """The one line of a request, and its place in the metrics."""
    route = request.url_rule.rule if request.url_rule is not None else "none"
    HTTP_SECONDS.labels(route=route, status=str(status)).observe(time.perf_counter() - g.begun)
    problem: ProblemError | None = g.get("problem")
    fields = {
        "method": request.method,
        "path": _path_to_log(request.path),
        "status": status,
        "milliseconds": round((time.perf_counter() - g.begun) * 1000, 2),
        "principal": g.get("principal"),
        **g.get("log_fields", {}),
    }
    if problem is not None:
        fields |= {"problem": problem.type.name, "detail": problem.detail[:200]}
    if (cause := g.get("cause")) is not None:
        fields["cause"] = repr(cause)[:200]
    if (surprise := g.get("surprise")) is not None:
        log.error("request", **fields, exc_info=surprise)
    elif status >= 500:
        log.warning("request", **fields)
    else:
        log.info("request", **fields)
