"""The part of the JSON API that logs in and out, and tells who is logged in."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Flask, Response, g, redirect, request
from pydantic import BaseModel, Field, TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from app.domain.access import LoggedIn, LoginRefused
from web import shapes
from web.access import (
    Visitor,
    csrf_token,
    hand_cookie,
    require,
    require_same_origin,
    session_secret,
    take_cookie_away,
)
from web.answers import answer, rfc3339
from web.limits import NAME_CHARACTERS_MAX, PASSWORD_CHARACTERS_MAX, TOKEN_CHARACTERS_MAX
from web.problems import (
    CSRF_TOKEN_MISSING,
    FOREIGN_ORIGIN,
    INVALID_BODY,
    INVALID_CREDENTIALS,
    INVALID_QUERY,
    LOGIN_LINK_SPENT,
    TOO_MANY_LOGINS,
    ProblemError,
)
from web.queries import NoQuery, read_query
from web.routes import Route
from web.signal_intake import STRICT
from web.view_parts import BODY_PROBLEMS, read_body, use_cases_of_app

LINK_PATH = "/login/"
SPENT_PAGE = "/#login-link-spent"


class LoginBody(BaseModel):
    """Who says so, and the proof."""

    model_config = STRICT

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX)]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX, repr=False)]


def log_in() -> Response:
    # Before there is a session a foreign form could log its victim in as somebody else.
    require_same_origin()
    body = read_body(LoginBody)
    g.principal = None
    outcome = use_cases_of_app().log_in(
        name=_storable(body.name), password=body.password, address=_address(), previous=session_secret()
    )
    if isinstance(outcome, LoginRefused):
        raise _refusal(outcome)
    g.principal = outcome.session.name
    response = answer(_told(outcome))
    hand_cookie(response, outcome)
    return response


def session() -> Response:
    read_query(NoQuery)
    principal = require(None)
    person = principal if isinstance(principal, Visitor) else None
    return answer(
        {
            "name": principal.name,
            "scopes": sorted(principal.scopes),
            "via": "token" if person is None else "session",
            "role": None if person is None else person.role,
            "expires_at": None if person is None else rfc3339(person.expires_at),
            "csrf_token": None if person is None else person.csrf_token,
        }
    )


def log_out() -> Response:
    principal = require(None)
    secret = session_secret()
    if isinstance(principal, Visitor) and secret is not None:
        use_cases_of_app().log_out(secret)
    response = answer({"logged_out": isinstance(principal, Visitor)})
    take_cookie_away(response)
    return response


def add_login_link(app: Flask) -> None:
    """`GET /login/SECRET`: what `./qt up` and `./qt login-link` print."""

    @app.route(f"{LINK_PATH}<secret>", methods=["GET"], provide_automatic_options=False)
    def login_link(secret: str) -> AnyResponse:
        # A preview of the link must not be the one time that it works.
        if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
            return Response(status=204)
        if len(secret) > TOKEN_CHARACTERS_MAX or not secret.isascii():
            return _spent()
        outcome = use_cases_of_app().log_in_by_link(secret, address=_address(), previous=session_secret())
        if isinstance(outcome, LoginRefused):
            return _spent()
        g.principal = outcome.session.name
        response = redirect("/", code=303, Response=Response)
        assert isinstance(response, Response)
        hand_cookie(response, outcome)
        return response


def _spent() -> AnyResponse:
    """A person is sent to where they can log in, a program is told."""
    if request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html":
        return redirect(SPENT_PAGE, code=303)
    raise ProblemError(LOGIN_LINK_SPENT, "./qt login-link prints a new one")


def _told(outcome: LoggedIn) -> dict[str, Any]:
    session = outcome.session
    return {
        "name": session.name,
        "role": session.role.value,
        "scopes": sorted(session.role.scopes),
        "via": "session",
        "expires_at": rfc3339(session.expires_at),
        "csrf_token": csrf_token(outcome.secret),
    }


def _refusal(outcome: LoginRefused) -> ProblemError:
    if outcome.retry_after_seconds is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="quantum-trader"'}  # every 401 has to name a way in
        return ProblemError(INVALID_CREDENTIALS, "the name or the password is wrong", headers=challenge)
    return ProblemError(
        TOO_MANY_LOGINS,
        f"try again in {outcome.retry_after_seconds} s",
        headers={"Retry-After": str(outcome.retry_after_seconds)},
    )


def _address() -> str:
    return request.remote_addr or "unknown"


def _storable(name: str) -> str:
    """A name that cannot be one is looked up as one that nobody has."""
    return name if name.isprintable() else "?"


_CREDENTIALS = TypeAdapter[Any](LoginBody)

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/session",
        name="log_in",
        summary="Log in with a name and a password",
        description=(
            "Sets the session's cookie and ends the session that the browser had. Changes by cookie carry the "
            "`csrf_token` in the header `X-CSRF-Token`."
        ),
        view=log_in,
        scope=None,
        body=_CREDENTIALS,
        answer=shapes.SessionItem,
        problems=(*BODY_PROBLEMS, INVALID_BODY, INVALID_CREDENTIALS, FOREIGN_ORIGIN, TOO_MANY_LOGINS),
    ),
    Route(
        method="GET",
        path="/api/session",
        name="session",
        summary="Who is asking, and what they may do",
        view=session,
        scope=None,
        needs_login=True,
        answer=shapes.SessionItem,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="DELETE",
        path="/api/session",
        name="log_out",
        summary="Log out; a token stays what it is",
        view=log_out,
        scope=None,
        needs_login=True,
        answer=shapes.LoggedOut,
        problems=(CSRF_TOKEN_MISSING,),
    ),
)
