"""Protective orders: conditional orders at the exchange that close a position, and the table of their states."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.money import ZERO
from app.domain.orders import client_order_id
from app.domain.signals import IllegalTransitionError, Side

PREFIX = "p"  # entries and exits begin with `q`


class Leg(StrEnum):
    """Which way out an order stands for."""

    STOP = "STOP"
    TARGET = "TARGET"


class ProtectionState(StrEnum):
    """Where a protective order is; the last five are terminal."""

    SENDING = "SENDING"  # durable; the request may be on its way
    UNKNOWN = "UNKNOWN"  # the answer was ambiguous; only the exchange can tell
    WORKING = "WORKING"  # the exchange has it and watches the price
    TRIGGERED = "TRIGGERED"  # the price came; it has become an order
    FINISHED = "FINISHED"  # that order is over
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # the exchange dropped it
    REJECTED = "REJECTED"  # refused, when it was sent or when its order was made
    NOT_SENT = "NOT_SENT"  # proved never to have been accepted

    @property
    def is_live(self) -> bool:
        """Whether it exists at the exchange, or may."""
        return self in PROTECTION_TRANSITIONS


class ProtectionEvent(StrEnum):
    """What the exchange, or its lasting silence, says about a protective order."""

    AMBIGUOUS = "ambiguous"
    ACCEPTED = "accepted"
    TRIGGERED = "triggered"
    FINISHED = "finished"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_FOUND_FOR_GOOD = "not_found_for_good"


_TOLD: Mapping[ProtectionEvent, ProtectionState] = {
    ProtectionEvent.TRIGGERED: ProtectionState.TRIGGERED,
    ProtectionEvent.FINISHED: ProtectionState.FINISHED,
    ProtectionEvent.CANCELED: ProtectionState.CANCELED,
    ProtectionEvent.EXPIRED: ProtectionState.EXPIRED,
    ProtectionEvent.REJECTED: ProtectionState.REJECTED,
}
PROTECTION_TRANSITIONS: Mapping[ProtectionState, Mapping[ProtectionEvent, ProtectionState]] = {
    ProtectionState.SENDING: {
        **_TOLD,
        ProtectionEvent.ACCEPTED: ProtectionState.WORKING,
        ProtectionEvent.AMBIGUOUS: ProtectionState.UNKNOWN,
        ProtectionEvent.NOT_FOUND_FOR_GOOD: ProtectionState.NOT_SENT,
    },
    ProtectionState.UNKNOWN: {
        **_TOLD,
        ProtectionEvent.ACCEPTED: ProtectionState.WORKING,
        ProtectionEvent.AMBIGUOUS: ProtectionState.UNKNOWN,
        ProtectionEvent.NOT_FOUND_FOR_GOOD: ProtectionState.NOT_SENT,
    },
    ProtectionState.WORKING: {
        **_TOLD,
        ProtectionEvent.ACCEPTED: ProtectionState.WORKING,
        ProtectionEvent.AMBIGUOUS: ProtectionState.WORKING,  # a failed question takes nothing away
        # It was there, and nobody told how it went. One protection too many is harmless, one too few is not.
        ProtectionEvent.NOT_FOUND_FOR_GOOD: ProtectionState.CANCELED,
    },
    ProtectionState.TRIGGERED: {
        ProtectionEvent.ACCEPTED: ProtectionState.TRIGGERED,  # an older word that came late
        ProtectionEvent.AMBIGUOUS: ProtectionState.TRIGGERED,
        ProtectionEvent.TRIGGERED: ProtectionState.TRIGGERED,
        ProtectionEvent.FINISHED: ProtectionState.FINISHED,
        ProtectionEvent.CANCELED: ProtectionState.FINISHED,  # its order was
        ProtectionEvent.EXPIRED: ProtectionState.FINISHED,
        ProtectionEvent.REJECTED: ProtectionState.REJECTED,  # the order it was to become was refused
        ProtectionEvent.NOT_FOUND_FOR_GOOD: ProtectionState.TRIGGERED,
    },
}


def next_protection_state(state: ProtectionState, event: ProtectionEvent) -> ProtectionState:
    """The state after `event`; `IllegalTransitionError` when the table has no such arrow."""
    try:
        return PROTECTION_TRANSITIONS[state][event]
    except KeyError as error:
        raise IllegalTransitionError(f"a {state} protective order cannot be {event}") from error


# `algoStatus` of the exchange. Any other word, one that it invents tomorrow included, says nothing.
EVENT_OF_STATUS: Mapping[str, ProtectionEvent] = {
    "NEW": ProtectionEvent.ACCEPTED,
    "TRIGGERING": ProtectionEvent.TRIGGERED,
    "TRIGGERED": ProtectionEvent.TRIGGERED,
    "FINISHED": ProtectionEvent.FINISHED,
    "CANCELED": ProtectionEvent.CANCELED,
    "EXPIRED": ProtectionEvent.EXPIRED,
    "REJECTED": ProtectionEvent.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectiveOrder:
    """One conditional order, durable before it is sent: reduce-only, market when `trigger_price` is reached.

    `order_id` names the exit it becomes when it fires; `side` closes the position. `exchange_order_id` is the number
    of that exit, known from the trigger on. Cancelling begins with `cancel_requested_at`, and ends with the exchange's
    word.
    """

    client_algo_id: str
    order_id: uuid.UUID
    symbol: str
    leg: Leg
    side: Side
    quantity: Decimal
    trigger_price: Decimal
    signed_at_ms: int
    recv_window_ms: int
    state: ProtectionState
    begun_at: datetime
    exchange_order_id: int | None = None
    cancel_requested_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    unknown_since: datetime | None = None
    not_found_count: int = 0
    last_asked_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_standing(self) -> bool:
        """Whether the exchange has confirmed it and nobody takes it away: only then it protects."""
        return self.state is ProtectionState.WORKING and self.cancel_requested_at is None

    @property
    def is_to_stay(self) -> bool:
        """Whether it stands or may yet: nothing has to be sent in its place."""
        return self.cancel_requested_at is None and self.state in (
            ProtectionState.SENDING,
            ProtectionState.UNKNOWN,
            ProtectionState.WORKING,
        )


def client_algo_id(order_id: uuid.UUID) -> str:
    """The deterministic id of a protective order, and of the order it becomes."""
    return PREFIX + client_order_id(order_id, 1)[1:]


def is_ours(client_algo_id: str) -> bool:
    """Whether an id has the form of ours: a conditional order that a person placed by hand is left alone."""
    return client_algo_id.startswith(PREFIX) and client_algo_id.endswith("-1") and len(client_algo_id) == LENGTH


LENGTH = len(client_algo_id(uuid.UUID(int=0)))


def standing_quantity(orders: list[ProtectiveOrder], *, leg: Leg, side: Side) -> Decimal:
    """How much of a position the confirmed orders of a leg would close."""
    return sum((each.quantity for each in orders if each.is_standing and (each.leg, each.side) == (leg, side)), ZERO)
