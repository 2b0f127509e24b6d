"""Orders, their attempts at the exchange, and the tables of states both may pass through."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.money import ZERO
from app.domain.signals import IllegalTransitionError, Side

# Below this share of the approved quantity the remainder is chased; at or above it the order counts as complete.
FILLED_ENOUGH_SHARE = Decimal("0.90")
CLIENT_ORDER_ID_LENGTH_MAX = 36


class OrderPurpose(StrEnum):
    """Why an order exists: entries pass every gate, exits are reduce-only and always pass."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"


class OrderState(StrEnum):
    """Where an order is; the last five are terminal."""

    SUBMITTED = "SUBMITTED"  # an attempt is SENDING or UNKNOWN
    CHASING = "CHASING"  # partly filled, the remainder waits for its next attempt
    FILLED = "FILLED"  # at least FILLED_ENOUGH_SHARE of the approved quantity
    PARTIALLY_FILLED = "PARTIALLY_FILLED"  # the chase ended below that share
    EXPIRED = "EXPIRED"  # nothing was filled
    REJECTED = "REJECTED"  # the exchange refused it and nothing was filled
    NOT_SENT = "NOT_SENT"  # proved never to have been accepted, and not tried again

    @property
    def is_terminal(self) -> bool:
        """Whether no further attempt may follow."""
        return self not in ORDER_TRANSITIONS


class OrderEvent(StrEnum):
    """What can happen to an order; each follows from the end of an attempt or from the end of the chase."""

    FILLED_ENOUGH = "filled_enough"
    REMAINDER_LEFT = "remainder_left"
    ATTEMPT_BEGUN = "attempt_begun"
    CHASE_ENDED = "chase_ended"
    NOTHING_FILLED = "nothing_filled"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"


ORDER_TRANSITIONS: Mapping[OrderState, Mapping[OrderEvent, OrderState]] = {
    OrderState.SUBMITTED: {
        OrderEvent.FILLED_ENOUGH: OrderState.FILLED,
        OrderEvent.REMAINDER_LEFT: OrderState.CHASING,
        OrderEvent.CHASE_ENDED: OrderState.PARTIALLY_FILLED,
        OrderEvent.NOTHING_FILLED: OrderState.EXPIRED,
        OrderEvent.REJECTED: OrderState.REJECTED,
        OrderEvent.NOT_SENT: OrderState.NOT_SENT,
    },
    OrderState.CHASING: {
        OrderEvent.ATTEMPT_BEGUN: OrderState.SUBMITTED,
        OrderEvent.CHASE_ENDED: OrderState.PARTIALLY_FILLED,
        OrderEvent.NOTHING_FILLED: OrderState.EXPIRED,
        OrderEvent.REJECTED: OrderState.REJECTED,
        OrderEvent.NOT_SENT: OrderState.NOT_SENT,
        OrderEvent.FILLED_ENOUGH: OrderState.FILLED,  # a late fill was found while the remainder waited
    },
}


def next_order_state(state: OrderState, event: OrderEvent) -> OrderState:
    """The state after `event`; `IllegalTransitionError` when the table has no such arrow."""
    try:
        return ORDER_TRANSITIONS[state][event]
    except KeyError as error:
        raise IllegalTransitionError(f"a {state} order cannot be {event}") from error


class AttemptState(StrEnum):
    """What is known of one request to the exchange; SENDING and UNKNOWN are open, the rest terminal."""

    SENDING = "SENDING"  # durable; the request may be on its way
    UNKNOWN = "UNKNOWN"  # the answer was ambiguous; only the exchange can tell
    FILLED = "FILLED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"  # ended with some of it filled
    EXPIRED = "EXPIRED"  # accepted, nothing filled, nothing resting
    REJECTED = "REJECTED"  # definitely refused
    NOT_SENT = "NOT_SENT"  # proved never to have been accepted

    @property
    def is_open(self) -> bool:
        """Whether the exchange may still tell something new about it."""
        return self in ATTEMPT_TRANSITIONS


