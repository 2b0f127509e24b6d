"""Mend the event stream: events that were committed and are not in it are published, from the record in Postgres.

A Redis that is killed may forget its last second, one that is flushed everything, and a process may die between its
commit and its publishing. Nothing new is published into a stream that forgot before it was told again what it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import structlog

from app.ports import EventMending, RecordedEvent, UnitOfWorkFactory

# How long a publisher is left alone that has just committed.
UNPUBLISHED_SECONDS = 2.0
# No transaction lives longer (its statements, locks and pauses have limits): below it no lower number appears.
SETTLED_SECONDS = 20.0
# How far back a stream is told again that does not even know up to where it was complete.
RECALL_SECONDS = 60.0
# How long events stay in the record: longer than a stream may be away, whose events of that time wait on the disk.
RECORD_SECONDS = 600.0
PAGE_ROWS = 1_000
RESTORED_EVENTS_MAX = 10_000  # as many as the stream holds
CHECKED_EVENTS_MAX = 20_000  # fewer than the stream remembers the ids of
FORGOTTEN_ROWS_MAX = 20_000  # in one run

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MendEvents:
    """Raises `EventsUnavailableError` or `DatabaseUnavailableError`; any number of processes may do it at once."""

    unit_of_work: UnitOfWorkFactory
    stream: EventMending

    def __call__(self) -> None:
        """If the stream forgot its end: publish again what is missing, in order, and let everybody publish."""
        if self.stream.is_whole():
            return
        after = self._start(RESTORED_EVENTS_MAX)
        self.stream.begin_anew()
        count = 0
        while page := self._page(after):
            after = page[-1].number
            count += self._publish_missing(page)
        self.stream.declare_whole()
        log.warning("event_stream_mended", restored=count)

    def sweep(self) -> None:
        """Use case of `events.mend`: publish what a process left that died after its commit; shorten the record."""
        self()
        after = self._start(CHECKED_EVENTS_MAX)
        settles = True
        while page := self._page(after):
            after = page[-1].number
            due = [row for row in page if row.age_seconds >= UNPUBLISHED_SECONDS]
            if count := self._publish_missing(due):
                log.warning("events_published_late", count=count)
            settled = list(takewhile(lambda row: row.age_seconds >= SETTLED_SECONDS, page)) if settles else []
            if settled:
                self.stream.note_checked(settled[-1].number)
            settles = len(settled) == len(page)
            if len(due) < len(page):
                break
        with self.unit_of_work() as uow:
            uow.events.forget(older_than_seconds=RECORD_SECONDS, limit=FORGOTTEN_ROWS_MAX)
            uow.commit()

    def _start(self, events_max: int) -> int:
        """After which number to look, at most so many back."""
        checked = self.stream.checked_until()
        with self.unit_of_work() as uow:
            newest = uow.events.newest_number()
            # Above everything recorded: the database is an older one than the stream has seen.
            if checked is None or checked > newest:
                checked = uow.events.number_before(age_seconds=RECALL_SECONDS)
        return max(checked, newest - events_max)

    def _page(self, after: int) -> Sequence[RecordedEvent]:
        with self.unit_of_work() as uow:
            return uow.events.recorded(after=after, limit=PAGE_ROWS)

    def _publish_missing(self, rows: Sequence[RecordedEvent]) -> int:
        missing = set(self.stream.missing([row.event_id for row in rows]))
        numbers = [row.number for row in rows if row.event_id in missing]
        if numbers:
            with self.unit_of_work() as uow:
                events = uow.events.read(numbers)
            self.stream.restore(events)
        return len(numbers)
