"""The part of the JSON API that tries a policy on what was decided, and changes nothing."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, Field, TypeAdapter

from app.domain.policy import RiskMode
from web import shapes
from web.answers import answer
from web.control_api import Version
from web.limits import POLICY_CHANGES_MAX, WHAT_IF_DECISIONS_DEFAULT, WHAT_IF_DECISIONS_MAX
from web.problems import INVALID_BODY, INVALID_POLICY, REFUSED, FieldError, ProblemError, json_pointer
from web.routes import Route
from web.signal_intake import STRICT
from web.use_cases import Scope
from web.values import Instant
from web.view_parts import BODY_PROBLEMS, read_body, use_cases_of_app


class WhatIfBody(BaseModel):
    """Which policy, on which decisions. Nothing given: the policy that counts, on the last day."""

    model_config = STRICT

    mode: Annotated[RiskMode, Field(strict=False)] | None = Field(
        default=None, description="The numbers of a risk mode"
    )
    version: Version | None = Field(default=None, description="Start from this version instead of the one that counts")
    changes: Annotated[dict[str, Any], Field(max_length=POLICY_CHANGES_MAX)] = Field(
        default_factory=dict,
        description="Field names as `GET /api/policy` gives them; decimals as strings; may be a whole policy",
        examples=[{"confidence_minimum": "0.6"}],
    )
    since: Instant | None = Field(default=None, description="Default: a day before `until`")
    until: Instant | None = Field(default=None, description="Default: now")
    limit: Annotated[int, Field(ge=1, le=WHAT_IF_DECISIONS_MAX)] = Field(
        default=WHAT_IF_DECISIONS_DEFAULT, description="Of more decisions the newest are looked at"
    )


def what_if() -> Response:
    body = read_body(WhatIfBody)
    outcome = use_cases_of_app().what_if(
        mode=body.mode,
        version=body.version,
        changes=body.changes,
        since=body.since,
        until=body.until,
        decisions_max=body.limit,
    )
    if outcome.item is not None:
        return answer(outcome.item)
    if outcome.refusal is not None:
        raise ProblemError(REFUSED, outcome.refusal.reason, members={"code": outcome.refusal.code})
    errors = [
        FieldError(each["code"], f"{each['field']}: {each['detail']}", pointer=json_pointer(["changes", each["field"]]))
        for each in outcome.faults
    ]
    raise ProblemError(INVALID_POLICY, errors[0].detail, errors=errors)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/policy/whatif",
        name=what_if.__name__,
        summary="What another policy would have decided",
        description=(
            "Takes recorded decisions again, each by itself with the facts recorded with it, and changes nothing. It "
            "computes for as long as some hundred decisions take, so it is for operators and one at a time."
        ),
        view=what_if,
        scope=Scope.OPERATE,
        body=TypeAdapter[Any](WhatIfBody),
        answer=shapes.WhatIf,
        problems=(*BODY_PROBLEMS, INVALID_BODY, INVALID_POLICY, REFUSED),
    ),
)
