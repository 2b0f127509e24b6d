"""The stop trips by itself when it must, never while disabled, writes down what it saw, and arms only when healthy."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.ess import EssState
from app.domain.market import ExchangePosition
from app.domain.money import ZERO
from app.domain.orders import AttemptState
from app.ports import Rejected, RetryAfter, Unknown
from app.services.reset_ess import Refused
from app.services.switch_ess import SwitchEss
from tests.fakes.exchange import Fills
from tests.support.desk import Desk
from tests.unit.domain.builders import make_account

D = Decimal


def audit_of(desk: Desk, action: str) -> list:
    return [row for row in desk.database.state.audit if row["action"] == action]


def account(desk: Desk, **changes: Decimal) -> None:
    with desk.unit_of_work() as uow:
        uow.ledger.save_account(make_account(observed_at=desk.clock.now(), **changes))
        uow.commit()


def test_a_day_that_cost_too_much_trips_and_the_audit_holds_the_numbers():
    desk = Desk()
    desk.watch()
    assert desk.stop().state is EssState.ARMED
    account(desk, unrealised_pnl=D(-500))
    desk.watch()
    stop = desk.stop()
    assert (stop.state, stop.tripped_by) == (EssState.TRIPPED, "watch")
    assert stop.trip_reason == "DAILY_DRAWDOWN: loss=500, maximum=500, equity=9500, start_of_day_equity=10000"
    (row,) = audit_of(desk, "ess_tripped")
    seen = {each["trigger"]: each for each in row["detail"]["readings"]}
    assert seen["DAILY_DRAWDOWN"]["numbers"]["loss"] == "500"
    assert len(seen) == 7
    desk.placed(desk.signal("a"))
    assert desk.stored("a").reason_code == "EMERGENCY_STOP_TRIPPED"


def test_a_trigger_that_goes_on_firing_trips_once():
    desk = Desk()
    account(desk, unrealised_pnl=D(-2000))
    for _ in range(5):
        desk.watch()
    assert desk.stop().trip_count == 1
    assert len(audit_of(desk, "ess_tripped")) == 1


def test_disabled_no_trigger_acts_and_the_operator_still_can():
    desk = Desk()
    switch = SwitchEss(desk.unit_of_work, desk.clock)
    assert switch(actor="ann", reason="maintenance", enabled=False).state is EssState.DISABLED
    account(desk, unrealised_pnl=D(-2000))
    desk.watch()
    assert desk.stop().state is EssState.DISABLED
    desk.trip(actor="watch", reason="any", automatic=True)
    assert desk.stop().state is EssState.DISABLED
    assert desk.trip(actor="ann", reason="by hand").state is EssState.TRIPPED
    assert [(row["actor"], row["reason"]) for row in audit_of(desk, "ess_disabled")] == [("ann", "maintenance")]


def test_enabling_again_lets_the_triggers_act():
    desk = Desk()
    switch = SwitchEss(desk.unit_of_work, desk.clock)
    switch(actor="ann", reason="maintenance", enabled=False)
    account(desk, unrealised_pnl=D(-2000))
    assert switch(actor="ann", reason="done", enabled=True).state is EssState.ARMED
    desk.watch()
    assert desk.stop().state is EssState.TRIPPED
    refused = switch(actor="ann", reason="no", enabled=False)
    assert isinstance(refused, Refused)


def test_the_fifth_attempt_of_unknown_outcome_in_a_quarter_of_an_hour_trips_although_all_were_resolved():
    desk = Desk()
    desk.change_policy(duplicate_cool_off_seconds=0, position_notional_max=D(100_000))
    for number in range(5):
        desk.watch()
        assert desk.stop().state is EssState.ARMED, number
        desk.exchange.script(Unknown(reason="read timed out"))
        desk.placed(desk.signal(f"s{number}"))
        (attempt,) = desk.attempts_of(f"s{number}")
        for _ in range(2):
            desk.later(5)
            desk.resolve(attempt.client_order_id)
        assert not desk.attempts_of(f"s{number}")[0].state.is_open
    desk.watch()
    assert desk.stop().trip_reason.startswith("EXECUTION_ERRORS: errors=5, maximum=5")


def test_errors_older_than_the_window_are_forgotten():
    desk = Desk()
    desk.change_policy(execution_errors_max=1)
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    for _ in range(2):
        desk.later(5)
        desk.resolve(attempt.client_order_id)
    desk.later(900 - 10)
    assert {each.trigger for each in desk.watch()} == {"EXECUTION_ERRORS"}
    other = Desk()
    other.change_policy(execution_errors_max=1)
    other.exchange.script(Unknown(reason="read timed out"))
    other.placed(other.signal("a"))
    (attempt,) = other.attempts_of("a")
    for _ in range(2):
        other.later(5)
        other.resolve(attempt.client_order_id)
    other.later(900 - 9)
    assert list(other.watch()) == []


def test_an_attempt_that_stays_unknown_trips_after_the_policys_seconds():
    desk = Desk()
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    desk.later(30)
    assert list(desk.watch()) == []
    desk.later(0.001)
    assert [each.trigger for each in desk.watch()] == ["UNKNOWN_TOO_LONG"]
    assert desk.stop().state is EssState.TRIPPED


def test_entries_refused_one_after_the_other_trip_and_busy_ones_that_never_left_do_not():
    desk = Desk()
    desk.change_policy(duplicate_cool_off_seconds=0, rejections_in_a_row_max=3, position_notional_max=D(100_000))
    desk.exchange.script(
        Rejected(code="-2019", message="Margin is insufficient."),
        RetryAfter(code="NOT_SENT", message="connection refused", seconds=1),
        Rejected(code="-2019", message="Margin is insufficient."),
        Rejected(code="-2019", message="Margin is insufficient."),
    )
    for number in range(4):
        assert desk.stop().state is EssState.ARMED, number
        desk.placed(desk.signal(f"s{number}"))
        desk.watch()
    assert desk.stop().trip_reason == ("REPEATED_REJECTIONS: in_a_row=3, maximum=3, codes=-2019x3")


def held_position(desk: Desk) -> None:
    with desk.unit_of_work() as uow:
        position = uow.ledger.lock_position("BTCUSDT")
        uow.ledger.save_position(replace(position, quantity=D("0.1"), entry_price=D(50_000)))
        uow.commit()


def test_prices_that_stop_while_something_is_held_trip_and_while_flat_do_not():
    desk = Desk()
    desk.clock.advance(31)
    assert list(desk.watch()) == []
    held_position(desk)
    assert [each.trigger for each in desk.watch()] == ["STALE_MARKET_DATA"]


def test_a_price_that_is_missing_altogether_counts_from_when_it_was_first_missed():
    desk = Desk()
    held_position(desk)
    desk.market.forget("BTCUSDT")
    assert list(desk.watch()) == []
    desk.clock.advance(30)
    assert list(desk.watch()) == []
    desk.clock.advance(1)
    assert [each.trigger for each in desk.watch()] == ["STALE_MARKET_DATA"]


def test_without_a_policy_nothing_is_concluded():
    desk = Desk()
    account(desk, unrealised_pnl=D(-2000))
    desk.database.state.policies.clear()
    desk.policy.invalidate()
    assert list(desk.watch()) == []
    assert desk.stop().state is EssState.ARMED


# ------------------------------------------------------------------------------------------------ carrying a trip on


def held(quantity: str, symbol: str = "BTCUSDT") -> ExchangePosition:
    return ExchangePosition(
        symbol=symbol, quantity=D(quantity), entry_price=D(50_000), mark_price=D(50_000), unrealised_pnl=ZERO
    )


def test_the_steps_of_a_trip_are_taken_in_order_and_shown():
    desk = Desk()
    desk.exchange.script(Unknown(reason="read timed out"))
    desk.placed(desk.signal("a"))
    desk.trip(actor="ann", reason="out", flatten=True)
    assert desk.stop().steps == {"entries_over": None, "orders_canceled": None, "flat": None}
    desk.acknowledge()
    assert not desk.stop().is_carried_out
    for _ in range(2):
        desk.later(5)
        desk.acknowledge()  # resolves by itself: no other worker has to run
    stop = desk.stop()
    assert stop.is_carried_out
    assert stop.safe_at == desk.clock.now()
    assert desk.attempts_of("a")[0].state is AttemptState.NOT_SENT
    (row,) = audit_of(desk, "ess_safe")
    assert set(row["detail"]["seconds_after_trip"]) == {"entries_over", "orders_canceled", "flat"}


def test_a_trip_that_is_to_flatten_is_not_safe_before_the_exchange_reports_zero():
    desk = Desk()
    desk.exchange.held_positions = [held("0.5"), held("-0.2", "ETHUSDT")]
    desk.exchange.script(
        Fills(share=D("0.4"), price=D(50_000)),
        Rejected(code="-2022", message="ReduceOnly Order is rejected."),
        RetryAfter(code="-1003", message="Too many requests", seconds=1),
        Fills(price=D(50_000)),
        Fills(price=D(50_000)),
    )
    desk.trip(actor="ann", reason="out", flatten=True)
    for _ in range(4):
        desk.acknowledge()
        desk.later(1)
    assert desk.exchange.held_positions == []
    assert desk.stop().safe_at is not None
    assert all(each.reduce_only for each in desk.exchange.submitted)


def test_exits_of_unknown_outcome_are_resolved_and_the_rest_is_closed():
    desk = Desk()
    desk.exchange.held_positions = [held("0.5")]
    desk.exchange.script(Unknown(reason="read timed out"), Fills(price=D(50_000)))
    desk.trip(actor="ann", reason="out", flatten=True)
    for _ in range(12):
        desk.acknowledge()
        desk.later(1)
    assert desk.exchange.held_positions == []
    assert desk.stop().safe_at is not None
    assert [each.quantity for each in desk.exchange.submitted] == [D("0.5"), D("0.5")]


def test_to_flatten_also_cancels_conditional_orders_and_a_trip_alone_leaves_them_to_protect():
    desk = Desk()
    desk.exchange.conditional = {"BTCUSDT", "XRPUSDT"}
    desk.trip(actor="ann", reason="stop")
    desk.acknowledge()
    assert desk.stop().safe_at is not None
    assert desk.exchange.conditional == {"BTCUSDT", "XRPUSDT"}
    desk.trip(actor="ann", reason="and out", flatten=True)
    assert desk.stop().safe_at is None  # more was asked for than was done
    for _ in range(2):
        desk.later(1)
        desk.acknowledge()
    assert desk.exchange.conditional == set()
    assert desk.stop().safe_at is not None
    assert desk.stop().trip_count == 1


def test_a_new_trip_begins_with_no_step_taken_and_without_the_old_wish_to_flatten():
    desk = Desk()
    desk.trip(actor="ann", reason="out", flatten=True)
    desk.acknowledge()
    assert desk.stop().safe_at is not None
    desk.reset(actor="ann", reason="over")
    stop = desk.trip(actor="ann", reason="again")
    assert stop.steps == {"entries_over": None, "orders_canceled": None}


# ------------------------------------------------------------------------------------------------ cooldown


def cooled(desk: Desk) -> None:
    desk.trip(actor="ann", reason="stop")
    desk.acknowledge()
    assert not isinstance(desk.reset(actor="ann", reason="looked"), Refused)
    desk.later(900)
    desk.books_agree()


@pytest.mark.parametrize(
    ("trouble", "held_because"),
    [
        (lambda desk: account(desk, unrealised_pnl=D(-500)), "DAILY_DRAWDOWN FIRED"),
        (lambda desk: desk.clock.advance(61), "DAILY_DRAWDOWN UNKNOWN, OPEN_LOSS UNKNOWN, LEDGER_MISMATCH UNKNOWN"),
        (held_position, None),
    ],
)
def test_a_cooldown_arms_only_when_no_trigger_would_fire_and_says_why_else(trouble, held_because):
    desk = Desk()
    cooled(desk)
    trouble(desk)
    for _ in range(3):
        desk.acknowledge()
    stop = desk.stop()
    assert stop.held_because == held_because
    assert stop.state is (EssState.ARMED if held_because is None else EssState.COOLING_DOWN)
    assert len(audit_of(desk, "ess_held")) == (0 if held_because is None else 1)
    desk.refresh_market()
    desk.books_agree()
    desk.acknowledge()
    assert desk.stop().state is EssState.ARMED
    assert desk.stop().held_because is None


def test_while_cooling_down_a_trigger_that_still_fires_does_not_trip_again():
    desk = Desk()
    cooled(desk)
    account(desk, unrealised_pnl=D(-500))
    desk.watch()
    assert desk.stop().state is EssState.COOLING_DOWN
    assert desk.stop().trip_count == 1
