"""Admit signals: durable in Postgres first, then ranked in the window, so that a 202 can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.domain.signals import IntakeVerdict, Signal, SignalEvent, SignalState
from app.flow import Happening
from app.ports import (
    AdmissionWindow,
    Clock,
    DatabaseUnavailableError,
    DurableBuffer,
    HintLatch,
    Offer,
    OfferResult,
    OfferVerdict,
    TaskQueue,
    UnitOfWork,
    UnitOfWorkFactory,
    WindowUnavailableError,
)
from app.services import announcements
from app.services.hints import announce

WINDOW_FULL = "WINDOW_FULL"
REPLACED_BY_BETTER = "REPLACED_BY_BETTER"
TIME_TO_LIVE_OVER = "TIME_TO_LIVE_OVER"
DISPATCH_HINT_TTL_MS = 1_000

log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the producer is told of one signal; `evicted` is the id that lost its place to it."""

    signal_id: str
    verdict: IntakeVerdict
    evicted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Signals that a commit has dealt with, at `now`; `added` says of each whether it was new."""

    signals: Sequence[Signal]
    added: Sequence[bool]
    now: datetime

    @property
    def timely(self) -> Sequence[Signal]:
        """The new ones that still live."""
        return [
            signal
            for signal, is_new in zip(self.signals, self.added, strict=True)
            if is_new and signal.expires_at > self.now
        ]


@dataclass(frozen=True, slots=True)
class AdmitSignals:
    """Use case of `POST /api/signals`. With Postgres away signals are spooled to this machine's disk; raises
    `BufferUnavailableError` when that fails as well: then nothing was promised."""

    unit_of_work: UnitOfWorkFactory
    window: AdmissionWindow
    tasks: TaskQueue
    latch: HintLatch
    clock: Clock
    spool: DurableBuffer[Signal]
    on_spooled: Callable[[], None] = _nothing

    def __call__(self, signals: Sequence[Signal]) -> Sequence[Admission]:
        """Store and rank; answers in the order given. A signal_id stored before changes nothing (DUPLICATE)."""
        try:
            return self.store(signals)
        except DatabaseUnavailableError as error:
            return self.put_aside(signals, str(error))

    def store(self, signals: Sequence[Signal]) -> Sequence[Admission]:
        """As a call, without the spool: `DatabaseUnavailableError` when nothing (or nothing known) was stored."""
        return self.follow_up(self.write(signals))

    def put_aside(self, signals: Sequence[Signal], why: str) -> Sequence[Admission]:
        """Spool them. Right also when only the answer of a commit was lost: draining a signal that has its row changes
        nothing. Raises `BufferUnavailableError`."""
        self.spool.append(signals)
        self.on_spooled()
        log.info("signals_spooled", count=len(signals), error=why)
        return [Admission(signal_id=signal.signal_id, verdict=IntakeVerdict.SPOOLED) for signal in signals]

    def write(self, signals: Sequence[Signal]) -> Written:
        """One transaction: durable when it returns. Anything raised but `DatabaseUnavailableError` stored nothing."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            added = uow.signals.add_many(signals)
            fresh = [signal for signal, is_new in zip(signals, added, strict=True) if is_new]
            uow.emit(*(announcements.signal_received(signal) for signal in fresh))
            # Only from the spool do signals come this late; the window need not be asked about them.
            over = [signal.signal_id for signal in fresh if signal.expires_at <= now]
            if over:
                self._expire(uow, over, now)
            uow.commit()
        return Written(signals=signals, added=added, now=now)

    def follow_up(self, written: Written) -> Sequence[Admission]:
        """Rank what was written, hint the dispatcher, and say what became of each."""
        timely = written.timely
        results = rank(timely, window=self.window, unit_of_work=self.unit_of_work, clock=self.clock)
        # With the window away there is nothing to dispatch, and the broker lives where the window lives.
        if any(result is not None for result in results):
            self._hint_dispatch()
        ranked = {signal.signal_id: result for signal, result in zip(timely, results, strict=True)}
        return [
            _admission(signal, is_new, ranked.get(signal.signal_id), written.now)
            for signal, is_new in zip(written.signals, written.added, strict=True)
        ]

    @staticmethod
    def _expire(uow: UnitOfWork, signal_ids: Sequence[str], now: datetime) -> None:
        reason = "older than its time to live when it was stored"
        for signal_id in uow.signals.advance(
            signal_ids, SignalEvent.EXPIRED, now=now, reason_code=TIME_TO_LIVE_OVER, reason=reason
        ):
            uow.emit(announcements.signal_decided(signal_id, SignalState.EXPIRED, TIME_TO_LIVE_OVER, reason, now))

    def _hint_dispatch(self) -> None:
        # One pending hint is enough for any number of arrivals; the dispatcher releases the latch before it pops.
        if self.latch.claim_hint("dispatch", DISPATCH_HINT_TTL_MS) and not announce(
            self.tasks, Happening.SIGNALS_ADMITTED, priority=0
        ):
            self.latch.release_hint("dispatch")


