"""Recovery points: every durable state between a 202 and the booked fill, who finds it again, and what follows.

A process may die at any instruction. What counts is which commit was its last: that is the point from which another
process carries on. After a model of Brandur Leach's rocket-rides-atomic.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.orders import AttemptState, OrderState
from app.domain.signals import SignalState


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableState:
    """What the rows say of one signal: its order and the newest attempt, None where there is none.

    An exit has no signal. `is_unbooked`: the exchange executed more than has reached the ledger as fills.
    """

    signal: SignalState | None
    order: OrderState | None
    attempt: AttemptState | None
    is_unbooked: bool

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to do: a death from here on loses nothing."""
        return (
            (self.signal is None or self.signal.is_terminal)
            and (self.order is None or self.order.is_terminal)
            and (self.attempt is None or not self.attempt.is_open)
            and not self.is_unbooked
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One place to die at, after the point's commit; `lost` is what only the dead process or Redis knew."""

    name: str
    process: str
    lost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """A durable state to continue from.

    `found_by` names the sweeps (tasks of beat) and other mouths that find it, any one of which is enough.
    `found_seconds_max` is the longest until somebody works on it again, with nothing but the sweeps alive;
    `ended_seconds_max` until signal, order and fills are at rest, for an exchange that answers and fills.
    """

    name: str
    signal: SignalState | None
    order: OrderState | None
    attempts: frozenset[AttemptState]  # of the newest attempt; empty: there is none
    is_unbooked: bool | None  # None: either way
    durable: str
    found_by: tuple[str, ...]
    found_seconds_max: float
    ended_seconds_max: float
    follows: str
    deaths: tuple[Death, ...]

    def covers(self, state: DurableState) -> bool:
        """Whether this is the point from which `state` is carried on."""
        if self.order is None:
            return state.order is None and state.signal is self.signal
        # An exit has no signal, and is carried on like the order of one.
        return (
            state.order in self._orders
            and (state.attempt in self.attempts if self.attempts else state.attempt is not None)
            and (self.is_unbooked is None or state.is_unbooked is self.is_unbooked)
        )

    @property
    def _orders(self) -> frozenset[OrderState]:
        if self.order is not None and self.order.is_terminal:
            return frozenset(state for state in OrderState if state.is_terminal)
        return frozenset() if self.order is None else frozenset({self.order})


STREAM = "user stream"
ENDED_ATTEMPTS = frozenset(state for state in AttemptState if not state.is_open)

STORED = RecoveryPoint(
    name="stored",
    signal=SignalState.QUEUED,
    order=None,
    attempts=frozenset(),
    is_unbooked=False,
    durable="the signal",
    found_by=("signals.sweep", "signals.dispatch"),
    found_seconds_max=5.0,
    ended_seconds_max=10.0,
    follows="ranked again if the window does not hold it; or EXPIRED, DROPPED, EVICTED with the reason",
    deaths=(
        Death(name="stored_not_ranked", process="web", lost="the offer to the window"),
        Death(name="ranked_loser_not_recorded", process="web", lost="that the window gave its place to a better one"),
        Death(name="ranked_not_hinted", process="web", lost="the hint to dispatch"),
        Death(name="popped_not_marked", process="worker", lost="its place in the window"),
    ),
)
DISPATCHED = RecoveryPoint(
    name="dispatched",
    signal=SignalState.DISPATCHED,
    order=None,
    attempts=frozenset(),
    is_unbooked=False,
    durable="the signal, and that it is a worker's turn",
    found_by=("signals.sweep",),
    found_seconds_max=5.0,
    ended_seconds_max=10.0,
    follows="orders.place again: decided once, under the signal's row lock",
    deaths=(
        Death(name="marked_not_hinted", process="worker", lost="the hint to place the order"),
        Death(name="hint_taken_not_decided", process="worker", lost="the hint, and a decision nobody has seen"),
    ),
)
SENDING = RecoveryPoint(
    name="sending",
    signal=SignalState.ORDERED,
    order=OrderState.SUBMITTED,
    attempts=frozenset({AttemptState.SENDING}),
    is_unbooked=None,
    durable="order, reservation, attempt with its client order id, signed time and recvWindow",
    found_by=("orders.sweep", STREAM, "ess.acknowledge"),
    found_seconds_max=6.0,
    ended_seconds_max=15.0,
    follows="asked for by client order id: adopted, or proved NOT_SENT once its window is over and then chased",
    deaths=(
        Death(name="decided_not_sent", process="worker", lost="the request"),
        Death(name="sent_not_answered", process="worker", lost="whether the exchange took it"),
        Death(name="answered_not_settled", process="worker", lost="the answer"),
        Death(name="booked_not_settled", process="listener", lost="that the fill in the books was the order's last"),
        Death(name="chase_decided_not_sent", process="worker", lost="the request for the remainder"),
        Death(name="chase_answered_not_settled", process="worker", lost="the answer about the remainder"),
    ),
)
UNKNOWN = RecoveryPoint(
    name="unknown",
    signal=SignalState.ORDERED,
    order=OrderState.SUBMITTED,
    attempts=frozenset({AttemptState.UNKNOWN}),
    is_unbooked=None,
    durable="the attempt, since when its outcome is unknown, and how often it was not found",
    found_by=("orders.sweep", STREAM, "ess.acknowledge"),
    found_seconds_max=6.0,
    ended_seconds_max=15.0,
    follows="as SENDING: only the exchange's word ends it",
    deaths=(
        Death(name="unknown_not_hinted", process="worker", lost="the hint to ask"),
        Death(name="asked_not_recorded", process="worker", lost="the exchange's answer to the question"),
    ),
)
CHASING = RecoveryPoint(
    name="chasing",
    signal=SignalState.ORDERED,
    order=OrderState.CHASING,
    attempts=ENDED_ATTEMPTS,
    is_unbooked=None,
    durable="what was executed, what remains, and when its next attempt is due",
    found_by=("orders.sweep",),
    found_seconds_max=5.0,
    ended_seconds_max=12.0,
    follows="orders.chase when due: through every gate again, or ended with a reason",
    deaths=(
        Death(name="settled_not_hinted", process="worker", lost="the hint to chase"),
        Death(name="chase_not_decided", process="worker", lost="the hint, and a decision nobody has seen"),
    ),
)
EXECUTED = RecoveryPoint(
    name="executed",
    signal=SignalState.EXECUTED,
    order=OrderState.FILLED,
    attempts=ENDED_ATTEMPTS,
    is_unbooked=True,
    durable="what was executed; it stays reserved as exposure until it is booked",
    found_by=("orders.sweep", "account.reconcile", STREAM),
    found_seconds_max=5.0,
    ended_seconds_max=8.0,
    follows="orders.collect_fills: each trade into ledger, position and order once",
    deaths=(
        Death(name="filled_not_collected", process="worker", lost="the hint to collect the fills"),
        Death(name="collected_not_booked", process="worker", lost="the trades it had fetched"),
    ),
)

RECOVERY_POINTS: tuple[RecoveryPoint, ...] = (STORED, DISPATCHED, SENDING, UNKNOWN, CHASING, EXECUTED)


def points_of(state: DurableState) -> tuple[RecoveryPoint, ...]:
    """The points that cover a state: exactly one while there is something left to do, none at rest."""
    return tuple(point for point in RECOVERY_POINTS if not state.is_at_rest and point.covers(state))
