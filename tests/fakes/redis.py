"""What lives in Redis, in memory: the window, the rate budget, market data, live events, the hint latch."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from app.domain.events import Event, SequencedEvent
from app.domain.market import FundingRate, Quote
from app.ports import (
    DeadLetter,
    Delivery,
    EventsForgottenError,
    EventsUnavailableError,
    GroupStatus,
    Lane,
    Offer,
    OfferResult,
    OfferVerdict,
    Popped,
    Progress,
    ProgressUnavailableError,
    RateLimits,
    Wait,
    WindowStatus,
    WindowUnavailableError,
)

_CONFIDENCE_STEP = Decimal("1e-18")
EXPIRED_UNTOLD_MAX = 10_000


@dataclass(frozen=True, order=True)
class _Place:
    """Sorts best first: higher confidence, then received earlier, then offered earlier."""

    negative_confidence: Decimal
    received_at: datetime
    arrival: int
    signal_id: str
    expires_at: datetime


class FakeAdmissionWindow:
    """`app.ports.AdmissionWindow`. `is_away`: Redis does not answer."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._places: list[_Place] = []
        self._untold: list[str] = []
        self._counters = dict.fromkeys(("received", "queued", "evicted", "dropped", "expired", "dispatched"), 0)
        self.is_away = False

    def offer(self, offers: Sequence[Offer], *, now: datetime) -> Sequence[OfferResult]:
        self._answer()
        if offers:
            self._expire(now)
        return [self._offer(each, now) for each in offers]

    def pop_best(self, count: int, *, now: datetime) -> Popped:
        self._answer()
        self._expire(now)
        popped, self._places = self._places[:count], self._places[count:]
        self._counters["dispatched"] += len(popped)
        expired, self._untold = self._untold, []
        return Popped(signal_ids=[place.signal_id for place in popped], expired=expired)

    def remove(self, signal_ids: Sequence[str]) -> None:
        self._answer()
        gone = set(signal_ids)
        self._places = [place for place in self._places if place.signal_id not in gone]

    def members(self) -> Sequence[str]:
        self._answer()
        return [place.signal_id for place in self._places]

    def status(self) -> WindowStatus:
        self._answer()
        return WindowStatus(occupancy=len(self._places), capacity=self._capacity, counters=dict(self._counters))

    def lose_everything(self) -> None:
        """Redis came back empty."""
        self.__init__(capacity=self._capacity)  # type: ignore[misc]

    def _answer(self) -> None:
        if self.is_away:
            raise WindowUnavailableError("the fake window is away")

    def _offer(self, offer: Offer, now: datetime) -> OfferResult:
        if any(place.signal_id == offer.signal_id for place in self._places):
            return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.ALREADY_QUEUED)
        self._counters["received"] += 1
        if offer.expires_at <= now:
            self._counters["expired"] += 1
            return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.EXPIRED)
        insort(self._places, self._place(offer))
        if len(self._places) <= self._capacity:
            self._counters["queued"] += 1
            return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.QUEUED)
        worst = self._places.pop().signal_id
        if worst == offer.signal_id:
            self._counters["dropped"] += 1
            return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.DROPPED)
        self._counters["queued"] += 1
        self._counters["evicted"] += 1
        return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.REPLACED, evicted=worst)

    def _place(self, offer: Offer) -> _Place:
        if not 0 <= offer.confidence <= 1:
            raise ValueError(f"confidence={offer.confidence} is not within 0..1")
        return _Place(
            negative_confidence=-offer.confidence.quantize(_CONFIDENCE_STEP, rounding=ROUND_FLOOR),
            received_at=offer.received_at,
            arrival=self._counters["received"],
            signal_id=offer.signal_id,
            expires_at=offer.expires_at,
        )

    def _expire(self, now: datetime) -> None:
        # In the order of their ends, as the index of expiries in Redis gives them.
        over = sorted((place for place in self._places if place.expires_at <= now), key=lambda each: each.expires_at)
        self._places = [place for place in self._places if place.expires_at > now]
        self._counters["expired"] += len(over)
        self._untold = (self._untold + [place.signal_id for place in over])[-EXPIRED_UNTOLD_MAX:]


