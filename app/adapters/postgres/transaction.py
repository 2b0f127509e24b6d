"""One open transaction: runs statements and says in the core's words what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg.errors
import sqlalchemy as sa
from sqlalchemy import exc

from app.ports import ConstraintViolatedError, DatabaseUnavailableError, OverfilledError, SecondOpenAttemptError

# Constraints whose violation is a promise kept by the database; each has a name of its own in the core.
_NAMED_VIOLATIONS: Mapping[str, type[ConstraintViolatedError]] = {
    "uq_attempts_one_open_per_order": SecondOpenAttemptError,
    "ck_orders_never_overfilled": OverfilledError,
    "ck_orders_never_overbooked": OverfilledError,
    "ck_attempts_never_overfilled": OverfilledError,
}

Row = sa.Row[Any]
Parameters = Mapping[str, Any]


class UnitOfWorkFinishedError(Exception):
    """A statement after the commit or outside the `with` block: a bug in the caller."""


class UnitOfWorkFailedError(Exception):
    """A commit after a statement failed: Postgres would roll back and call it a success."""


@contextmanager
def core_errors() -> Iterator[None]:
    """Turn the driver's failures into the core's.

    No connection, no answer in time, a lock not granted in time, a deadlock, a server that may not write:
    `DatabaseUnavailableError`. A constraint: `ConstraintViolatedError` or its named kind. The rest is a bug and stays.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise DatabaseUnavailableError(f"no free connection: {error}") from error
    except exc.IntegrityError as error:
        violation = _NAMED_VIOLATIONS.get(_constraint_of(error), ConstraintViolatedError)
        raise violation(str(error.orig)) from error
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise DatabaseUnavailableError(str(error.orig)) from error
    except exc.DBAPIError as error:
        # 25P03 (idle in transaction) and 25006 (a standby) are filed under InternalError.
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            raise DatabaseUnavailableError(str(error.orig)) from error
        raise


def _constraint_of(error: exc.IntegrityError) -> str:
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "constraint_name", None) or ""


class Transaction:
    """Statements of one unit of work; the repositories share it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection: sa.Connection | None = connection
        self._failed = False

    def finish(self) -> None:
        """From now on every statement is refused."""
        self._connection = None

    def run(self, statement: sa.Executable, parameters: Parameters | None = None) -> sa.CursorResult[Any]:
        if self._connection is None:
            raise UnitOfWorkFinishedError("the unit of work is over")
        try:
            with core_errors():
                return self._connection.execute(statement, parameters)
        except BaseException:
            self._failed = True
            raise

    def require_sound(self) -> None:
        """`UnitOfWorkFailedError` once a statement has failed."""
        if self._failed:
            raise UnitOfWorkFailedError("a statement of this unit of work failed: nothing of it can be committed")

    def rows(self, statement: sa.Executable, parameters: Parameters | None = None) -> Sequence[Row]:
        return self.run(statement, parameters).all()

    def row(self, statement: sa.Executable, parameters: Parameters | None = None) -> Row | None:
        """The first row, or None when there is none."""
        return self.run(statement, parameters).first()

    def value(self, statement: sa.Executable, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        return self.run(statement, parameters).scalar()
