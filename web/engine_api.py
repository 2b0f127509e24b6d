"""The routes of the AI engine: what it says and why, how its models do, and a rollback."""

from __future__ import annotations

from typing import Annotated

from flask import Response, g
from pydantic import BaseModel, Field, TypeAdapter

from web import engine_shapes
from web.answers import answer
from web.problems import INVALID_BODY, INVALID_QUERY, NOT_FOUND, ProblemError
from web.queries import NoQuery, read_query
from web.routes import Route
from web.signal_intake import STRICT
from web.use_cases import Scope
from web.values import Reason
from web.view_parts import BODY_PROBLEMS, read_body, use_cases_of_app


class ModelRollbackBody(BaseModel):
    """Let a version serve in place of its family's champion."""

    model_config = STRICT

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$", description="As the registry names it")]
    reason: Reason


def engine() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().engine())


def roll_back_model() -> Response:
    body = read_body(ModelRollbackBody)
    version = use_cases_of_app().roll_back_model(version=body.version, actor=g.principal, reason=body.reason)
    if version is None:
        raise ProblemError(NOT_FOUND, "there is no such version of a model")
    return answer(version)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/engine",
        name="engine",
        summary="The AI engine: state, models, verdicts by symbol, registry, skill, calibration, outcomes",
        description=(
            "As of the engine's last pass, which is made every minute. One that stopped is STALE, one that never ran "
            "UNAVAILABLE, with the reason; a verdict that is old has words and no numbers."
        ),
        view=engine,
        scope=Scope.READ,
        answer=engine_shapes.EngineOverview,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="POST",
        path="/api/engine/rollback",
        name="roll_back_model",
        summary="Let an older or a challenging version serve in place of its family's champion",
        view=roll_back_model,
        scope=Scope.OPERATE,
        body=TypeAdapter(ModelRollbackBody),
        answer=engine_shapes.ModelVersionItem,
        problems=(*BODY_PROBLEMS, INVALID_BODY, NOT_FOUND),
    ),
)
