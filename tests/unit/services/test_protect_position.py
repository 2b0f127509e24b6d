"""Every position has its way out at the exchange, through refusals, lost answers and dead workers; or it is closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.fills import FillSource
from app.domain.market import ExchangePosition
from app.domain.protection.orders import Leg, ProtectionState
from app.domain.protection.plan import HOLDING_TIME_OVER, PROTECT_SECONDS_MAX, STOP_PASSED, UNPROTECTED
from app.ports import ConditionalReport, Lane, Rejected, RetryAfter, Unknown
from app.services.protect_position import ACTOR
from app.services.protection_facts import FLATTEN_FIRST_SECONDS
from tests.fakes.exchange import Fills, LosesConditional
from tests.support.desk import Desk
from tests.unit.domain.builders import D, make_fill


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@pytest.fixture
def desk() -> Desk:
    return Desk()


def held(desk: Desk, quantity: str = "0.02", price: str = "50000", trade_id: int = 1001) -> None:
    """A trade of nobody's order: the position is there, here and at the exchange."""
    side = "BUY" if D(quantity) > 0 else "SELL"
    fill = make_fill(trade_id=trade_id, price=D(price), quantity=abs(D(quantity)), order_id=None, client_order_id=None)
    desk.book([replace(fill, side=type(fill.side)(side), source=FillSource.RECONCILIATION, traded_at=desk.clock.now())])
    position = desk.position("BTCUSDT")
    desk.exchange.held_positions = [
        ExchangePosition(
            symbol="BTCUSDT",
            quantity=position.quantity,
            entry_price=position.entry_price,
            mark_price=D("50000"),
            unrealised_pnl=D(0),
        )
    ]


def live(desk: Desk) -> dict[Leg, list]:
    with desk.unit_of_work() as uow:
        found = uow.protection.live(limit=100)
    return {leg: [each for each in found if each.leg is leg] for leg in Leg}


def guard(desk: Desk):
    with desk.unit_of_work() as uow:
        return uow.protection.guard("BTCUSDT")


def standing(desk: Desk) -> dict[str, str]:
    """What the exchange has open."""
    return {each.client_algo_id: str(each.quantity) for each in desk.exchange.open_conditional_orders()}


def audits(desk: Desk) -> list[str]:
    return [row["reason"] for row in desk.database.state.audit if row["actor"] == ACTOR]


def test_a_filled_entry_gets_a_stop_and_a_target_of_its_size(desk: Desk) -> None:
    signal_id = desk.placed()
    desk.collect(desk.order_of(signal_id).order_id)
    assert any(sent.task == "protections.tend" for sent in desk.tasks.sent)
    desk.protect("BTCUSDT")
    position = desk.position("BTCUSDT")
    assert position.quantity > 0
    for leg, orders in live(desk).items():
        assert [(each.quantity, each.state) for each in orders] == [(position.quantity, ProtectionState.WORKING)], leg
    assert position.stop_price < position.entry_price < position.target_price
    sent = desk.exchange.conditional_sent
    assert {each.side.value for each in sent} == {"SELL"}


def test_the_levels_of_a_short_position_lie_the_other_way_round(desk: Desk) -> None:
    held(desk, "-0.02")
    desk.protect("BTCUSDT")
    position = desk.position("BTCUSDT")
    assert position.target_price < position.entry_price < position.stop_price
    assert {each.side.value for each in desk.exchange.conditional_sent} == {"BUY"}


def test_doing_it_again_sends_nothing(desk: Desk) -> None:
    held(desk)
    assert desk.protect("BTCUSDT")
    assert not desk.protect("BTCUSDT")
    desk.sweep_protections()
    assert len(desk.exchange.conditional_sent) == 2


