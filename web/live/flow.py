"""One paced sequence of frames: batches of 10 or 100 ms, at most 50 events in any second."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from web.live.backlog import LIVE, LOSSLESS, Backlog
from web.live.frames import EncodedEvent, event_batch
from web.live.limits import (
    BATCH_EVENTS_MAX,
    BATCH_WAIT_SECONDS,
    EVENTS_PER_SECOND_MAX,
    HELD_UP_EVENTS_MAX,
    HELD_UP_SECONDS_MAX,
)

PACE_WINDOW_SECONDS = 1.0


class Flow:
    """What one client, or all that keep up together, is sent. Times are seconds of a monotonic clock, given in.

    `position` is the sequence up to which everything was sent or counted as dropped.
    """

    def __init__(self, position: int, *, history: Sequence[EncodedEvent] = (), now: float = 0.0) -> None:
        self.position = position
        self.backlog = Backlog(LOSSLESS if history else LIVE)
        self._lossless_until = history[-1].seq if history else position
        self._sent: deque[tuple[float, int]] = deque()
        self._held_up_since: float | None = None
        # History has waited long enough: it is not held back for a fuller batch.
        for event in history:
            self.backlog.add(event, now=now - BATCH_WAIT_SECONDS)

    def branch(self, frame_events: Sequence[EncodedEvent], *, position: int, now: float) -> Flow:
        """A flow of its own for a client that could not take `frame_events`, which followed `position`."""
        flow = Flow(position)
        flow._sent.extend(self._sent)
        flow._held_up_since = self._held_up_since
        for event in frame_events:
            flow.backlog.add(event, now=now)
        for event, since in self.backlog.pending():
            flow.backlog.add(event, now=since)
        return flow

    def offer(self, event: EncodedEvent, *, now: float) -> None:
        """Let the next event wait for its frame."""
        self.backlog.add(event, now=now)

    def due_in(self, *, now: float) -> float | None:
        """Seconds until the next frame should be taken, 0 for at once; None while nothing waits."""
        since = self.backlog.waiting_since
        if since is None:
            return None
        waiting = len(self.backlog)
        batch_at = now if waiting >= BATCH_EVENTS_MAX else since + BATCH_WAIT_SECONDS
        # At the limit, half a frame now is better than a whole one later; crumbs are not.
        return max(0.0, batch_at - now, self._pace_at(min(waiting, BATCH_EVENTS_MAX // 2), now=now) - now)

    def take(self, *, now: float) -> tuple[bytes, list[EncodedEvent]]:
        """The next frame and what is in it; the caller sends it, and has seen `due_in` be 0."""
        events = self.backlog.take(min(BATCH_EVENTS_MAX, self._allowance(now=now)))
        frame = event_batch(events, after=self.position)
        self.position = events[-1].seq
        self._sent.append((now, len(events)))
        if self.backlog.limits is LOSSLESS and self.position >= self._lossless_until:
            self.backlog.use(LIVE)
        return frame, events

    def ease(self, *, now: float) -> None:
        """Make good for what the pace holds up; called when nothing is due.

        At the limit itself every frame that is a moment late costs its part of the next second, for good: without this
        a client that is sent 50 events a second would see them later and later. States are replaced by newer ones as
        soon as half a frame has to wait; other events are given up only when it was so for longer than any burst.
        """
        waiting = len(self.backlog)
        is_held_up = waiting >= BATCH_EVENTS_MAX // 2 and self._pace_at(BATCH_EVENTS_MAX // 2, now=now) > now
        if not is_held_up or self.backlog.limits is LOSSLESS:
            self._held_up_since = None
            return
        if self._held_up_since is None:
            self._held_up_since = now
        self.backlog.conflate()
        if now - self._held_up_since > HELD_UP_SECONDS_MAX:
            self.backlog.drop_oldest(keep=HELD_UP_EVENTS_MAX)

    def _allowance(self, *, now: float) -> int:
        """How many events may be sent now."""
        while self._sent and self._sent[0][0] <= now - PACE_WINDOW_SECONDS:
            self._sent.popleft()
        return EVENTS_PER_SECOND_MAX - sum(count for _, count in self._sent)

    def _pace_at(self, size: int, *, now: float) -> float:
        """When `size` more events may be sent without passing the limit in any window of a second."""
        missing = size - self._allowance(now=now)
        for at, count in self._sent:
            if missing <= 0:
                break
            missing -= count
            if missing <= 0:
                return at + PACE_WINDOW_SECONDS
        return now