class FakeRateBudget:
    """`app.ports.RateBudget`: everything is granted until `refuse` or `close`; a closed gate opens with the clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._closed: dict[bool, tuple[datetime, str]] = {}  # by "for orders only": until when, and why
        self._refusals: list[Wait] = []
        self.acquired: list[tuple[int, int, Lane]] = []
        self.observed: list[tuple[int | None, int | None, int | None]] = []
        self.limits: RateLimits | None = None

    def refuse(self, *waits: Wait) -> None:
        """The next acquisitions are answered with these."""
        self._refusals.extend(waits)

    def acquire(self, *, weight: int, orders: int, lane: Lane) -> Wait | None:
        met = [closing for orders_only, closing in self._closed.items() if orders > 0 or not orders_only]
        if met:
            until, reason = max(met)
            left = (until - self._now()).total_seconds()
            if left > 0:
                return Wait(seconds=left, reason=reason)
        if self._refusals:
            return self._refusals.pop(0)
        self.acquired.append((weight, orders, lane))
        return None

    def observe(self, *, used_weight: int | None, orders_10s: int | None, orders_1m: int | None) -> None:
        self.observed.append((used_weight, orders_10s, orders_1m))

    def close(self, *, seconds: float, reason: str, orders_only: bool = False) -> None:
        closing = (self._now() + timedelta(seconds=seconds), reason)
        self._closed[orders_only] = max(closing, self._closed.get(orders_only, closing))

    def set_limits(self, limits: RateLimits) -> None:
        self.limits = limits


class FakeMarketData:
    """`app.ports.MarketData` and `MarketDataSink` in one: what was put last is what is known."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}
        self._funding: dict[str, FundingRate] = {}

    def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
        self._quotes.update({quote.symbol: quote for quote in quotes})
        self._funding.update({rate.symbol: rate for rate in funding})

    def quote(self, symbol: str) -> Quote | None:
        return self._quotes.get(symbol)

    def funding(self, symbol: str) -> FundingRate | None:
        return self._funding.get(symbol)

    def quotes(self) -> Mapping[str, Quote]:
        return dict(self._quotes)

    def forget(self, symbol: str) -> None:
        """Nothing is known of it any more."""
        self._quotes.pop(symbol, None)
        self._funding.pop(symbol, None)


