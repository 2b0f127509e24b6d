"""The emergency stop: its states, what moves it between them, and the row that every entry must read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.signals import IllegalTransitionError


class EssState(StrEnum):
    """DISABLED trades without automatic trips; ARMED trades and watches; TRIPPED and COOLING_DOWN deny entries."""

    DISABLED = "DISABLED"
    ARMED = "ARMED"
    TRIPPED = "TRIPPED"
    COOLING_DOWN = "COOLING_DOWN"

    @property
    def permits_entries(self) -> bool:
        """Whether a new entry may be sent."""
        return self in (EssState.ARMED, EssState.DISABLED)


class EssEvent(StrEnum):
    """What can happen to the emergency stop."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    TRIPPED = "tripped"
    RESET = "reset"
    COOLED_DOWN = "cooled_down"


ESS_TRANSITIONS: Mapping[EssState, Mapping[EssEvent, EssState]] = {
    EssState.DISABLED: {
        EssEvent.ENABLED: EssState.ARMED,
        EssEvent.TRIPPED: EssState.TRIPPED,  # by the operator; automatic triggers do not act while DISABLED
    },
    EssState.ARMED: {EssEvent.DISABLED: EssState.DISABLED, EssEvent.TRIPPED: EssState.TRIPPED},
    EssState.TRIPPED: {EssEvent.TRIPPED: EssState.TRIPPED, EssEvent.RESET: EssState.COOLING_DOWN},
    EssState.COOLING_DOWN: {
        EssEvent.TRIPPED: EssState.TRIPPED,
        EssEvent.COOLED_DOWN: EssState.ARMED,
    },
}


def next_ess_state(state: EssState, event: EssEvent) -> EssState:
    """The state after `event`; `IllegalTransitionError` when the table has no such arrow."""
    try:
        return ESS_TRANSITIONS[state][event]
    except KeyError as error:
        raise IllegalTransitionError(f"an emergency stop that is {state} cannot be {event}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyStop:
    """The one row. `safe_at` is when a trip was acknowledged: no entry can be accepted by the exchange any more."""

    state: EssState
    trip_reason: str | None
    tripped_at: datetime | None
    tripped_by: str | None
    safe_at: datetime | None
    cooldown_started_at: datetime | None
    cooldown_until: datetime | None
    trip_count: int
    reset_count: int
    flatten_requested: bool
    updated_at: datetime
    # How far a trip has been carried; all three are over when the next trip begins.
    entries_over_at: datetime | None = None  # no entry attempt can still reach the exchange
    orders_canceled_at: datetime | None = None  # the exchange shows no open entry order
    flat_at: datetime | None = None  # asked to flatten: the exchange reports no position
    held_because: str | None = None  # why a cooldown that is over has not armed the stop again
    # The newest policy's version. Every decision locks this row, so none is made by a policy that was replaced.
    policy_version: int | None = None

    @property
    def steps(self) -> Mapping[str, datetime | None]:
        """Each step that a trip has to take, and when it was taken; empty while nothing is tripped."""
        if self.tripped_at is None:
            return {}
        asked = {"flat": self.flat_at} if self.flatten_requested else {}
        return {"entries_over": self.entries_over_at, "orders_canceled": self.orders_canceled_at, **asked}

    @property
    def is_carried_out(self) -> bool:
        """Whether a trip has taken every step: then it is safe."""
        return self.tripped_at is not None and None not in self.steps.values()
