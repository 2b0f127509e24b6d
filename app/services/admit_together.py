"""Admit together: what arrives while a group is being stored is the next group, with one commit for all of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from app.domain.signals import Signal
from app.ports import DatabaseUnavailableError
from app.services.admit_signals import Admission, AdmitSignals

GROUP_SIGNALS_MAX = 500  # one statement and one run of the window's script take as many
WAITING_SIGNALS_MAX = 10_000
# A request of so many has little to gain from company, and would keep others waiting: it does not stand in line.
ALONE_SIGNALS_MIN = 100
# As long as the door may wait for Postgres before it is taken to be away; later arrivals are not sent after them.
GROUP_SECONDS_MAX = 1.0
WAIT_SECONDS_MAX = 2.0


class IntakeCrowdedError(Exception):
    """As many signals wait to be stored as may wait; nothing was promised."""


class StoredTogetherError(Exception):
    """The signals were stored with others; what followed failed and is the sweeps' to carry on. Carries its cause."""


class _Turn:
    """One caller's signals, and what came of them: `admissions`, or `error`, or neither (nobody got to it)."""

    __slots__ = ("admissions", "error", "signals", "woken")

    def __init__(self, signals: Sequence[Signal]) -> None:
        self.signals = signals
        self.admissions: Sequence[Admission] | None = None
        self.error: Exception | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class AdmitTogether:
    """As `AdmitSignals`, for many callers at once, each told what it would have been told alone, in order of arrival.

    There is no thread for it: whoever finds nobody at work stores the group that waits, its own signals first, and
    hands over to the next in line. A lone caller therefore waits for nobody. A caller that waited too long, or finds
    that Postgres keeps a group waiting, puts its signals on the disk itself. Raises what `AdmitSignals` raises, and
    `IntakeCrowdedError`.
    """

    def __init__(
        self,
        admit: AdmitSignals,
        *,
        group_signals_max: int = GROUP_SIGNALS_MAX,
        waiting_signals_max: int = WAITING_SIGNALS_MAX,
        alone_signals_min: int = ALONE_SIGNALS_MIN,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admit = admit
        self._group_signals_max = group_signals_max
        self._waiting_signals_max = waiting_signals_max
        self._alone_signals_min = alone_signals_min
        self._wait_seconds_max = wait_seconds_max
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._line: deque[_Turn] = deque()  # whoever leads stands first until the group is taken out
        self._waiting_signals = 0
        self._leader: _Turn | None = None
        self._group_began_at: float | None = None  # None: no group is under way

    def __call__(self, signals: Sequence[Signal]) -> Sequence[Admission]:
        """Store and rank; answers in the order given. Durable when it returns."""
        if len(signals) >= self._alone_signals_min:
            return self._admit(signals)
        turn = self._join(signals)
        if turn is None:
            return self._admit.put_aside(signals, "a group of signals is taking long")
        try:
            turn.woken.acquire(timeout=self._wait_seconds_max)
            if self._is_leader(turn):
                self._lead()
        finally:
            self._leave(turn)
        if turn.error is not None:
            raise turn.error
        if turn.admissions is None:
            # Perhaps it is being stored this very moment; draining a signal that has its row changes nothing.
            return self._admit.put_aside(signals, "no group took the signals in time")
        return turn.admissions

    def _join(self, signals: Sequence[Signal]) -> _Turn | None:
        """A place in the line; None while a group under way takes so long that Postgres is taken to be away."""
        turn = _Turn(signals)
        with self._lock:
            if self._group_began_at is not None and self._monotonic() - self._group_began_at > GROUP_SECONDS_MAX:
                return None
            if self._waiting_signals + len(signals) > self._waiting_signals_max:
                raise IntakeCrowdedError(f"waiting={self._waiting_signals}, maximum={self._waiting_signals_max}")
            self._line.append(turn)
            self._waiting_signals += len(signals)
            if self._leader is None:
                self._appoint()
        return turn

    def _is_leader(self, turn: _Turn) -> bool:
        with self._lock:
            return self._leader is turn

    def _leave(self, turn: _Turn) -> None:
        """Answered, too late, or interrupted: no trace of a caller that is gone may stand in others' way."""
        with self._lock:
            if turn in self._line:
                self._line.remove(turn)
                self._waiting_signals -= len(turn.signals)
            if self._leader is turn:
                self._appoint()

    def _appoint(self) -> None:
        """The first in line leads next. Called with the lock held."""
        self._leader = self._line[0] if self._line else None
        if self._leader is not None:
            self._leader.woken.release()

    def _lead(self) -> None:
        group = self._take_group()
        try:
            self._store(group)
        finally:
            with self._lock:
                self._group_began_at = None
                self._appoint()
            for turn in group[1:]:
                turn.woken.release()

    def _take_group(self) -> Sequence[_Turn]:
        """From the front of the line as many as one statement takes, the leader among them."""
        group: list[_Turn] = []
        room = self._group_signals_max
        with self._lock:
            self._group_began_at = self._monotonic()
            while self._line and (not group or len(self._line[0].signals) <= room):
                turn = self._line.popleft()
                group.append(turn)
                room -= len(turn.signals)
                self._waiting_signals -= len(turn.signals)
        return group

    def _store(self, group: Sequence[_Turn]) -> None:
        signals = [signal for turn in group for signal in turn.signals]
        try:
            try:
                written = self._admit.write(signals)
            except DatabaseUnavailableError as error:
                _hand_out(group, self._admit.put_aside(signals, str(error)))
                return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again: by whom it is about
            # Nothing of the group was stored. Whose signals it was about is found by halves: the others get theirs.
            if len(group) == 1:
                group[0].error = error
                return
            middle = len(group) // 2
            self._store(group[:middle])
            self._store(group[middle:])
            return
        try:
            try:
                admissions = self._admit.follow_up(written)
            except DatabaseUnavailableError as error:
                admissions = self._admit.put_aside(signals, str(error))
        except Exception as error:  # noqa: BLE001 - raised again by every caller of the group
            for turn in group:
                turn.error = error if len(group) == 1 else _stored_together(error)
            return
        _hand_out(group, admissions)


def _hand_out(group: Sequence[_Turn], admissions: Sequence[Admission]) -> None:
    first = 0
    for turn in group:
        turn.admissions = admissions[first : first + len(turn.signals)]
        first += len(turn.signals)


def _stored_together(cause: Exception) -> StoredTogetherError:
    error = StoredTogetherError(str(cause))
    error.__cause__ = cause
    return error
