"""The route of the alerts: what is wrong, and what was."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from web import shapes
from web.answers import page_answer
from web.problems import INVALID_QUERY
from web.queries import PageQuery, read_query
from web.routes import Route
from web.use_cases import Scope
from web.view_parts import cursor_errors, use_cases_of_app


class AlertQuery(PageQuery):
    """A page of alerts."""

    open: bool = Field(default=False, description="Only those that are not cleared")


def list_alerts() -> Response:
    query = read_query(AlertQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().list_alerts(only_open=query.open, after=query.after, limit=query.limit))


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/alerts",
        name="list_alerts",
        summary="Alerts, newest first",
        description=(
            "What health raised, with its cause, and whether it is cleared. Changes are told live as `health_alert`. "
            "While Postgres is away, the health service keeps alerts on its disk and brings them here afterwards."
        ),
        view=list_alerts,
        scope=Scope.READ,
        query=AlertQuery,
        answer=shapes.AlertPage,
        problems=(INVALID_QUERY,),
    ),
)
