"""A trading signal and the table of states it may pass through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The side that closes what this side opened."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL: how a fill moves a signed position."""
        return 1 if self is Side.BUY else -1


class SignalState(StrEnum):
    """Where a signal is in its life; the last seven are terminal."""

    QUEUED = "QUEUED"  # stored, competing for a place in the admission window
    DISPATCHED = "DISPATCHED"  # popped from the window; a worker is to decide
    ORDERED = "ORDERED"  # an order exists and is being worked on
    DROPPED = "DROPPED"  # the window was full of better ones
    EVICTED = "EVICTED"  # a better one took its place
    EXPIRED = "EXPIRED"  # older than its time to live
    DENIED = "DENIED"  # a gate said no
    OBSERVED = "OBSERVED"  # stage OBSERVATION: decided, not sent
    EXECUTED = "EXECUTED"  # something was filled
    FAILED = "FAILED"  # the exchange rejected it or nothing was filled

    @property
    def is_terminal(self) -> bool:
        """Whether nothing may follow."""
        return self not in SIGNAL_TRANSITIONS


class SignalEvent(StrEnum):
    """What can happen to a signal."""

    OFFER_REFUSED = "offer_refused"
    EVICTED = "evicted"
    EXPIRED = "expired"
    DISPATCHED = "dispatched"
    DENIED = "denied"
    OBSERVED = "observed"
    ORDERED = "ordered"
    EXECUTED = "executed"
    FAILED = "failed"


SIGNAL_TRANSITIONS: Mapping[SignalState, Mapping[SignalEvent, SignalState]] = {
    SignalState.QUEUED: {
        SignalEvent.OFFER_REFUSED: SignalState.DROPPED,
        SignalEvent.EVICTED: SignalState.EVICTED,
        SignalEvent.EXPIRED: SignalState.EXPIRED,
        SignalEvent.DISPATCHED: SignalState.DISPATCHED,
    },
    SignalState.DISPATCHED: {
        SignalEvent.EXPIRED: SignalState.EXPIRED,
        SignalEvent.DENIED: SignalState.DENIED,
        SignalEvent.OBSERVED: SignalState.OBSERVED,
        SignalEvent.ORDERED: SignalState.ORDERED,
    },
    SignalState.ORDERED: {
        SignalEvent.EXECUTED: SignalState.EXECUTED,
        SignalEvent.FAILED: SignalState.FAILED,
    },
}


class IllegalTransitionError(Exception):
    """The state table has no such arrow: a bug, not a refusal."""


def next_signal_state(state: SignalState, event: SignalEvent) -> SignalState:
    """The state after `event`; `IllegalTransitionError` when the table has no such arrow."""
    try:
        return SIGNAL_TRANSITIONS[state][event]
    except KeyError as error:
        raise IllegalTransitionError(f"a {state} signal cannot be {event}") from error


class IntakeVerdict(StrEnum):
    """What the caller of `POST /api/signals` is told of each signal."""

    QUEUED = "QUEUED"  # in the window
    REPLACED = "REPLACED"  # in the window, and a worse one was evicted for it
    DROPPED = "DROPPED"  # the window is full of better ones
    DUPLICATE = "DUPLICATE"  # this signal_id was stored before; nothing happened
    SPOOLED = "SPOOLED"  # durable, but not yet ranked


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVote:
    """One model's part in a signal, as the producer gave it; `source` is the producer's word for its origin."""

    action: str
    confidence: Decimal
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A producer's wish to trade. `confidence` is 0..1; all times are aware UTC."""

    signal_id: str
    symbol: str
    side: Side
    confidence: Decimal
    strategy: str
    generated_at: datetime
    received_at: datetime
    expires_at: datetime
    reference_price: Decimal | None
    models: Mapping[str, ModelVote]
    correlation_id: str
    producer: str  # the name of the token it came with


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignal:
    """A signal with its state; `reason_code`/`reason` say why, `sequence` orders by arrival."""

    signal: Signal
    sequence: int
    state: SignalState
    reason_code: str | None
    reason: str | None
    decided_at: datetime | None
    dispatched_at: datetime | None
    policy_version: int | None
