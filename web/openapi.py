"""The OpenAPI 3.1 document, made from the same route records as the URL map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from web.problems import CONTENT_TYPE, UNAUTHENTICATED, ProblemType
from web.routes import Route
from web.shapes import Problem

# The contract's own version, raised when a client would have to change.
API_VERSION = "1.0.0"
_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def openapi_document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document of these routes; pure, so it is made once."""
    models: list[type[BaseModel]] = [Problem, *dict.fromkeys(r.answer for r in routes if r.answer is not None)]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    schemas: dict[str, Any] = dict(definitions.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Quantum Trader",
            "version": API_VERSION,
            "description": "Signals in, orders out, and the reason for each. The live stream is `/ws/dashboard`.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`./qt token create` prints one"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "qt_session_PORT",
                    "description": "`POST /api/session` sets it; changes also need the header `X-CSRF-Token`",
                },
            },
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {str(route.status): _success(route), **_failures(route.all_problems)},
        "security": [{"token": []}, {"session": []}] if route.is_guarded else [],
    }
    needs = "" if route.scope is None else f"Needs the scope `{route.scope.value}`."
    if route.is_conditional:
        operation["responses"]["304"] = {"description": "Nothing but time has passed since the given `If-None-Match`"}
    if description := " ".join(part for part in (route.description, needs) if part):
        operation["description"] = description
    if parameters := [*_path_parameters(route), *_query_parameters(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = route.body.json_schema(ref_template=_REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _success(route: Route) -> dict[str, Any]:
    schema = {"type": "object"} if route.answer is None else {"$ref": _REFERENCE.format(model=route.answer.__name__)}
    return {"description": route.summary, "content": {"application/json": {"schema": schema}}}


def _failures(problems: Sequence[ProblemType]) -> dict[str, Any]:
    by_status: dict[int, list[ProblemType]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {
        str(status): {
            "description": "; ".join(f"`{each.uri}` {each.title}" for each in kinds),
            "content": {CONTENT_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
            **({"headers": _CHALLENGE} if status == UNAUTHENTICATED.status else {}),
        }
        for status, kinds in sorted(by_status.items())
    }


_CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema(ref_template=_REFERENCE)
    definitions = schema.pop("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(each, definitions)}
        for name, each in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return definitions[schema["$ref"].rpartition("/")[2]]
        return {name: _inlined(each, definitions) for name, each in schema.items()}
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    return schema
