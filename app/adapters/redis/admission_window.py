"""The admission window in Redis: the best `capacity` signals, every operation one run of one Lua script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

from app.adapters.redis.client import LuaScript, RedisLink, RedisUnavailableError
from app.ports import Offer, OfferResult, OfferVerdict, Popped, WindowStatus, WindowUnavailableError

OFFERS_MAX = 500  # in one call; as many as one request may post
COUNTERS = ("received", "queued", "evicted", "dropped", "expired", "dispatched")

CONFIDENCE_DIGITS = 18  # what the database keeps; finer differences rank as equal
PREFIX_LENGTH = 19 + 17 + 16  # confidence, received_at, arrival number: see the script
_UNIT = 10**CONFIDENCE_DIGITS
_ZERO, _ONE = Decimal(0), Decimal(1)
_EXACT = Context(prec=60, rounding=ROUND_FLOOR)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERDICTS = {
    b"Q": OfferVerdict.QUEUED,
    b"D": OfferVerdict.DROPPED,
    b"E": OfferVerdict.EXPIRED,
    b"A": OfferVerdict.ALREADY_QUEUED,
}

_SCRIPT = LuaScript.beside(__file__, "admission_window.lua")


class RedisAdmissionWindow:
    """`app.ports.AdmissionWindow` in Redis. A call is at most one round trip and is never repeated by itself.

    A call that failed may have happened all the same: what was popped and not answered is found again in Postgres.
    """

    def __init__(self, link: RedisLink, *, capacity: int, prefix: str = "qt:{window}") -> None:
        if capacity < 1:
            raise ValueError(f"a window needs room for one signal: capacity={capacity}")
        self._link = link
        self._capacity = capacity
        self._ranking = f"{prefix}:ranking"
        self._keys = (
            self._ranking,
            f"{prefix}:members",
            f"{prefix}:expiry",
            f"{prefix}:counters",
            f"{prefix}:expired",
        )

    def offer(self, offers: Sequence[Offer], *, now: datetime) -> Sequence[OfferResult]:
        """Offer at most `OFFERS_MAX` signals in order, in one atomic step; answers in the same order."""
        if len(offers) > OFFERS_MAX:
            raise ValueError(f"{len(offers)} offers in one call, {OFFERS_MAX} are the most")
        if not offers:
            return ()
        arguments: list[str | int] = ["offer", _microseconds(now), self._capacity]
        for offer in offers:
            arguments += (rank_text(offer), offer.signal_id, _microseconds(offer.expires_at))
        answers = self._run(arguments)
        return [_result(offer, answer) for offer, answer in zip(offers, answers, strict=True)]

    def pop_best(self, count: int, *, now: datetime) -> Popped:
        """Take out the best `count`; `expired` are all that expired since this was last asked."""
        ids, expired = self._run(("pop_best", _microseconds(now), count))
        return Popped(
            signal_ids=[signal_id.decode() for signal_id in ids], expired=[signal_id.decode() for signal_id in expired]
        )

    def remove(self, signal_ids: Sequence[str]) -> None:
        """Forget these; no counter moves."""
        if signal_ids:
            self._run(("remove", *signal_ids))

    def members(self) -> Sequence[str]:
        """All ids in the window, best first."""
        try:
            members: Any = self._link.call(lambda client: client.zrange(self._ranking, 0, -1))
        except RedisUnavailableError as error:
            raise WindowUnavailableError(str(error)) from error
        return [member[PREFIX_LENGTH:].decode() for member in members]

    def status(self) -> WindowStatus:
        """Occupancy and counters, of one moment.

        received = queued + dropped + expired on arrival; an offer already queued counts nowhere.
        """
        occupancy, flat = self._run(("status",))
        counted = dict(zip(flat[::2], flat[1::2], strict=True))
        counters = {name: int(counted.get(name.encode(), 0)) for name in COUNTERS}
        return WindowStatus(occupancy=occupancy, capacity=self._capacity, counters=counters)

    def _run(self, arguments: Sequence[str | int]) -> Any:
        try:
            return self._link.run(_SCRIPT, self._keys, arguments)
        except RedisUnavailableError as error:
            raise WindowUnavailableError(str(error)) from error


def rank_text(offer: Offer) -> str:
    """36 digits whose byte order ranks offers: higher confidence first, then the one received earlier.

    Doubles (a sorted set's scores) hold 53 bits, 18 digits and a microsecond need 113: so the rank is text.
    """
    if not _ZERO <= offer.confidence <= _ONE:
        raise ValueError(f"confidence={offer.confidence} is not within 0..1")
    scaled = int(_EXACT.scaleb(offer.confidence, CONFIDENCE_DIGITS))
    return f"{_UNIT - scaled:019d}{_microseconds(offer.received_at):017d}"


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _result(offer: Offer, answer: bytes) -> OfferResult:
    if answer[:1] == b"R":
        return OfferResult(signal_id=offer.signal_id, verdict=OfferVerdict.REPLACED, evicted=answer[1:].decode())
    return OfferResult(signal_id=offer.signal_id, verdict=_VERDICTS[answer])
