"""What views share: the use cases, a body read into its model, and cursors that no list of ours ever gave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import current_app
from pydantic import BaseModel, ValidationError

from web.json_body import read_json
from web.problems import (
    BAD_REQUEST,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    INVALID_BODY,
    MALFORMED_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
)
from web.queries import invalid_query
from web.signal_intake import field_errors, invalid
from web.use_cases import UseCases

BODY_PROBLEMS = (MALFORMED_JSON, BAD_REQUEST, BODY_TIMEOUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)

Body = TypeVar("Body", bound=BaseModel)


def use_cases_of_app() -> UseCases:
    """What the application was made with."""
    return current_app.config["QT_USE_CASES"]  # type: ignore[no-any-return]


def read_body(model: type[Body]) -> Body:
    """The request's body; `ProblemError` 422 points at every field that cannot be used."""
    try:
        return model.model_validate(read_json())
    except ValidationError as error:
        raise invalid(INVALID_BODY, field_errors(error)) from error


@contextmanager
def cursor_errors(parameter: str) -> Iterator[None]:
    """A cursor that no list of ours ever gave is the caller's mistake."""
    try:
        yield
    except ValueError as error:
        raise invalid_query([FieldError("invalid", "is not a cursor of this list", parameter=parameter)]) from error
