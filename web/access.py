"""Who may ask: bearer tokens for programs, sessions for browsers, and what keeps other sites out of those."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from flask import Response, current_app, g, request

from app.domain.access import LoggedIn
from app.settings import Settings
from web.limits import TOKEN_CHARACTERS_MAX
from web.problems import CSRF_TOKEN_MISSING, FORBIDDEN, FOREIGN_ORIGIN, UNAUTHENTICATED, ProblemError
from web.use_cases import Principal, Scope, UseCases

CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A person whose browser is logged in."""

    name: str
    role: str
    scopes: frozenset[str]
    expires_at: datetime
    csrf_token: str = field(repr=False)


def require(scope: Scope | None) -> Principal:
    """The caller, if they have the scope (None: whatever scopes they have); else `ProblemError` 401 or 403.

    A browser's cookie comes along with whatever other sites make it send, sites on other ports of this machine
    included. So a change by cookie needs the session's CSRF token too, which only our own pages can read.
    """
    principal = _principal()
    g.principal = principal.name
    if isinstance(principal, Visitor):
        require_same_origin()
        if request.method not in _SAFE_METHODS:
            _require_csrf_token(principal)
    held = principal.scopes
    if scope is None or scope.value in held or (scope is Scope.READ and Scope.OPERATE.value in held):
        return principal
    raise ProblemError(
        FORBIDDEN,
        f"this needs the scope {scope.value}",
        headers={
            "WWW-Authenticate": f'Bearer realm="quantum-trader", error="insufficient_scope", scope="{scope.value}"'
        },
    )


def require_same_origin() -> None:
    """Refuse a browser that was sent here by another site. Programs send neither header."""
    origin = request.headers.get("Origin")
    if origin is not None:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or parts.netloc.lower() != request.host.lower():
            raise ProblemError(FOREIGN_ORIGIN, "the Origin header names another site")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ProblemError(FOREIGN_ORIGIN, "another site sent the browser here")


def csrf_token(secret: str) -> str:
    """What a page of ours proves itself with. It follows from the session's secret and does not lead back to it."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def visitor_of(secret: str) -> Visitor | None:
    """Whose browser carries this secret in its cookie."""
    use_cases: UseCases = current_app.config["QT_USE_CASES"]
    session = use_cases.session(secret)
    if session is None:
        return None
    return Visitor(
        name=session.name,
        role=session.role.value,
        scopes=session.role.scopes,
        expires_at=session.expires_at,
        csrf_token=csrf_token(secret),
    )


def session_secret() -> str | None:
    """What the browser's cookie holds, if it can be a secret of ours at all."""
    value = request.cookies.get(cookie_name())
    return value if value and len(value) <= TOKEN_CHARACTERS_MAX and value.isascii() else None


def cookie_name() -> str:
    """Cookies ignore ports: the port is part of the name, so that two systems do not log each other out."""
    settings: Settings = current_app.config["QT_SETTINGS"]
    return f"qt_session_{settings.web_port}"


def hand_cookie(response: Response, logged_in: LoggedIn) -> None:
    """Out of reach for scripts and, where browsers keep to it, for other sites."""
    response.set_cookie(
        cookie_name(),
        logged_in.secret,
        expires=logged_in.session.expires_at,
        path="/",
        httponly=True,
        secure=request.is_secure,
        samesite="Strict",
    )


def take_cookie_away(response: Response) -> None:
    """The browser forgets; the session itself is ended elsewhere."""
    response.delete_cookie(cookie_name(), path="/", httponly=True, secure=request.is_secure, samesite="Strict")


def _principal() -> Principal:
    header = request.headers.get("Authorization")
    if header is None:
        return _visitor()
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise _unauthenticated("Authorization must be Bearer TOKEN", error="invalid_request")
    use_cases: UseCases = current_app.config["QT_USE_CASES"]
    principal = use_cases.authenticate(token)
    if principal is None:
        raise _unauthenticated("the token is not known, was revoked or has expired", error="invalid_token")
    return principal


def _visitor() -> Visitor:
    secret = session_secret()
    if secret is None:
        raise _unauthenticated("log in, or send Authorization: Bearer TOKEN", error=None)
    visitor = visitor_of(secret)
    if visitor is None:
        raise _unauthenticated("the session has ended: log in again", error=None)
    return visitor


def _require_csrf_token(visitor: Visitor) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), visitor.csrf_token.encode()):
        raise ProblemError(
            CSRF_TOKEN_MISSING, f"a change by cookie needs the header {CSRF_HEADER} with the session's csrf_token"
        )


def _unauthenticated(detail: str, *, error: str | None) -> ProblemError:
    challenge = 'Bearer realm="quantum-trader"' + (f', error="{error}"' if error else "")
    return ProblemError(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
