"""Gate: emergency stop."""

import pytest

from app.domain.ess import EssState
from app.domain.gates.emergency_stop import check_emergency_stop
from tests.unit.domain.builders import NOW, ago, denies, make_stop, passes


@pytest.mark.parametrize("state", [EssState.ARMED, EssState.DISABLED])
def test_a_stop_that_permits_entries_passes(state: EssState) -> None:
    assert check_emergency_stop(emergency_stop=make_stop(state)) == passes("emergency_stop", state=state.value)


def test_a_tripped_stop_denies_and_says_since_when_and_why() -> None:
    stop = make_stop(EssState.TRIPPED, tripped_at=ago(60), trip_reason="drawdown")
    assert check_emergency_stop(emergency_stop=stop) == denies(
        "emergency_stop",
        "EMERGENCY_STOP_TRIPPED",
        state="TRIPPED",
        tripped_at="2026-11-22T11:59:00+00:00",
        trip_reason="drawdown",
    )


def test_a_stop_that_is_cooling_down_denies_and_says_until_when() -> None:
    stop = make_stop(EssState.COOLING_DOWN, cooldown_until=NOW)
    assert check_emergency_stop(emergency_stop=stop) == denies(
        "emergency_stop",
        "EMERGENCY_STOP_COOLING_DOWN",
        state="COOLING_DOWN",
        cooldown_until="2026-11-22T12:00:00+00:00",
    )


def test_an_unreadable_stop_denies() -> None:
    assert check_emergency_stop(emergency_stop=None) == denies(
        "emergency_stop", "EMERGENCY_STOP_UNKNOWN", state="unknown"
    )
