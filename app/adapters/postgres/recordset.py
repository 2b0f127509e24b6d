"""Many rows as one parameter: a JSON array that Postgres reads as a table, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.column_types import InexactValueError
from app.adapters.postgres.json_values import to_json

ROWS = "rows"


def recordset(table: sa.Table, columns: Iterable[str], *, name: str) -> sa.TableValuedAlias:
    """`json_to_recordset(:rows) AS name(column type, ...)` with the column types of `table`.

    One statement text for any number of rows, so it is parsed and planned once. Rows come in the array's order.
    """
    return (
        sa.func.json_to_recordset(sa.cast(sa.bindparam(ROWS, type_=sa.Text), pg.JSON))
        .table_valued(*(sa.column(column, table.c[column].type) for column in columns))
        .render_derived(name=name, with_types=True)
    )


def as_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The parameter of a statement over a `recordset`; `InexactValueError` for a binary float in a column."""
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float):
                raise InexactValueError(f"{name} must not be a binary float: {value!r}")
    return {ROWS: to_json(rows)}
