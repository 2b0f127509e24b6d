"""Who may ask: bearer tokens for programs, a read-only session for the page on this machine, and origin checks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request, session

from web.limits import SESSION_SECONDS_MAX, TOKEN_CHARACTERS_MAX
from web.problems import FORBIDDEN, FOREIGN_ORIGIN, UNAUTHENTICATED, ProblemError
from web.session_key import session_key
from web.use_cases import Principal, Scope, UseCases

SESSION_READS = "reads"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# A proxy on this machine makes every visitor look local; those that say so are believed.
_FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


@dataclass(frozen=True, slots=True)
class DashboardSession:
    """The page on this machine: reads, and nothing else."""

    name: str = "dashboard"
    scopes: frozenset[str] = frozenset({Scope.READ.value})


def configure_sessions(app: Flask) -> None:
    """Signed cookies, out of reach for scripts and for other sites. The port is in the name: cookies ignore ports."""
    settings = app.config["QT_SETTINGS"]
    app.config.update(
        SECRET_KEY=session_key(settings.state_dir),
        SESSION_COOKIE_NAME=f"qt_dashboard_{settings.web_port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=SESSION_SECONDS_MAX),
    )


def is_on_this_machine() -> bool:
    """Whether both ends are loopback and the browser means this machine by name (a rebound DNS name does not)."""
    settings = current_app.config["QT_SETTINGS"]
    return (
        _is_loopback(settings.bind_host)
        and _is_loopback(request.remote_addr or "")
        and _host_name(request.host) in _LOOPBACK_NAMES
        and not any(header in request.headers for header in _FORWARDING_HEADERS)
    )


def grant_session() -> bool:
    """Let this browser read if it runs on this machine; else it gets the page and nothing to fill it with."""
    if not is_on_this_machine():
        return False
    session.permanent = True
    session[SESSION_READS] = True
    return True


def require(scope: Scope) -> Principal:
    """The caller, if they have the scope; else `ProblemError` 401 or 403."""
    principal = _principal()
    g.principal = principal.name
    held = principal.scopes
    if scope.value in held or (scope is Scope.READ and Scope.OPERATE.value in held):
        return principal
    raise ProblemError(
        FORBIDDEN,
        f"this needs a token with the scope {scope.value}",
        headers={
            "WWW-Authenticate": f'Bearer realm="quantum-trader", error="insufficient_scope", scope="{scope.value}"'
        },
    )


def require_same_origin() -> None:
    """Refuse a browser that was sent here by another site. Programs send no Origin."""
    origin = request.headers.get("Origin")
    if origin is None:
        return
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != request.host.lower():
        raise ProblemError(FOREIGN_ORIGIN, "the Origin header names another site")


def _principal() -> Principal:
    header = request.headers.get("Authorization")
    if header is None:
        if session.get(SESSION_READS) is True and is_on_this_machine():
            return DashboardSession()
        raise _unauthenticated("no Authorization: Bearer TOKEN was sent", error=None)
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise _unauthenticated("Authorization must be Bearer TOKEN", error="invalid_request")
    use_cases: UseCases = current_app.config["QT_USE_CASES"]
    principal = use_cases.authenticate(token)
    if principal is None:
        raise _unauthenticated("the token is not known, was revoked or has expired", error="invalid_token")
    return principal


def _unauthenticated(detail: str, *, error: str | None) -> ProblemError:
    challenge = 'Bearer realm="quantum-trader"' + (f', error="{error}"' if error else "")
    return ProblemError(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