class AttemptEvent(StrEnum):
    """What the exchange, or its lasting silence, says about an attempt."""

    AMBIGUOUS = "ambiguous"
    FILLED = "filled"
    PARTLY_FILLED = "partly_filled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_FOUND_FOR_GOOD = "not_found_for_good"


_ENDINGS: Mapping[AttemptEvent, AttemptState] = {
    AttemptEvent.FILLED: AttemptState.FILLED,
    AttemptEvent.PARTLY_FILLED: AttemptState.PARTIALLY_FILLED,
    AttemptEvent.EXPIRED: AttemptState.EXPIRED,
    AttemptEvent.NOT_FOUND_FOR_GOOD: AttemptState.NOT_SENT,
}
ATTEMPT_TRANSITIONS: Mapping[AttemptState, Mapping[AttemptEvent, AttemptState]] = {
    AttemptState.SENDING: {
        **_ENDINGS,
        AttemptEvent.REJECTED: AttemptState.REJECTED,
        AttemptEvent.AMBIGUOUS: AttemptState.UNKNOWN,
    },
    # A refusal answers one request: it never settles an attempt whose first answer was lost.
    AttemptState.UNKNOWN: {**_ENDINGS, AttemptEvent.AMBIGUOUS: AttemptState.UNKNOWN},
}


def next_attempt_state(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The state after `event`; `IllegalTransitionError` when the table has no such arrow."""
    try:
        return ATTEMPT_TRANSITIONS[state][event]
    except KeyError as error:
        raise IllegalTransitionError(f"a {state} attempt cannot be {event}") from error


class OrderType(StrEnum):
    """Exchange order types this product sends."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    """How long an order may rest; entries never rest (IOC)."""

    IOC = "IOC"
    GTC = "GTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request to the exchange, durable before it is sent.

    `signed_at_ms` is the exchange's clock in milliseconds; the exchange refuses the request once its clock is past
    `signed_at_ms + recv_window_ms`. `price` is None for MARKET.
    """

    client_order_id: str
    order_id: uuid.UUID
    number: int  # 1 is the entry, 2.. are the chase
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce | None
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    signed_at_ms: int
    recv_window_ms: int
    state: AttemptState
    begun_at: datetime
    exchange_order_id: int | None = None
    executed_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    error_code: str | None = None
    error_message: str | None = None
    unknown_since: datetime | None = None
    not_found_count: int = 0  # answers "no such order" given after the request could no longer be accepted
    not_found_at_ms: int | None = None  # when the first of them was there, by the exchange's clock
    last_asked_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was approved: never more than `quantity` is filled over all attempts.

    `executed_quantity` is what the exchange reported, `booked_quantity` what reached the ledger as fills; the
    difference stays reserved as exposure. `limit_price` is the collar of the first attempt.
    """

    order_id: uuid.UUID
    signal_id: str | None
    symbol: str
    side: Side
    purpose: OrderPurpose
    quantity: Decimal
    reference_price: Decimal
    limit_price: Decimal
    state: OrderState
    reason_code: str | None
    reason: str | None
    executed_quantity: Decimal
    booked_quantity: Decimal
    attempts_made: int
    next_attempt_at: datetime | None  # only while CHASING
    policy_version: int
    correlation_id: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def remaining_quantity(self) -> Decimal:
        """What may still be asked for."""
        return self.quantity - self.executed_quantity

    @property
    def reserved_quantity(self) -> Decimal:
        """What counts as exposure beside the position: not yet booked, and still possible."""
        if self.state.is_terminal:
            return self.executed_quantity - self.booked_quantity
        return self.quantity - self.booked_quantity


def client_order_id(order_id: uuid.UUID, number: int) -> str:
    """The deterministic id of an attempt: `q`, the order's 128 bits in base32, `-`, the attempt's number.

    Only `[A-Za-z0-9_-]`, at most 36 characters, as the exchange demands.
    """
    if not 1 <= number <= 99:
        raise ValueError(f"attempt number out of range: {number}")
    code = base64.b32encode(order_id.bytes).decode("ascii").rstrip("=").lower()
    return f"q{code}-{number}"
