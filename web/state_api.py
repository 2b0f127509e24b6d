"""The part of the JSON API that tells of the ensemble, the system, the audit, and single orders."""

from __future__ import annotations

import uuid
from typing import Annotated

from flask import Response
from pydantic import Field

from web import shapes
from web.answers import answer, conditional_answer, page_answer
from web.limits import NAME_CHARACTERS_MAX
from web.problems import INVALID_QUERY, NOT_FOUND, ProblemError
from web.queries import NoQuery, PageQuery, Query, read_query
from web.routes import Route
from web.use_cases import Scope
from web.values import Symbol
from web.view_parts import cursor_errors, use_cases_of_app


class EnsembleQuery(Query):
    """Whose votes."""

    symbol: Symbol | None = Field(default=None, description="Only votes about this symbol")


class AuditQuery(PageQuery):
    """A page of the audit."""

    actor: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=NAME_CHARACTERS_MAX)] | None = Field(
        default=None, description="Only what this user or token did"
    )


def ensemble() -> Response:
    query = read_query(EnsembleQuery)
    return conditional_answer(use_cases_of_app().ensemble(symbol=query.symbol))


def system() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().system())


def audit() -> Response:
    query = read_query(AuditQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().audit(actor=query.actor, after=query.after, limit=query.limit))


def explain_order(order_id: str) -> Response:
    read_query(NoQuery)
    try:
        explanation = use_cases_of_app().explain_order(uuid.UUID(order_id))
    except ValueError:
        explanation = None
    if explanation is None:
        raise ProblemError(NOT_FOUND, "there is no order with this id")
    return answer(explanation)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/ensemble",
        name="ensemble",
        summary="Each model's last vote, how far it can be believed, and whether the live ones agree",
        view=ensemble,
        scope=Scope.READ,
        query=EnsembleQuery,
        answer=shapes.Ensemble,
        problems=(INVALID_QUERY,),
        is_conditional=True,
    ),
    Route(
        method="GET",
        path="/api/system",
        name="system",
        summary="What runs and what waits; what is away says so in its own block",
        view=system,
        scope=Scope.READ,
        answer=shapes.SystemState,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="GET",
        path="/api/audit",
        name="audit",
        summary="Who did what, and why; newest first",
        view=audit,
        scope=Scope.READ,
        query=AuditQuery,
        answer=shapes.AuditPage,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="GET",
        path="/api/orders/<order_id>",
        name="explain_order",
        summary="An order with its attempts and fills",
        view=explain_order,
        scope=Scope.READ,
        answer=shapes.OrderExplanation,
        problems=(INVALID_QUERY, NOT_FOUND),
    ),
)
