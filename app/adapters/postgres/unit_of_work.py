"""One transaction on Postgres, with the repositories on it and the events that follow its commit."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy import exc

from app.adapters.postgres.access import PostgresAccess
from app.adapters.postgres.alerts import PostgresAlerts
from app.adapters.postgres.control import PostgresControl
from app.adapters.postgres.events import PostgresEvents
from app.adapters.postgres.ledger import PostgresLedger
from app.adapters.postgres.orders import PostgresOrders
from app.adapters.postgres.protection import PostgresProtection
from app.adapters.postgres.signals import PostgresSignals
from app.adapters.postgres.transaction import Transaction, UnitOfWorkFinishedError, core_errors
from app.domain.events import Event
from app.ports import (
    AccessRepository,
    AlertRepository,
    ControlRepository,
    EventPublisher,
    EventRepository,
    LedgerRepository,
    OrderRepository,
    ProtectionRepository,
    SignalRepository,
    UnitOfWork,
    UnitOfWorkFactory,
)


class PostgresUnitOfWork(UnitOfWork):
    """Begins on entering; commits once, when told to; everything else rolls back.

    The connection goes back to the pool with the commit, before the events are published: a slow event stream never
    holds a connection or a lock.
    """

    signals: SignalRepository
    orders: OrderRepository
    ledger: LedgerRepository
    control: ControlRepository
    alerts: AlertRepository
    events: EventRepository
    protection: ProtectionRepository
    access: AccessRepository

    def __init__(self, engine: sa.Engine, publisher: EventPublisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._connection: sa.Connection | None = None
        self._transaction: Transaction | None = None
        self._emitted: list[Event] = []

    def __enter__(self) -> PostgresUnitOfWork:
        if self._connection is not None:
            raise UnitOfWorkFinishedError("a unit of work is entered once at a time")
        with core_errors():
            self._connection = self._engine.connect()
        self._emitted = []
        self._transaction = transaction = Transaction(self._connection)
        self.signals = PostgresSignals(transaction)
        self.orders = PostgresOrders(transaction)
        self.ledger = PostgresLedger(transaction)
        self.control = PostgresControl(transaction)
        self.alerts = PostgresAlerts(transaction)
        self.events = self._record = PostgresEvents(transaction)
        self.protection = PostgresProtection(transaction)
        self.access = PostgresAccess(transaction)
        return self

    def emit(self, *events: Event) -> None:
        """Remember events for after the commit."""
        if self._connection is None:
            raise UnitOfWorkFinishedError("events belong to an open unit of work")
        self._emitted.extend(events)

    def commit(self) -> None:
        """Commit with the record of the events, give the connection back, publish.

        A commit whose answer was lost raises `DatabaseUnavailableError` and publishes nothing: whether it happened is
        for the caller's idempotence, and events that it recorded are published by who mends the stream.
        """
        if self._connection is None or self._transaction is None:
            raise UnitOfWorkFinishedError("a unit of work commits once")
        self._transaction.require_sound()
        events, self._emitted = self._emitted, []
        if events:
            # Last, so that their numbers are drawn after every lock was granted: what follows from them is above them.
            # Whoever committed just before us may not have published yet: its events go first, and once.
            events = [*self._record.add(events), *events]
        with core_errors():
            self._connection.commit()
        self._release()
        if events:
            self._publisher.publish(events)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._emitted = []
        self._release()

    def _release(self) -> None:
        """Roll back what is uncommitted and give the connection back."""
        connection, self._connection = self._connection, None
        if self._transaction is not None:
            self._transaction.finish()
        if connection is not None:
            # A connection that cannot even roll back is thrown away by the pool, and the server rolls back by itself.
            with suppress(exc.DBAPIError):
                connection.close()


class PostgresUnitOfWorkFactory(UnitOfWorkFactory):
    """Starts units of work on one engine."""

    def __init__(self, engine: sa.Engine, publisher: EventPublisher) -> None:
        self._engine = engine
        self._publisher = publisher

    def __call__(self) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(self._engine, self._publisher)
