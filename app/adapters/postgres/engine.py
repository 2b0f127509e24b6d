"""The connection pool, with every wait bounded on both sides of the wire."""

from __future__ import annotations

import select
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from sqlalchemy import event, exc

from app.adapters.postgres.address import one_authority
from app.adapters.postgres.json_values import from_json, to_json

CONNECT_SECONDS_MAX = 2  # libpq knows no shorter one
STATEMENT_SECONDS_MAX = 5
LOCK_SECONDS_MAX = 2
IDLE_IN_TRANSACTION_SECONDS_MAX = 10
POOL_WAIT_SECONDS_MAX = 2
# The server ends its statements itself; only one that is frozen or unreachable keeps us waiting longer than it may.
ANSWER_SECONDS_MAX = STATEMENT_SECONDS_MAX + 1
CONNECTION_AGE_SECONDS_MAX = 30 * 60
POLL_SECONDS = 0.1

# A peer that vanished without a word is noticed after 5 + 3 x 2 s when idle, after 6 s with data on its way.
_TCP = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 6_000,
}
_SESSION = {
    "statement_timeout": f"{STATEMENT_SECONDS_MAX}s",
    "lock_timeout": f"{LOCK_SECONDS_MAX}s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS_MAX}s",
    "default_transaction_isolation": r"read\ committed",
    "timezone": "UTC",
}


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that does not answer, and is of no further use after that."""

    def wait(self, gen: PQGen[Any], interval: float = POLL_SECONDS, timeout: float | None = None) -> Any:
        """As psycopg's, but never for ever. A wait that was cut off leaves an answer on the wire that the next
        statement would take for its own: the connection is closed."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS_MAX if timeout is None else timeout)
        except BaseException:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


def sqlalchemy_url(database_url: str) -> sa.URL:
    """`postgresql://` (or `postgres://`) as SQLAlchemy's URL for psycopg 3; sockets as `?host=/directory`.

    Several hosts as libpq has them (`h1:5432,h2:5432`): each connect goes to the first that may be written to.
    """
    url = sa.make_url(one_authority(database_url))
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(f"not a PostgreSQL URL: {url.drivername}://...")
    return url.set(drivername="postgresql+psycopg")


def create_engine(database_url: str, *, application_name: str, pool_size: int) -> sa.Engine:
    """A pool of at most `pool_size` connections; connects when first used, so make it after a fork.

    `application_name` is what `pg_stat_activity` shows. Isolation is READ COMMITTED; decisions take turns by row locks.
    """
    engine = sa.create_engine(
        sqlalchemy_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS_MAX,
        pool_recycle=CONNECTION_AGE_SECONDS_MAX,
        # A ping is a round trip for every transaction; looking at the socket finds a server that went away for free.
        pool_pre_ping=False,
        # The newest returned first: after a quiet time the oldest connections age out instead of all staying warm.
        pool_use_lifo=True,
        # Error texts reach the log: statements yes, what was in them no.
        hide_parameters=True,
        json_serializer=to_json,
        json_deserializer=from_json,
        connect_args={
            "connect_timeout": CONNECT_SECONDS_MAX,
            "application_name": application_name,
            "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
            **_TCP,
        },
    )
    event.listen(engine, "do_connect", _connect_bounded)
    event.listen(engine, "checkout", _refuse_dead_connection)
    event.listen(engine, "handle_error", _leave_read_only_server)
    return engine


def _connect_bounded(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **parameters)


def _refuse_dead_connection(connection: BoundedConnection, _record: Any, _proxy: Any) -> None:
    """An idle connection has nothing to read, unless the server hung up (or said so): take another then."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise exc.InvalidatePoolError("the server closed the connection while it was idle")


def _leave_read_only_server(context: Any) -> None:
    """A server that may not be written to any more was demoted: every connection to it is given up, for the new one."""
    if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
        context.is_disconnect = True
