"""What a route of the API is: one record from which both the URL map and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response
from pydantic import BaseModel, TypeAdapter

from web.access import require
from web.problems import (
    CSRF_TOKEN_MISSING,
    FORBIDDEN,
    FOREIGN_ORIGIN,
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    ProblemType,
)
from web.queries import NoQuery, Query
from web.use_cases import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path; `view` takes the path's parameters and answers a `Response`."""

    method: str
    path: str  # in Flask's notation, e.g. /api/signals/<signal_id>
    name: str
    summary: str
    view: Callable[..., Response]
    scope: Scope | None  # None: open to everybody, or to everybody who is known
    answer: type[BaseModel] | None  # None: any JSON object
    needs_login: bool = False  # a token or a session, whatever its scopes; what has a scope needs it anyway
    status: int = 200
    query: type[Query] = NoQuery
    body: TypeAdapter[Any] | None = None
    problems: tuple[ProblemType, ...] = ()
    description: str = ""
    is_conditional: bool = False  # carries an ETag, and answers 304 to If-None-Match

    @property
    def is_guarded(self) -> bool:
        """Whether the caller has to be known."""
        return self.needs_login or self.scope is not None

    @property
    def all_problems(self) -> tuple[ProblemType, ...]:
        """Its own problems and those that every route can have."""
        access: tuple[ProblemType, ...] = ()
        if self.is_guarded:
            access = (UNAUTHENTICATED, FORBIDDEN, FOREIGN_ORIGIN)
            access += () if self.method == "GET" else (CSRF_TOKEN_MISSING,)
        return (*self.problems, *access, METHOD_NOT_ALLOWED, INTERNAL_ERROR, UNAVAILABLE)


def register(app: Flask, route: Route) -> None:
    """Add the route to the URL map, behind its scope."""

    def endpoint(**parameters: str) -> Response:
        if route.is_guarded:
            require(route.scope)
        return route.view(**parameters)

    app.add_url_rule(route.path, endpoint=route.name, view_func=endpoint, methods=[route.method])
