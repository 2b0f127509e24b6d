"""Gate: does the emergency stop permit entries?"""

from __future__ import annotations

from app.domain.ess import EmergencyStop, EssState
from app.domain.gates.verdicts import Verdict, denied, passed

GATE = "emergency_stop"
EMERGENCY_STOP_UNKNOWN = "EMERGENCY_STOP_UNKNOWN"
EMERGENCY_STOP_TRIPPED = "EMERGENCY_STOP_TRIPPED"
EMERGENCY_STOP_COOLING_DOWN = "EMERGENCY_STOP_COOLING_DOWN"


def check_emergency_stop(*, emergency_stop: EmergencyStop | None) -> Verdict:
    """Deny unless the row, read under its lock, is known to permit entries (ARMED or DISABLED)."""
    if emergency_stop is None:
        return denied(GATE, EMERGENCY_STOP_UNKNOWN, state=None)
    state = emergency_stop.state
    if state.permits_entries:
        return passed(GATE, state=state.value)
    if state is EssState.COOLING_DOWN:
        return denied(
            GATE, EMERGENCY_STOP_COOLING_DOWN, state=state.value, cooldown_until=emergency_stop.cooldown_until
        )
    return denied(
        GATE,
        EMERGENCY_STOP_TRIPPED,
        state=state.value,
        tripped_at=emergency_stop.tripped_at,
        trip_reason=emergency_stop.trip_reason,
    )
