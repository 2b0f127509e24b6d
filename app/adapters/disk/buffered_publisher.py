"""Publishes events through a stream that may be away: what it does not take waits on the disk, with what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from app.adapters.metrics.instruments import EVENTS_LOST
from app.domain.events import Event
from app.ports import BufferUnavailableError, DurableBuffer, EventPublisher

log = structlog.get_logger(__name__)


class BufferedEventPublisher:
    """`app.ports.EventPublisher`. Give `keep` to the stream's publisher for what it could not publish.

    Order: while anything of any process of this machine waits on the disk, new events go behind it. What follows
    from an event is published after that event's `publish` has returned: by then it is in the stream or on the disk.
    """

    def __init__(
        self, stream: EventPublisher, buffer: DurableBuffer[Event], *, on_kept: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._buffer = buffer
        self._on_kept = on_kept
        self.lost_count = 0

    def publish(self, events: Sequence[Event]) -> None:
        """To the stream, or behind what waits; never raises."""
        if self._must_wait():
            self.keep(events, None)
        else:
            self._stream.publish(events)

    def keep(self, events: Sequence[Event], cause: Exception | None) -> None:
        """Take what the stream could not, for `cause` (None: it was not asked)."""
        try:
            self._buffer.append(events)
        except BufferUnavailableError as error:
            self.lost_count += len(events)
            EVENTS_LOST.inc(len(events))
            log.error(  # noqa: TRY400 - the text of the error says it all, and events come in floods
                "events_lost", count=len(events), total=self.lost_count, error=str(error), stream=str(cause)
            )
        else:
            self._on_kept()

    def _must_wait(self) -> bool:
        try:
            return self._buffer.has_backlog()
        except BufferUnavailableError as error:
            log.error("event_buffer_unreadable", error=str(error))  # noqa: TRY400
            return False
