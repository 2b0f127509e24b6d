"""Every error the API can answer with: RFC 9457 problem details with stable, relative `type` URIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Response, g, request

from web.limits import ERRORS_PER_PROBLEM_MAX, POINTER_CHARACTERS_MAX

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem; `name` is the last part of its URI and never changes its meaning."""

    name: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """Relative to the server: it can be fetched and explains itself."""
        return f"/problems/{self.name}"


MALFORMED_JSON = ProblemType("malformed-json", 400, "The body is not JSON")
INVALID_QUERY = ProblemType("invalid-query", 400, "A query parameter is unknown or has an unusable value")
BAD_REQUEST = ProblemType("bad-request", 400, "The request cannot be understood")
UNAUTHENTICATED = ProblemType("unauthenticated", 401, "A valid token or session is needed")
INVALID_CREDENTIALS = ProblemType("invalid-credentials", 401, "The name or the password is wrong")
FORBIDDEN = ProblemType("forbidden", 403, "The token or session does not have the scope this needs")
FOREIGN_ORIGIN = ProblemType("foreign-origin", 403, "The request comes from another site or by another name")
CSRF_TOKEN_MISSING = ProblemType("csrf-token-missing", 403, "A change by cookie needs the session's CSRF token")
NOT_FOUND = ProblemType("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "This method is not allowed here")
BODY_TIMEOUT = ProblemType("body-timeout", 408, "The body stopped arriving")
REFUSED = ProblemType("refused", 409, "The system declined")
LOOSENING_NEEDS_CONFIRMATION = ProblemType(
    "loosening-needs-confirmation", 409, "The change permits more than before and has to be confirmed"
)
POLICY_CHANGED_MEANWHILE = ProblemType("policy-changed-meanwhile", 409, "Another version of the policy counts now")
LOGIN_LINK_SPENT = ProblemType("login-link-spent", 410, "The login link was used, or is past its time")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = ProblemType("unsupported-media-type", 415, "The body must be application/json")
INVALID_BODY = ProblemType("invalid-body", 422, "The body has a field that cannot be used")
INVALID_POLICY = ProblemType("invalid-policy", 422, "The policy would not be one that can be taken on")
INVALID_SIGNAL = ProblemType("invalid-signal", 422, "A signal has a field that cannot be used")
NO_SIGNALS = ProblemType("no-signals", 422, "The array holds no signal")
TOO_MANY_SIGNALS = ProblemType("too-many-signals", 422, "The array holds too many signals")
UPGRADE_REQUIRED = ProblemType("upgrade-required", 426, "This address speaks WebSocket only")
TOO_MANY_LOGINS = ProblemType("too-many-logins", 429, "Too many tries to log in")
REQUEST_REFUSED = ProblemType("request-refused", 400, "The request was refused")
INTERNAL_ERROR = ProblemType("internal-error", 500, "Something went wrong here")
UNAVAILABLE = ProblemType("unavailable", 503, "A part of the system that this needs is away")
TOO_MANY_CLIENTS = ProblemType("too-many-clients", 503, "As many dashboards as can be served are open")

PROBLEM_TYPES: Mapping[str, ProblemType] = {
    each.name: each for each in tuple(globals().values()) if isinstance(each, ProblemType)
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One unusable value: `pointer` (RFC 6901) into the body, or the name of a query `parameter`."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_json(self) -> dict[str, str]:
        """The members that are set."""
        members = {"pointer": self.pointer, "parameter": self.parameter, "code": self.code, "detail": self.detail}
        return {name: value for name, value in members.items() if value is not None}


def json_pointer(parts: Sequence[str | int]) -> str:
    """An RFC 6901 pointer; cut to a bound, for its parts may be the caller's own words."""
    text = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return text[:POINTER_CHARACTERS_MAX]


@dataclass(slots=True)
class ProblemError(Exception):
    """Raised by views for an answer that is the caller's business; carries everything the document says."""

    type: ProblemType
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)


def problem_response(problem: ProblemError, *, status: int | None = None) -> Response:
    """The problem as a response; remembers it for the request's log line."""
    document: dict[str, Any] = {
        "type": problem.type.uri,
        "title": problem.type.title,
        "status": status or problem.type.status,
        "detail": problem.detail,
        "instance": request.path[:POINTER_CHARACTERS_MAX],
        **problem.members,
    }
    if problem.errors:
        document["errors"] = [error.as_json() for error in problem.errors[:ERRORS_PER_PROBLEM_MAX]]
    g.problem = problem
    response = Response(orjson.dumps(document), status=document["status"], content_type=CONTENT_TYPE)
    response.headers.update(problem.headers)
    return response
