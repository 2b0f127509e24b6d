"""The body of `POST /api/signals`: its model, and its translation into signals of the domain."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.domain.signals import ModelVote, Side, Signal
from web.identifiers import sortable_id
from web.limits import (
    CLOCK_SKEW_SECONDS_MAX,
    ERRORS_PER_PROBLEM_MAX,
    MODELS_PER_SIGNAL_MAX,
    SIGNALS_PER_REQUEST_MAX,
)
from web.problems import (
    INVALID_SIGNAL,
    NO_SIGNALS,
    TOO_MANY_SIGNALS,
    FieldError,
    ProblemError,
    ProblemType,
    json_pointer,
)
from web.values import Instant, Name, Price, Provenance, Share, Symbol

STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)


class ModelVoteBody(BaseModel):
    """One model's part in a signal."""

    model_config = STRICT

    action: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{0,15}$", description="BUY, SELL, HOLD or the model's own word")]
    confidence: Share
    source: Provenance | None = Field(default=None, description="Where the vote comes from, in the producer's words")


class SignalBody(BaseModel):
    """A wish to trade, as a producer sends it."""

    model_config = STRICT

    signal_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] | None = Field(
        default=None, description="Idempotency key: sent again, nothing happens again. One is made when absent."
    )
    symbol: Symbol
    side: Literal["BUY", "SELL"]
    confidence: Share
    strategy: Name
    generated_at: Instant
    reference_price: Price | None = None
    # The configured maximum (QT_SIGNAL_TTL_SECONDS_MAX) is checked later: it is not known when this class is made.
    ttl_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    models: Annotated[dict[Name, ModelVoteBody], Field(max_length=MODELS_PER_SIGNAL_MAX)] = Field(default_factory=dict)


_ONE = TypeAdapter(SignalBody)
_MANY = TypeAdapter(list[SignalBody])

# Pydantic's names for what is wrong -> ours, which are part of the contract.
_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "literal_error": "not_allowed",
    "string_pattern_mismatch": "malformed",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "too_long": "too_many",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_unicode": "not_printable",
}


def field_errors(error: ValidationError) -> list[FieldError]:
    """Pydantic's findings with our codes and pointers; values of the caller are not repeated."""
    return [
        FieldError(
            _CODES.get(each["type"], "wrong_type" if each["type"].endswith("_type") else each["type"]),
            each["msg"],
            pointer=json_pointer([part for part in each["loc"] if part != "[key]"]),
        )
        for each in error.errors(include_input=False, include_url=False, include_context=False)[:ERRORS_PER_PROBLEM_MAX]
    ]


def invalid(problem: ProblemType, errors: Sequence[FieldError]) -> ProblemError:
    """A problem whose detail is its first error, readable without the list."""
    first = errors[0]
    return ProblemError(problem, f"{first.pointer or 'the body'}: {first.detail}", errors=errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What is known at the door: the time, the producer, the symbols (None: not yet known), the times to live."""

    now: datetime
    producer: str
    known_symbols: frozenset[str] | None
    ttl_seconds: int
    ttl_seconds_max: int


def read_signals(body: Any, intake: Intake) -> list[Signal]:
    """The signals of one object or an array, all of them or a `ProblemError` that points at what is wrong."""
    is_array = isinstance(body, list)
    if is_array and len(body) > SIGNALS_PER_REQUEST_MAX:
        raise ProblemError(
            TOO_MANY_SIGNALS,
            f"{len(body)} signals; at most {SIGNALS_PER_REQUEST_MAX} in one request",
            errors=[FieldError("too_many", f"at most {SIGNALS_PER_REQUEST_MAX} items", pointer="")],
        )
    if is_array and not body:
        raise ProblemError(
            NO_SIGNALS, "the array is empty", errors=[FieldError("too_few", "at least 1 item", pointer="")]
        )
    try:
        bodies = _MANY.validate_python(body) if is_array else [_ONE.validate_python(body)]
    except ValidationError as error:
        raise invalid(INVALID_SIGNAL, field_errors(error)) from error
    errors = [
        FieldError(code, detail, pointer=json_pointer([index, name] if is_array else [name]))
        for index, each in enumerate(bodies)
        for name, code, detail in _misfits(each, intake)
    ]
    if errors:
        raise invalid(INVALID_SIGNAL, errors)
    return [_signal(each, intake) for each in bodies]


def _misfits(body: SignalBody, intake: Intake) -> list[tuple[str, str, str]]:
    """What is well formed and still cannot be: (field, code, detail)."""
    found = []
    if intake.known_symbols is not None and body.symbol not in intake.known_symbols:
        found.append(("symbol", "unknown_symbol", "the exchange does not trade this symbol"))
    if body.generated_at > intake.now + timedelta(seconds=CLOCK_SKEW_SECONDS_MAX):
        found.append(
            ("generated_at", "in_the_future", f"is more than {CLOCK_SKEW_SECONDS_MAX} s ahead of this system's clock")
        )
    if body.ttl_seconds is not None and body.ttl_seconds > intake.ttl_seconds_max:
        found.append(("ttl_seconds", "out_of_range", f"must be at most {intake.ttl_seconds_max}"))
    return found


def _signal(body: SignalBody, intake: Intake) -> Signal:
    signal_id = body.signal_id or sortable_id(intake.now, secrets.randbits(74))
    # A producer's clock that runs ahead buys its signals no longer life.
    lives_from = min(body.generated_at, intake.now)
    return Signal(
        signal_id=signal_id,
        symbol=body.symbol,
        side=Side(body.side),
        confidence=body.confidence,
        strategy=body.strategy,
        generated_at=body.generated_at,
        received_at=intake.now,
        expires_at=lives_from + timedelta(seconds=body.ttl_seconds or intake.ttl_seconds),
        reference_price=body.reference_price,
        models={
            name: ModelVote(action=vote.action, confidence=vote.confidence, source=vote.source)
            for name, vote in body.models.items()
        },
        correlation_id=signal_id,
        producer=intake.producer,
    )