class FakeEvents:
    """`app.ports.EventPublisher`, `EventDelivery`, `EventMending`, `EventSource` over one list of `capacity` newest.

    An empty read answers at once instead of blocking: nothing can arrive while a single-threaded test waits.
    `is_away`: what is published is lost, quietly, as the port says; so it is until a stream that forgot was mended.
    """

    def __init__(self, *, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._held: list[SequencedEvent] = []
        self._newest = 0
        self._checked: int | None = None
        self._is_whole = True
        self.is_away = False

    def publish(self, events: Sequence[Event]) -> None:
        if not self.is_away and self._is_whole:
            self.deliver(events)

    def deliver(self, events: Sequence[Event]) -> None:
        self._answer()
        if not self._is_whole:
            raise EventsForgottenError("the fake stream forgot its end")
        self.restore(events)

    def is_whole(self) -> bool:
        self._answer()
        return self._is_whole

    def begin_anew(self) -> None:
        self._answer()
        self._newest += 1_000

    def restore(self, events: Sequence[Event]) -> None:
        self._answer()
        for event in events:
            if any(each.event.event_id == event.event_id for each in self._held):
                continue
            self._newest += 1
            self._held.append(SequencedEvent(sequence=self._newest, event=event))
        self._held = self._held[-self._capacity :]

    def declare_whole(self) -> None:
        self._answer()
        self._is_whole = True

    def missing(self, event_ids: Sequence[str]) -> Sequence[str]:
        self._answer()
        held = {each.event.event_id for each in self._held}
        return [event_id for event_id in event_ids if event_id not in held]

    def checked_until(self) -> int | None:
        self._answer()
        return self._checked

    def note_checked(self, number: int) -> None:
        self._answer()
        self._checked = number

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        return [each for each in self._held if each.sequence > after][:limit]

    def bounds(self) -> tuple[int, int]:
        return (self._held[0].sequence, self._newest) if self._held else (0, 0)

    def forget(self, count: int) -> None:
        """As a server that was killed and came back without the newest."""
        del self._held[len(self._held) - count :]
        self._is_whole = False

    @property
    def published(self) -> list[Event]:
        """Every event still held, oldest first."""
        return [each.event for each in self._held]

    def _answer(self) -> None:
        if self.is_away:
            raise EventsUnavailableError("the fake stream is away")


class FakeEventGroup:
    """`app.ports.EventGroup` over a fake stream; `later` makes what was taken and not acknowledged come again."""

    def __init__(self, stream: FakeEvents) -> None:
        self._stream = stream
        self._position = 0
        self._pending: dict[int, Delivery] = {}
        self._retried: set[int] = set()
        self._dead: dict[str, DeadLetter] = {}
        self._buried = 0

    def take(self, *, limit: int) -> Sequence[Delivery]:
        self._stream.is_whole()  # raises while it is away
        again = [replace(self._pending[each], attempts=self._pending[each].attempts + 1) for each in self._retried]
        self._retried = set()
        fresh = self._stream.read(after=self._position, block_seconds=0, limit=limit - len(again))
        self._position = max([self._position, *(each.sequence for each in fresh)])
        taken = [*again, *(Delivery(sequence=each.sequence, event=each.event, attempts=1) for each in fresh)]
        self._pending |= {each.sequence: each for each in taken}
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self._pending.pop(each.sequence, None)

    def bury(self, delivery: Delivery, reason: str) -> None:
        self.acknowledge([delivery])
        self._buried += 1
        letter = DeadLetter(
            letter_id=f"{self._buried}-0", event=delivery.event, reason=reason, buried_at=delivery.event.at
        )
        self._dead[letter.letter_id] = letter

    def dead(self, *, limit: int) -> Sequence[DeadLetter]:
        return list(self._dead.values())[:limit]

    def discard(self, letter_ids: Sequence[str]) -> int:
        return sum(self._dead.pop(each, None) is not None for each in letter_ids)

    def status(self) -> GroupStatus:
        waiting = len(self._stream.read(after=self._position, block_seconds=0, limit=1_000_000))
        return GroupStatus(waiting=waiting, unacknowledged=len(self._pending), dead=len(self._dead))

    def later(self) -> None:
        """Long enough that what is pending is taken over."""
        self._retried = set(self._pending)


class FakeHintLatch:
    """`app.ports.HintLatch`; a claim ends with its release or with its time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._claims: dict[str, tuple[datetime, int]] = {}

    def claim_hint(self, name: str, ttl_ms: int) -> bool:
        claim = self._claims.get(name)
        if claim is not None and (self._now() - claim[0]).total_seconds() * 1000 < claim[1]:
            return False
        self._claims[name] = (self._now(), ttl_ms)
        return True

    def release_hint(self, name: str) -> None:
        self._claims.pop(name, None)


class FakeProgressBoard:
    """`app.ports.ProgressBoard`. `is_away`: Redis does not answer."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.noted: dict[str, tuple[datetime, Progress]] = {}
        self.is_away = False

    def note(self, progress: Progress) -> None:
        if not self.is_away:
            self.noted[progress.name] = (self._now(), progress)

    def forget(self, name: str) -> None:
        if not self.is_away:
            self.noted.pop(name, None)

    def all(self) -> Sequence[Progress]:
        if self.is_away:
            raise ProgressUnavailableError("the fake Redis is away")
        return [
            replace(progress, age_seconds=(self._now() - at).total_seconds())
            for _, (at, progress) in sorted(self.noted.items())
        ]


class FakeQueueLengths:
    """`app.ports.QueueLengths`."""

    source = "redis"

    def __init__(self, **lengths: int) -> None:
        self.lengths = lengths
        self.is_away = False

    def waiting(self) -> Mapping[str, int]:
        if self.is_away:
            raise ProgressUnavailableError("the fake Redis is away")
        return dict(self.lengths)
