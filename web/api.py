"""The JSON API: its routes, each a door to one use case."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, current_app, g
from pydantic import Field, TypeAdapter

from app.adapters.metrics.instruments import SIGNALS_ANSWERED
from app.domain.signals import IntakeVerdict
from app.settings import Settings
from web import (
    alerts_api,
    control_api,
    engine_api,
    session_api,
    shapes,
    state_api,
    throttle_api,
    tradingview,
    what_if_api,
)
from web.answers import answer, conditional_answer, page_answer
from web.json_body import read_json
from web.limits import SIGNALS_PER_REQUEST_MAX
from web.problems import (
    INVALID_QUERY,
    INVALID_SIGNAL,
    NO_SIGNALS,
    NOT_FOUND,
    TOO_MANY_SIGNALS,
    ProblemError,
)
from web.queries import EquityQuery, NoQuery, PageQuery, SignalQuery, read_query
from web.routes import Route
from web.signal_intake import Intake, SignalBody, read_signals
from web.use_cases import Admission, Scope
from web.view_parts import BODY_PROBLEMS, cursor_errors, use_cases_of_app

# ------------------------------------------------------------------------------------------------ signals


def post_signals() -> Response:
    use_cases = use_cases_of_app()
    settings: Settings = current_app.config["QT_SETTINGS"]
    body = read_json()
    intake = Intake(
        now=current_app.config["QT_NOW"](),
        producer=g.principal,
        known_symbols=use_cases.known_symbols(),
        ttl_seconds=settings.signal_ttl_seconds,
        ttl_seconds_max=settings.signal_ttl_seconds_max,
    )
    signals = read_signals(body, intake)
    # The first of two equal ids in one array counts, as if they had come one after the other.
    first_of = {signal.signal_id: signal for signal in reversed(signals)}
    admitted = {
        admission.signal_id: admission
        for admission in use_cases.admit_signals([each for each in signals if first_of[each.signal_id] is each])
    }
    results: list[dict[str, object]] = [
        _result(admitted[signal.signal_id])
        if first_of[signal.signal_id] is signal
        else {"signal_id": signal.signal_id, "verdict": IntakeVerdict.DUPLICATE}
        for signal in signals
    ]
    counts = _counts(results)
    for verdict, count in counts.items():
        SIGNALS_ANSWERED.labels(verdict=verdict.upper()).inc(count)
    g.log_fields = {
        "signals": len(signals),
        **counts,
        "correlation_ids": [signal.correlation_id for signal in signals],
    }
    return answer({"results": results}, status=202)


def _result(admission: Admission) -> dict[str, object]:
    result: dict[str, object] = {"signal_id": admission.signal_id, "verdict": admission.verdict}
    if admission.evicted is not None:
        result["evicted"] = admission.evicted
    return result


def _counts(results: list[dict[str, object]]) -> dict[str, int]:
    verdicts = [result["verdict"] for result in results]
    return {str(verdict).lower(): verdicts.count(verdict) for verdict in IntakeVerdict if verdict in verdicts}


def list_signals() -> Response:
    query = read_query(SignalQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().list_signals(states=query.state, after=query.after, limit=query.limit))


def explain_signal(signal_id: str) -> Response:
    read_query(NoQuery)
    explanation = use_cases_of_app().explain_signal(signal_id)
    if explanation is None:
        raise ProblemError(NOT_FOUND, "there is no signal with this id")
    return answer(explanation)


# ------------------------------------------------------------------------------------------------ figures


def list_orders() -> Response:
    query = read_query(PageQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().list_orders(after=query.after, limit=query.limit))


def list_positions() -> Response:
    query = read_query(PageQuery)
    with cursor_errors("after"):
        return page_answer(use_cases_of_app().list_positions(after=query.after, limit=query.limit))


def portfolio() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().portfolio())


def equity() -> Response:
    query = read_query(EquityQuery)
    return page_answer(
        use_cases_of_app().equity(since=query.since, limit=query.limit, every_seconds=query.every_seconds)
    )


def risk() -> Response:
    read_query(NoQuery)
    return answer(use_cases_of_app().read_risk())


def snapshot() -> Response:
    read_query(NoQuery)
    return conditional_answer(use_cases_of_app().snapshot())


SIGNALS = TypeAdapter[Any](
    SignalBody | Annotated[list[SignalBody], Field(min_length=1, max_length=SIGNALS_PER_REQUEST_MAX)]
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/signals",
        name="post_signals",
        summary="Send one signal, or up to 500",
        description=(
            "202 means durable: the signal survives the loss of any process and ends in exactly one terminal state. "
            "An array is atomic: one unusable item refuses all of it."
        ),
        view=post_signals,
        scope=Scope.SIGNALS,
        body=SIGNALS,
        answer=shapes.AdmissionResults,
        status=202,
        problems=(*BODY_PROBLEMS, INVALID_SIGNAL, NO_SIGNALS, TOO_MANY_SIGNALS),
    ),
    Route(
        method="GET",
        path="/api/signals",
        name="list_signals",
        summary="Signals, newest first",
        view=list_signals,
        scope=Scope.READ,
        query=SignalQuery,
        answer=shapes.SignalPage,
        problems=(INVALID_QUERY,),
    ),
    Route(
        method="GET",
        path="/api/signals/<signal_id>",
        name="explain_signal",
        summary="Why a signal ended as it did: every gate with its numbers, the order, its attempts and fills",
        view=explain_signal,
        scope=Scope.READ,
        answer=shapes.SignalExplanation,
        problems=(INVALID_QUERY, NOT_FOUND),
    ),
    *(
        Route(
            method="GET",
            path=path,
            name=view.__name__,
            summary=summary,
            view=view,
            scope=Scope.READ,
            query=query,
            answer=shape,
            problems=(INVALID_QUERY,),
            is_conditional=view is snapshot,
        )
        for path, view, query, shape, summary in (
            ("/api/orders", list_orders, PageQuery, shapes.OrderPage, "Orders, newest first"),
            (
                "/api/positions",
                list_positions,
                PageQuery,
                shapes.PositionPage,
                "Positions that are not flat, by symbol",
            ),
            ("/api/portfolio", portfolio, NoQuery, shapes.Portfolio, "Equity, wallet and PnL"),
            ("/api/equity", equity, EquityQuery, shapes.EquityPage, "Equity over time, oldest first"),
            ("/api/risk", risk, NoQuery, shapes.Risk, "What is left of every limit: triggers and exposure"),
            ("/api/snapshot", snapshot, NoQuery, shapes.Snapshot, "Everything the dashboard starts from"),
        )
    ),
    *alerts_api.ROUTES,
    *engine_api.ROUTES,
    *control_api.ROUTES,
    *throttle_api.ROUTES,
    *session_api.ROUTES,
    *what_if_api.ROUTES,
    *state_api.ROUTES,
    *tradingview.ROUTES,
)
