"""The routes of the throttle: strategies that were disabled for repeated executions, and letting one go on."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, g
from pydantic import BaseModel, TypeAdapter

from web import shapes
from web.answers import answer
from web.problems import INVALID_BODY, INVALID_QUERY, NOT_FOUND, REFUSED, ProblemError
from web.queries import NoQuery, read_query
from web.routes import Route
from web.signal_intake import STRICT
from web.use_cases import Scope
from web.values import Name, Reason
from web.view_parts import BODY_PROBLEMS, read_body, use_cases_of_app


class EnableStrategyBody(BaseModel):
    """Let a disabled strategy go on."""

    model_config = STRICT

    strategy: Name
    reason: Reason


def throttles() -> Response:
    read_query(NoQuery)
    return answer({"items": use_cases_of_app().throttles(), "next": None})


def enable_strategy() -> Response:
    body = read_body(EnableStrategyBody)
    outcome = use_cases_of_app().enable_strategy(strategy=body.strategy, actor=g.principal, reason=body.reason)
    if outcome is None:
        raise ProblemError(NOT_FOUND, "no strategy of this name was ever disabled")
    if not isinstance(outcome, Mapping):
        raise ProblemError(REFUSED, outcome.reason, members={"code": outcome.code})
    return answer(outcome)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/throttles",
        name="throttles",
        summary="Strategies that were disabled for repeated executions, by name",
        description=(
            "The policy's `strategy_executions_max` entries of one strategy in one symbol within "
            "`strategy_executions_window_seconds` pass; one more disables the strategy until a person enables it."
        ),
        view=throttles,
        scope=Scope.READ,
        answer=shapes.ThrottlePage,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="POST",
        path="/api/throttles/enable",
        name="enable_strategy",
        summary="Let a strategy go on that was disabled; its executions count anew",
        view=enable_strategy,
        scope=Scope.OPERATE,
        body=TypeAdapter(EnableStrategyBody),
        answer=shapes.ThrottleItem,
        problems=(*BODY_PROBLEMS, INVALID_BODY, NOT_FOUND, REFUSED),
    ),
)
