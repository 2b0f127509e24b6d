"""The part of the JSON API that controls the system: the emergency stop and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from flask import Response, g
from pydantic import BaseModel, Field, TypeAdapter

from app.domain.policy import RiskMode
from web import shapes
from web.answers import answer, page_answer
from web.limits import CONFIRMATION_CHARACTERS_MAX, POLICY_CHANGES_MAX
from web.problems import (
    INVALID_BODY,
    INVALID_POLICY,
    INVALID_QUERY,
    LOOSENING_NEEDS_CONFIRMATION,
    POLICY_CHANGED_MEANWHILE,
    REFUSED,
    FieldError,
    ProblemError,
    json_pointer,
)
from web.queries import NoQuery, PageQuery, read_query
from web.routes import Route
from web.signal_intake import STRICT
from web.use_cases import PolicyOutcome, Refusal, Scope
from web.values import Reason
from web.view_parts import BODY_PROBLEMS, cursor_errors, read_body, use_cases_of_app

Confirmation = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]+$",
        max_length=CONFIRMATION_CHARACTERS_MAX,
        description="The `confirm` of the 409 that asked for it: it stands for this change of that version",
    ),
]
Version = Annotated[int, Field(ge=1, le=2**63 - 1)]


class TripBody(BaseModel):
    """Stop everything."""

    model_config = STRICT

    reason: Reason
    flatten: bool = Field(default=False, description="Also close every position")


class ReasonBody(BaseModel):
    """Why."""

    model_config = STRICT

    reason: Reason


class PolicyBody(BaseModel):
    """What every change of the policy may say."""

    model_config = STRICT

    reason: Reason
    confirm: Confirmation | None = None
    base_version: Version | None = Field(default=None, description="Refuse unless this version still counts")


class ModeBody(PolicyBody):
    """Choose a risk mode."""

    mode: Annotated[RiskMode, Field(strict=False)]


class ChangesBody(PolicyBody):
    """Change single fields."""

    changes: Annotated[dict[str, Any], Field(min_length=1, max_length=POLICY_CHANGES_MAX)] = Field(
        description="Field names as `GET /api/policy` gives them; decimals as strings",
        examples=[{"confidence_minimum": "0.6", "symbols_denied": ["XRPUSDT"]}],
    )


class RollbackBody(PolicyBody):
    """Go back to an old version."""

    version: Version


# ------------------------------------------------------------------------------------------------ emergency stop


def ess() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().ess())


def trip_ess() -> Response:
    body = read_body(TripBody)
    return answer(use_cases_of_app().trip_ess(actor=g.principal, reason=body.reason, flatten=body.flatten))


def reset_ess() -> Response:
    body = read_body(ReasonBody)
    return _unless_refused(use_cases_of_app().reset_ess(actor=g.principal, reason=body.reason))


def disable_ess() -> Response:
    body = read_body(ReasonBody)
    return _unless_refused(use_cases_of_app().switch_ess(actor=g.principal, reason=body.reason, enabled=False))


def enable_ess() -> Response:
    body = read_body(ReasonBody)
    return _unless_refused(use_cases_of_app().switch_ess(actor=g.principal, reason=body.reason, enabled=True))


def _unless_refused(outcome: Mapping[str, Any] | Refusal) -> Response:
    if not isinstance(outcome, Mapping):
        raise ProblemError(REFUSED, outcome.reason, members={"code": outcome.code})
    return answer(outcome)


# ------------------------------------------------------------------------------------------------ policy


def policy() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().policy())


def policy_versions() -> Response:
    query = read_query(PageQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().policy_versions(after=query.after, limit=query.limit))


def set_policy_mode() -> Response:
    body = read_body(ModeBody)
    outcome = use_cases_of_app().set_policy_mode(mode=body.mode, **_wish(body))
    return _policy_answer(outcome, pointer=lambda _: ["mode"])


def change_policy() -> Response:
    body = read_body(ChangesBody)
    outcome = use_cases_of_app().change_policy(changes=body.changes, **_wish(body))
    return _policy_answer(outcome, pointer=lambda name: ["changes", name])


def roll_back_policy() -> Response:
    body = read_body(RollbackBody)
    outcome = use_cases_of_app().roll_back_policy(version=body.version, **_wish(body))
    return _policy_answer(outcome, pointer=lambda _: ["version"])


def _wish(body: PolicyBody) -> dict[str, Any]:
    return {
        "actor": g.principal,
        "reason": body.reason,
        "confirmation": body.confirm,
        "base_version": body.base_version,
    }


def _policy_answer(outcome: PolicyOutcome, *, pointer: Any) -> Response:
    if outcome.item is not None:
        return answer(outcome.item)
    if outcome.faults:
        errors = [
            FieldError(each["code"], f"{each['field']}: {each['detail']}", pointer=json_pointer(pointer(each["field"])))
            for each in outcome.faults
        ]
        raise ProblemError(INVALID_POLICY, errors[0].detail, errors=errors)
    if outcome.confirmation is not None:
        names = ", ".join(each["field"] for each in outcome.loosened)
        raise ProblemError(
            LOOSENING_NEEDS_CONFIRMATION,
            f"more would be permitted: {names}; send it again with this `confirm` if that is meant",
            members={
                "loosened": list(outcome.loosened),
                "confirm": outcome.confirmation,
                "base_version": outcome.base_version,
            },
        )
    refusal = outcome.refusal
    assert refusal is not None
    kind = POLICY_CHANGED_MEANWHILE if refusal.code == "POLICY_CHANGED_MEANWHILE" else REFUSED
    raise ProblemError(kind, refusal.reason, members={"code": refusal.code})


# ------------------------------------------------------------------------------------------------ routes

_POLICY_PROBLEMS = (
    *BODY_PROBLEMS,
    INVALID_BODY,
    INVALID_POLICY,
    LOOSENING_NEEDS_CONFIRMATION,
    POLICY_CHANGED_MEANWHILE,
    REFUSED,
)
_POLICY_DESCRIPTION = (
    "What tightens counts from the answer on, for every decision. What loosens any field is answered with 409 and a "
    "`confirm` that has to be sent back with the same change."
)


def _reading(path: str, view: Any, query: Any, shape: type[BaseModel], summary: str) -> Route:
    return Route(
        method="GET",
        path=path,
        name=view.__name__,
        summary=summary,
        view=view,
        scope=Scope.READ,
        query=query,
        answer=shape,
        problems=(INVALID_QUERY,),
    )


def _operating(
    method: str,
    path: str,
    view: Any,
    body: type[BaseModel],
    summary: str,
    *,
    problems: Sequence[Any] = (*BODY_PROBLEMS, INVALID_BODY, REFUSED),
    shape: type[BaseModel] = shapes.EmergencyStop,
    description: str = "",
) -> Route:
    return Route(
        method=method,
        path=path,
        name=view.__name__,
        summary=summary,
        description=description,
        view=view,
        scope=Scope.OPERATE,
        body=TypeAdapter[Any](body),
        answer=shape,
        problems=tuple(problems),
    )


def _policy(method: str, path: str, view: Any, body: type[BaseModel], summary: str) -> Route:
    return _operating(
        method,
        path,
        view,
        body,
        summary,
        problems=_POLICY_PROBLEMS,
        shape=shapes.PolicyVersionItem,
        description=_POLICY_DESCRIPTION,
    )


ROUTES: tuple[Route, ...] = (
    _reading("/api/ess", ess, NoQuery, shapes.EmergencyStop, "The emergency stop"),
    _operating(
        "POST",
        "/api/ess/trip",
        trip_ess,
        TripBody,
        "Stop: no new entry from now on",
        problems=(*BODY_PROBLEMS, INVALID_BODY),
    ),
    _operating("POST", "/api/ess/reset", reset_ess, ReasonBody, "Start the cooldown after a trip"),
    _operating(
        "POST",
        "/api/ess/disable",
        disable_ess,
        ReasonBody,
        "Let no automatic trigger act; the operator's own trip still does",
    ),
    _operating("POST", "/api/ess/enable", enable_ess, ReasonBody, "Arm the automatic triggers again"),
    _reading("/api/policy", policy, NoQuery, shapes.Policy, "The policy in force"),
    _reading(
        "/api/policy/versions",
        policy_versions,
        PageQuery,
        shapes.PolicyVersionPage,
        "Policies, newest first, each with what it changed",
    ),
    _policy("POST", "/api/policy/mode", set_policy_mode, ModeBody, "Choose a risk mode"),
    _policy("PUT", "/api/policy", change_policy, ChangesBody, "Change single fields of the policy"),
    _policy("POST", "/api/policy/rollback", roll_back_policy, RollbackBody, "Go back to an old version, as a new one"),
)
