"""`POST /api/hooks/tradingview/{secret}`: TradingView's alerts as signals."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from flask import Response, current_app, g
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.adapters.metrics.instruments import SIGNALS_ANSWERED
from app.domain.access import HOOK
from app.settings import Settings
from web import shapes
from web.answers import answer
from web.json_body import read_json
from web.limits import SYMBOL_CHARACTERS_MAX, TOKEN_CHARACTERS_MAX
from web.problems import INVALID_QUERY, INVALID_SIGNAL, NOT_FOUND, FieldError, ProblemError
from web.queries import Query, read_query
from web.routes import Route
from web.signal_intake import Intake, field_errors, invalid, read_signals
from web.values import Instant, Name, Share
from web.view_parts import BODY_PROBLEMS, use_cases_of_app

PATH = "/api/hooks/tradingview/"
_SIDES = {"buy": "BUY", "long": "BUY", "sell": "SELL", "short": "SELL"}
_TICKER = re.compile(r"(?:[A-Z0-9_]{1,20}:)?([A-Z0-9_-]{2,40})(?:\.P)?", re.ASCII)


def _symbol(value: object) -> str:
    """`BINANCE:BTCUSDT.P` (a perpetual as TradingView writes it) is the exchange's BTCUSDT."""
    match = _TICKER.fullmatch(value.upper()) if isinstance(value, str) and len(value) <= SYMBOL_CHARACTERS_MAX else None
    if match is None:
        raise PydanticCustomError("malformed_symbol", "must be a ticker such as BTCUSDT or BINANCE:BTCUSDT.P")
    return match[1]


def _side(value: object) -> str:
    side = _SIDES.get(value.lower()) if isinstance(value, str) else None
    if side is None:
        raise PydanticCustomError("not_allowed", "must be buy, sell, long or short")
    return side


def _price_text(value: object) -> str:
    # A template of TradingView's fills in numbers with or without quotes; a number was read exactly.
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise PydanticCustomError("wrong_type", "must be a number or a decimal string")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


class Alert(BaseModel):
    """The message of an alert. TradingView users add fields of their own; those are not read."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    ticker: Annotated[
        str,
        BeforeValidator(_symbol),
        WithJsonSchema({"type": "string", "description": "`{{ticker}}`, or with its exchange before it"}),
    ]
    action: Annotated[
        str,
        BeforeValidator(_side),
        WithJsonSchema({"type": "string", "description": "`{{strategy.order.action}}`: buy, sell, long or short"}),
    ]
    time: Instant = Field(description="`{{timenow}}`; two alerts that differ in nothing else are two")
    price: (
        Annotated[
            str,
            BeforeValidator(_price_text),
            WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "description": "`{{close}}`"}),
        ]
        | None
    ) = None
    confidence: Share | None = None
    strategy: Name | None = None
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,40}$")] | None = Field(
        default=None, description="Idempotency key; without it one is made from what the alert says"
    )


class HookQuery(Query):
    """What the messages of a hook leave out, given in its address."""

    confidence: Share | None = Field(default=None, description="For alerts that give none")
    strategy: Name | None = Field(default=None, description="For alerts that give none; the hook's name without it")


def tradingview(secret: str) -> Response:
    producer = _hook(secret)
    query = read_query(HookQuery)
    try:
        alert = Alert.model_validate(read_json())
    except ValidationError as error:
        raise invalid(INVALID_SIGNAL, field_errors(error)) from error
    signals = read_signals(_as_signal(alert, query, producer), _intake(producer))
    [admission] = use_cases_of_app().admit_signals(signals)
    SIGNALS_ANSWERED.labels(verdict=str(admission.verdict)).inc()
    g.log_fields = {"signals": 1, str(admission.verdict).lower(): 1}
    result: dict[str, Any] = {"signal_id": admission.signal_id, "verdict": admission.verdict}
    if admission.evicted is not None:
        result["evicted"] = admission.evicted
    return answer({"results": [result]}, status=202)


def _hook(secret: str) -> str:
    """The hook's name; whoever has no address of ours learns nothing about them."""
    is_possible = len(secret) <= TOKEN_CHARACTERS_MAX and secret.isascii()
    principal = use_cases_of_app().authenticate(secret) if is_possible else None
    if principal is None or HOOK not in principal.scopes:
        raise ProblemError(NOT_FOUND, "there is no such hook")
    g.principal = principal.name
    return principal.name


def _as_signal(alert: Alert, query: HookQuery, producer: str) -> dict[str, Any]:
    """The alert as `POST /api/signals` would have it, so that one set of rules judges both."""
    confidence = alert.confidence if alert.confidence is not None else query.confidence
    if confidence is None:
        error = FieldError("missing", "give it in the alert, or as ?confidence= in the hook's address", "/confidence")
        raise invalid(INVALID_SIGNAL, [error])
    body: dict[str, Any] = {
        "symbol": alert.ticker,
        "side": alert.action,
        "confidence": confidence,
        "strategy": alert.strategy or query.strategy or producer,
        "generated_at": alert.time.isoformat(),
    }
    if alert.price is not None:
        body["reference_price"] = alert.price
    return {**body, "signal_id": _signal_id(alert, body, producer)}


def _signal_id(alert: Alert, body: dict[str, Any], producer: str) -> str:
    """The same alert, delivered again, has the same id; another hook's never has."""
    told = alert.id or "|".join(str(body.get(name)) for name in ("symbol", "side", "strategy", "generated_at"))
    return f"tv-{hashlib.sha256(f'{producer}|{told}'.encode()).hexdigest()[:40]}"


def _intake(producer: str) -> Intake:
    settings: Settings = current_app.config["QT_SETTINGS"]
    now: datetime = current_app.config["QT_NOW"]()
    return Intake(
        now=now,
        producer=producer,
        known_symbols=use_cases_of_app().known_symbols(),
        ttl_seconds=settings.signal_ttl_seconds,
        ttl_seconds_max=settings.signal_ttl_seconds_max,
    )


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=f"{PATH}<secret>",
        name="tradingview",
        summary="A TradingView alert as a signal",
        description=(
            "`./qt hook create` prints the address. The alert's message is JSON, e.g. "
            '`{"ticker": "{{ticker}}", "action": "{{strategy.order.action}}", "time": "{{timenow}}", '
            '"price": "{{close}}", "confidence": 0.7}`. Delivered twice, it counts once.'
        ),
        view=tradingview,
        scope=None,
        query=HookQuery,
        body=TypeAdapter[Any](Alert),
        answer=shapes.AdmissionResults,
        status=202,
        problems=(*BODY_PROBLEMS, INVALID_QUERY, INVALID_SIGNAL, NOT_FOUND),
    ),
)