def rank(
    signals: Sequence[Signal], *, window: AdmissionWindow, unit_of_work: UnitOfWorkFactory, clock: Clock
) -> Sequence[OfferResult | None]:
    """Offer stored signals to the window and record who lost; None for each when the window is away.

    The losers are recorded after the window decided. Dying in between loses nothing: they are still QUEUED in
    Postgres, and the sweep offers them again.
    """
    if not signals:
        return []
    now = clock.now()
    try:
        results = window.offer(
            [
                Offer(
                    signal_id=signal.signal_id,
                    confidence=signal.confidence,
                    received_at=signal.received_at,
                    expires_at=signal.expires_at,
                )
                for signal in signals
            ],
            now=now,
        )
    except WindowUnavailableError:
        # Stored and safe; the sweep offers them as soon as the window is back, while they are still fresh.
        return [None] * len(signals)
    # Inside one batch a later signal may evict an earlier one, so an id can be both queued and evicted.
    losers: list[tuple[SignalEvent, SignalState, str, str, list[str]]] = [
        (
            SignalEvent.OFFER_REFUSED,
            SignalState.DROPPED,
            WINDOW_FULL,
            "the window was full of signals with a higher confidence",
            [result.signal_id for result in results if result.verdict is OfferVerdict.DROPPED],
        ),
        (
            SignalEvent.EXPIRED,
            SignalState.EXPIRED,
            TIME_TO_LIVE_OVER,
            "older than its time to live when it was ranked",
            [result.signal_id for result in results if result.verdict is OfferVerdict.EXPIRED],
        ),
        (
            SignalEvent.EVICTED,
            SignalState.EVICTED,
            REPLACED_BY_BETTER,
            "a signal with a higher confidence took its place in the window",
            [result.evicted for result in results if result.evicted is not None],
        ),
    ]
    if any(ids for *_, ids in losers):
        with unit_of_work() as uow:
            for what, state, code, reason, ids in losers:
                if ids:
                    moved = uow.signals.advance(ids, what, now=now, reason_code=code, reason=reason)
                    uow.emit(*(announcements.signal_decided(each, state, code, reason, now) for each in moved))
            uow.commit()
    return results


_VERDICTS = {
    OfferVerdict.QUEUED: IntakeVerdict.QUEUED,
    OfferVerdict.ALREADY_QUEUED: IntakeVerdict.QUEUED,
    OfferVerdict.REPLACED: IntakeVerdict.REPLACED,
    OfferVerdict.DROPPED: IntakeVerdict.DROPPED,
    OfferVerdict.EXPIRED: IntakeVerdict.DROPPED,
}


def _admission(signal: Signal, is_new: bool, result: OfferResult | None, now: datetime) -> Admission:
    if not is_new:
        return Admission(signal_id=signal.signal_id, verdict=IntakeVerdict.DUPLICATE)
    if signal.expires_at <= now:
        return Admission(signal_id=signal.signal_id, verdict=IntakeVerdict.DROPPED)
    if result is None:
        return Admission(signal_id=signal.signal_id, verdict=IntakeVerdict.SPOOLED)
    return Admission(signal_id=signal.signal_id, verdict=_VERDICTS[result.verdict], evicted=result.evicted)
