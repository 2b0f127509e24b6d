"""Query strings of the list routes: bounded, and refused when they hold anything unknown."""

from __future__ import annotations

from typing import Annotated, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.signals import SignalState
from web.limits import (
    CURSOR_CHARACTERS_MAX,
    EQUITY_POINTS_DEFAULT,
    EQUITY_POINTS_MAX,
    EQUITY_SPAN_SECONDS_MAX,
    PAGE_ITEMS_DEFAULT,
    PAGE_ITEMS_MAX,
)
from web.problems import INVALID_QUERY, FieldError, ProblemError
from web.values import Instant

Cursor = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=CURSOR_CHARACTERS_MAX)]


class Query(BaseModel):
    """Parameters of one route; an unknown one is refused, for a misspelt filter must not look like an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """No parameters."""


class PageQuery(Query):
    """One page of a list."""

    after: Cursor | None = Field(default=None, description="The `next` of the page before")
    limit: Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_DEFAULT


class SignalQuery(PageQuery):
    """A page of signals; `state` may be given several times."""

    state: list[SignalState] = Field(default_factory=list, max_length=len(SignalState))


class EquityQuery(Query):
    """A page of equity points, oldest first."""

    since: Instant | None = Field(default=None, description="The first instant wanted; `next` of the page before")
    limit: Annotated[int, Field(ge=1, le=EQUITY_POINTS_MAX)] = EQUITY_POINTS_DEFAULT
    every_seconds: Annotated[int, Field(ge=1, le=EQUITY_SPAN_SECONDS_MAX)] | None = Field(
        default=None, description="Only the last point of each span of so many seconds; with `since`"
    )


Q = TypeVar("Q", bound=Query)


def read_query(model: type[Q]) -> Q:
    """The request's query; `ProblemError` 400 names each unusable parameter."""
    values: dict[str, object] = {}
    for name, given in request.args.lists():
        field = model.model_fields.get(name)
        if field is not None and field.default_factory is list:
            values[name] = [part for each in given for part in each.split(",") if part]
        elif len(given) > 1:
            raise invalid_query([FieldError("given_twice", "may be given once", parameter=name[:64])])
        else:
            values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid_query(
            [
                FieldError(
                    "unknown_parameter" if each["type"] == "extra_forbidden" else "invalid",
                    each["msg"],
                    parameter=str(each["loc"][0])[:64],
                )
                for each in error.errors(include_input=False, include_url=False, include_context=False)
            ]
        ) from error


def invalid_query(errors: list[FieldError]) -> ProblemError:
    """A 400 whose detail is its first error."""
    return ProblemError(INVALID_QUERY, f"{errors[0].parameter}: {errors[0].detail}", errors=errors)