def test_a_late_fill_is_protected_before_the_smaller_stop_goes(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    first = set(standing(desk))
    held(desk, "0.01", trade_id=1002)
    desk.protect("BTCUSDT")
    assert first < set(standing(desk)), "the old ones stand until the new ones are confirmed"
    desk.sweep_protections()
    assert not first & set(standing(desk))
    assert set(standing(desk).values()) == {"0.03"}
    assert desk.position("BTCUSDT").stop_price is not None


def test_a_position_that_shrinks_has_its_orders_cut_down(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    held(desk, "-0.005", trade_id=1002)
    desk.sweep_protections()
    desk.sweep_protections()
    assert set(standing(desk).values()) == {"0.015"}


def test_a_closed_position_leaves_no_order_and_no_guard(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    held(desk, "-0.02", trade_id=1002)
    desk.protect("BTCUSDT")
    assert standing(desk) == {}
    assert guard(desk) is None
    assert live(desk) == {Leg.STOP: [], Leg.TARGET: []}


def test_a_turned_position_is_protected_on_its_new_side(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    held(desk, "-0.05", trade_id=1002)
    desk.protect("BTCUSDT")
    desk.sweep_protections()
    orders = [each for of_leg in live(desk).values() for each in of_leg]
    assert {(each.side.value, each.quantity) for each in orders} == {("BUY", D("0.03"))}


def test_a_fired_stop_becomes_an_exit_with_its_fills_and_the_target_goes(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    stop = live(desk)[Leg.STOP][0]
    report = desk.exchange.fire(stop.client_algo_id, price=stop.trigger_price)
    desk.hear_protection(report)
    with desk.unit_of_work() as uow:
        order = uow.orders.get(stop.order_id)
    assert (order.purpose.value, order.reason_code, order.state.value) == ("EXIT", "STOP_LOSS", "SUBMITTED")
    desk.resolve(stop.client_algo_id)
    desk.collect(stop.order_id)
    with desk.unit_of_work() as uow:
        order = uow.orders.get(stop.order_id)
        assert [fill.order_id for fill in uow.ledger.fills_of(stop.order_id)] == [stop.order_id]
    assert (order.state.value, order.booked_quantity) == ("FILLED", D("0.02"))
    assert desk.position("BTCUSDT").quantity == 0
    desk.sweep_protections()
    assert standing(desk) == {}


def test_the_fill_of_a_stop_may_be_the_first_to_tell_that_it_fired(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    stop = live(desk)[Leg.STOP][0]
    report = desk.exchange.fire(stop.client_algo_id, price=stop.trigger_price)
    trade = desk.exchange.trades("BTCUSDT")[-1]
    fill = make_fill(
        trade_id=99,
        exchange_order_id=trade.exchange_order_id,
        client_order_id="what-the-exchange-called-it",
        order_id=None,
        side=stop.side,
        quantity=D("0.02"),
        price=stop.trigger_price,
    )
    desk.hear_protection(report)
    desk.book([fill])
    with desk.unit_of_work() as uow:
        assert [each.trade_id for each in uow.ledger.fills_of(stop.order_id)] == [99]
    desk.book([replace(fill, client_order_id=stop.client_algo_id)])
    with desk.unit_of_work() as uow:
        assert len(uow.ledger.fills_of(stop.order_id)) == 1


@pytest.mark.parametrize("accepted", [True, False])
def test_a_lost_answer_is_asked_for_and_never_sent_twice(desk: Desk, accepted: bool) -> None:
    held(desk)
    desk.exchange.script_conditional(LosesConditional(accepted=accepted))
    desk.protect("BTCUSDT")
    assert [each.state for each in live(desk)[Leg.STOP]] == [ProtectionState.UNKNOWN]
    assert desk.position("BTCUSDT").stop_price is None, "nothing unconfirmed is shown"
    for _ in range(5):
        desk.later(2)
        desk.sweep_protections()
    sent = [each for each in desk.exchange.conditional_sent if each.leg is Leg.STOP]
    assert len(sent) == (1 if accepted else 2)
    assert [each.state for each in live(desk)[Leg.STOP]] == [ProtectionState.WORKING]
    stops = [each for each in desk.exchange.open_conditional_orders() if each.trigger_price < D("50000")]
    assert len(stops) == 1


# Where a worker may die, as what the exchange does before it is gone, and how many stops are sent in all.
@pytest.mark.parametrize("where", ["decided_not_sent", "sent_not_answered", "answered_not_settled"])
def test_continues_from(desk: Desk, where: str) -> None:
    held(desk)
    killing = {
        "decided_not_sent": lambda order: (_ for _ in ()).throw(Killed),
        "sent_not_answered": lambda order: (submit(order), (_ for _ in ()).throw(Killed)),
    }
    submit = desk.exchange.submit_conditional
    if where == "answered_not_settled":
        settle = desk.protect.settle
        object.__setattr__(desk.protect, "settle", lambda *_: (_ for _ in ()).throw(Killed))
    else:
        desk.exchange.submit_conditional = killing[where]
    with pytest.raises(Killed):
        desk.protect("BTCUSDT")
    desk.exchange.submit_conditional = submit
    if where == "answered_not_settled":
        object.__setattr__(desk.protect, "settle", settle)
    assert len(live(desk)[Leg.STOP]) == 1
    for _ in range(6):
        desk.later(1.5)
        desk.sweep_protections()
    assert len(standing(desk)) == 2
    assert desk.position("BTCUSDT").stop_price is not None


def test_continues_from_a_cancel_that_was_asked_for_and_not_sent(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    held(desk, "-0.02", trade_id=1002)
    cancel = desk.exchange.cancel_conditional

    def dies(_: str) -> bool:
        raise Killed

    desk.exchange.cancel_conditional = dies
    with pytest.raises(Killed):
        desk.protect("BTCUSDT")
    desk.exchange.cancel_conditional = cancel
    for _ in range(3):
        desk.later(4)
        desk.sweep_protections()
    assert standing(desk) == {}
    assert live(desk) == {Leg.STOP: [], Leg.TARGET: []}


def test_continues_from_a_trigger_that_nobody_heard_of(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    stop = live(desk)[Leg.STOP][0]
    desk.exchange.fire(stop.client_algo_id, price=stop.trigger_price)
    desk.later(10)
    desk.reconcile_protections()
    desk.resolve(stop.client_algo_id)
    desk.collect(stop.order_id)
    desk.sweep_protections()
    assert desk.position("BTCUSDT").quantity == 0
    assert standing(desk) == {}


def test_a_position_that_cannot_be_protected_in_time_is_closed_and_says_so(desk: Desk) -> None:
    held(desk)
    desk.exchange.script_conditional(*[Rejected(code="-4045", message="too many")] * 60)
    desk.exchange.script(Fills(price=D("50000")))
    seconds = 0.0
    while not audits(desk) and seconds < 60:
        desk.later(1.5)
        seconds += 1.5
        desk.sweep_protections()
    assert audits(desk) == [UNPROTECTED]
    assert PROTECT_SECONDS_MAX < seconds <= PROTECT_SECONDS_MAX + 3
    exits = [attempt for attempt in desk.exchange.submitted if attempt.reduce_only]
    assert [(each.order_type.value, each.quantity) for each in exits] == [("MARKET", D("0.02"))]
    told = [each.event for each in desk.events.read(after=0, block_seconds=0, limit=10_000)]
    alerts = [event for event in told if event.type.value == "health_alert"]
    assert len(alerts) == 1


def test_a_stop_that_the_price_has_passed_is_closed_at_once(desk: Desk) -> None:
    held(desk)
    desk.exchange.script_conditional(Rejected(code="-2021", message="would trigger"))
    desk.exchange.script(Unknown(reason="slow"))
    desk.protect("BTCUSDT")
    desk.protect("BTCUSDT")
    assert audits(desk) == [STOP_PASSED]
    assert len([each for each in desk.exchange.submitted if each.reduce_only]) == 1
    desk.protect("BTCUSDT")
    assert len([each for each in desk.exchange.submitted if each.reduce_only]) == 1, "one exit at a time"


def test_a_refusal_is_not_repeated_at_once(desk: Desk) -> None:
    held(desk)
    desk.exchange.script_conditional(RetryAfter(code="-1015", message="too many", seconds=1.0))
    desk.protect("BTCUSDT")
    assert len([each for each in desk.exchange.conditional_sent if each.leg is Leg.STOP]) == 1
    desk.protect("BTCUSDT")
    assert len([each for each in desk.exchange.conditional_sent if each.leg is Leg.STOP]) == 1
    desk.later(1.5)
    desk.sweep_protections()
    assert len(live(desk)[Leg.STOP]) == 1


def test_a_position_held_for_too_long_is_closed(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    desk.exchange.script(Unknown(reason="slow"))
    desk.later(36 * 3600 + 1)
    desk.sweep_protections()
    assert audits(desk) == [HOLDING_TIME_OVER]
    assert len([each for each in desk.exchange.submitted if each.reduce_only]) == 1
    assert len(standing(desk)) == 2, "what protects stays until the position is gone"


def test_a_stop_that_somebody_took_away_is_placed_again(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    stop = live(desk)[Leg.STOP][0]
    desk.exchange.cancel_conditional(stop.client_algo_id)
    desk.later(10)
    desk.reconcile_protections()
    assert desk.position("BTCUSDT").stop_price is None
    desk.sweep_protections()
    assert len(standing(desk)) == 2
    assert desk.position("BTCUSDT").stop_price == stop.trigger_price


def test_an_orphan_is_cancelled_and_a_strangers_order_is_left_alone(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    ours = ConditionalReport(
        client_algo_id="p" + "a" * 26 + "-1", symbol="ETHUSDT", status="NEW", quantity=D(1), trigger_price=D(1)
    )
    theirs = replace(ours, client_algo_id="by-hand")
    desk.exchange.conditionals |= {each.client_algo_id: each for each in (ours, theirs)}
    assert desk.reconcile_protections() == 1
    assert len(standing(desk)) == 3
    assert "by-hand" in standing(desk)


def test_the_stop_follows_the_price_and_never_goes_back(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    first = desk.position("BTCUSDT").stop_price
    seen = [first]
    for mark in ("50600", "51200", "52000", "50500", "51000"):
        desk.clock.advance(2)
        desk.refresh_market(mark_price=D(mark))
        desk.sweep_protections()
        desk.sweep_protections()
        seen.append(desk.position("BTCUSDT").stop_price)
    assert seen == sorted(seen)
    assert seen[-1] > D("50000"), "past breakeven"
    assert len(standing(desk)) == 2


def test_no_gate_and_no_stop_keeps_a_position_from_being_protected(desk: Desk) -> None:
    held(desk)
    desk.trip(actor="operator", reason="test")
    desk.protect("BTCUSDT")
    assert len(standing(desk)) == 2
    desk.acknowledge()
    assert len(standing(desk)) == 2, "a trip that does not flatten leaves what protects"


def test_a_flattening_trip_keeps_the_stop_until_the_position_is_gone(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    desk.trip(actor="operator", reason="test", flatten=True)
    desk.exchange.script(*[Rejected(code="-1111", message="not now")] * 20)
    desk.acknowledge()
    assert len(standing(desk)) == 2
    assert not desk.stop().steps["orders_canceled"]
    desk.exchange.held_positions = []
    desk.later(1)
    desk.acknowledge()
    assert standing(desk) == {}


def test_without_redis_no_mark_is_known_and_the_position_is_protected_all_the_same(desk: Desk) -> None:
    held(desk)
    desk.market.forget("BTCUSDT")
    desk.sweep_protections()
    assert len(standing(desk)) == 2


def test_protective_orders_leave_half_of_the_reserve_to_exits(desk: Desk) -> None:
    held(desk)
    desk.protect("BTCUSDT")
    assert [each for each in desk.budget.acquired if each[1]] == [(0, 1, Lane.PROTECTION)] * 2


def test_what_is_being_flattened_is_left_to_the_flatten(desk: Desk) -> None:
    held(desk)
    desk.trip(actor="operator", reason="out", flatten=True)
    before = len(desk.budget.acquired)
    desk.protect("BTCUSDT")
    desk.sweep_protections()
    assert desk.budget.acquired[before:] == []
    assert standing(desk) == {}


def test_a_flatten_that_takes_long_leaves_nothing_bare(desk: Desk) -> None:
    held(desk)
    desk.trip(actor="operator", reason="out", flatten=True)
    desk.later(FLATTEN_FIRST_SECONDS)
    desk.sweep_protections()
    assert len(standing(desk)) == 2


def test_a_trip_that_flattens_nothing_leaves_protection_as_it_was(desk: Desk) -> None:
    held(desk)
    desk.trip(actor="operator", reason="stop")
    desk.protect("BTCUSDT")
    assert len(standing(desk)) == 2
