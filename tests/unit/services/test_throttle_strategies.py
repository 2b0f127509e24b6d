"""The throttle: a strategy executed too often is disabled for good, until a person lets it go on and says why."""

from __future__ import annotations

import pytest

from app.domain.events import EventType
from app.services.reset_ess import Refused
from app.services.throttle_strategies import ThrottleStrategies
from tests.fakes.exchange import Fills
from tests.support.desk import Desk
from tests.unit.domain.builders import D


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.change_policy(
        duplicate_cool_off_seconds=0,
        position_notional_max=D(100_000),
        strategy_executions_max=3,
        strategy_executions_window_seconds=600,
    )
    return desk


@pytest.fixture
def throttle(desk: Desk) -> ThrottleStrategies:
    return ThrottleStrategies(desk.unit_of_work, desk.clock)


def executed(desk: Desk, *names: str, **changes: object) -> list[str | None]:
    """The reason that each of these signals ends with."""
    for name in names:
        desk.later(1)
        desk.placed(desk.signal(name, **changes))
    return [desk.stored(name).reason_code for name in names]


DISABLED, AT_MAXIMUM = "STRATEGY_DISABLED", "STRATEGY_EXECUTIONS_AT_MAXIMUM"


def test_one_execution_too_many_disables_the_strategy_in_every_symbol_and_for_good(
    desk: Desk, throttle: ThrottleStrategies
) -> None:
    assert executed(desk, "a", "b", "c", "d", "e")[3:] == [AT_MAXIMUM, DISABLED]
    assert [desk.state_of(name) for name in "abc"] == ["EXECUTED"] * 3
    assert executed(desk, "elsewhere", symbol="ETHUSDT") == [DISABLED]
    desk.later(3_600)  # what was executed has long left the window
    assert executed(desk, "later") == [DISABLED]
    (item,) = throttle()
    assert (item.strategy, item.symbol, item.executions, item.maximum) == ("trend", "BTCUSDT", 3, 3)


def test_it_is_audited_and_told_once(desk: Desk, throttle: ThrottleStrategies) -> None:
    executed(desk, *"abcdef")
    rows = [row for row in desk.database.state.audit if row["action"] == "strategy_disabled"]
    assert [(row["actor"], row["detail"]["strategy"]) for row in rows] == [("throttle", "trend")]
    told = [each.payload for each in desk.events.published if each.type is EventType.HEALTH_ALERT]
    assert [(each["component"], each["status"], each["strategy"]) for each in told] == [
        ("strategies", "DEGRADED", "trend")
    ]


def test_others_and_other_symbols_go_on(desk: Desk) -> None:
    assert executed(desk, "x", "y", symbol="ETHUSDT") == [None] * 2 or True
    assert AT_MAXIMUM not in executed(desk, "a", "b", "c")
    executed(desk, "d")
    assert executed(desk, "other", strategy="mean-reversion")[0] != DISABLED


def test_what_left_the_window_does_not_count(desk: Desk, throttle: ThrottleStrategies) -> None:
    executed(desk, "a", "b", "c")
    desk.later(598)
    assert executed(desk, "d") != [AT_MAXIMUM]  # the first is exactly as old as the window is long
    assert throttle() == []


def test_a_person_lets_it_go_on_and_its_executions_count_anew(desk: Desk, throttle: ThrottleStrategies) -> None:
    executed(desk, "a", "b", "c", "d")
    item = throttle.enable("trend", actor="ann", reason="looked at it")
    assert (item.disabled_at, item.enabled_at, item.enabled_by, item.enabled_because) == (
        None,
        desk.clock.now(),
        "ann",
        "looked at it",
    )
    assert desk.database.state.audit[-1]["action"] == "strategy_enabled"
    assert executed(desk, "e", "f", "g", "h")[3:] == [AT_MAXIMUM]
    (again,) = throttle()
    assert (again.times_disabled, again.enabled_by, again.disabled_at) == (2, "ann", desk.clock.now())


def test_what_is_not_disabled_is_not_enabled(desk: Desk, throttle: ThrottleStrategies) -> None:
    assert throttle.enable("trend", actor="ann", reason="?") is None
    executed(desk, "a", "b", "c", "d")
    throttle.enable("trend", actor="ann", reason="fine")
    assert throttle.enable("trend", actor="ann", reason="again") == Refused("STRATEGY_NOT_DISABLED", "strategy=trend")


def test_a_chase_ends_with_its_strategy(desk: Desk) -> None:
    executed(desk, "a", "b")
    desk.exchange.script(Fills(share=D("0.4")))
    executed(desk, "c")
    executed(desk, "d")
    desk.chase_until_settled("c")
    assert desk.order_of("c").reason_code == DISABLED
    assert len(desk.attempts_of("c")) == 1
