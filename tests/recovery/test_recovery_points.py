"""A worker is killed exactly at each recovery point; the order ends once, with the right fills, in the time promised.

All deaths happen on one floor, one after the other, while a healthy worker and beat are running; no listener helps, so
what is measured is the sweeps alone. The healthy worker is frozen where it could take away what is to die.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.orders import AttemptState, OrderState
from app.domain.recovery_points import RECOVERY_POINTS, Death, DurableState, RecoveryPoint, points_of
from app.domain.signals import SignalState
from tests.recovery.dooms import DOOMS
from tests.recovery.floor import SYMBOLS, Child, Floor, Nursery
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ALL: list[tuple[RecoveryPoint, Death]] = [(point, death) for point in RECOVERY_POINTS for death in point.deaths]
EVERY_ONE_ENDS_SECONDS_MAX = 40.0
POLL_SECONDS = 0.05
INTAKE = ("stored_not_ranked", "ranked_not_hinted", "ranked_loser_not_recorded")
DISPATCHING = ("popped_not_marked", "marked_not_hinted")
# Where the healthy worker's own sweep could be quicker than the one that is to die.
CONTENDED = (
    *DISPATCHING,
    "ranked_not_hinted",
    "chase_not_decided",
    "chase_decided_not_sent",
    "chase_answered_not_settled",
)
PARTLY_FILLED = ("settled_not_hinted", "chase_not_decided", "chase_decided_not_sent", "chase_answered_not_settled")
ACCEPTED_SILENTLY = ("unknown_not_hinted", "asked_not_recorded")
AS_WORKER = tuple(name for name in DOOMS if name not in (*INTAKE, "booked_not_settled"))


@dataclass
class Case:
    """One death and what was seen afterwards; times in seconds after it, without those in which the only healthy
    worker was frozen for the staging of other deaths."""

    name: str
    signal_id: str
    symbol: str
    died_at: datetime | None = None
    frozen_before: float = 0.0
    before: object = None
    found_seconds: float | None = None
    ended_seconds: float | None = None
    states: list[object] = field(default_factory=list)


def view(floor: Floor, signal_id: str) -> object:
    """Everything durable of a signal that changes when somebody works on it."""
    with floor.system.unit_of_work() as uow:
        stored = uow.signals.get(signal_id)
        order = uow.orders.by_signal(signal_id)
        attempts = [] if order is None else uow.orders.attempts(order.order_id)
    return (
        None if stored is None else stored.state.value,
        None if order is None else (order.state.value, str(order.executed_quantity), str(order.booked_quantity)),
        tuple((each.number, each.state.value, str(each.last_asked_at)) for each in attempts),
    )


def stage(floor: Floor, nursery: Nursery, healthy: Child, case: Case) -> None:
    """Bring the process named like the death to its place, and see it die there."""
    if case.name in INTAKE:
        more = {"signal_id": case.signal_id, "symbol": case.symbol, "confidence": "0.9"}
        environment = {}
        if case.name == "ranked_loser_not_recorded":
            # A window of one place: the new signal takes that of an older one, which is the one that is followed.
            environment = {"QT_SIGNAL_QUEUE_MAX": "1"}
            more["signal_id"] = f"{case.signal_id}-winner"
            with healthy.frozen():
                floor.system.admit_signals([floor.signal(case.signal_id, case.symbol, confidence="0.6")])
                nursery.start(case.name, doom=case.name, role="intake", signal=more, environment=environment)
                case.died_at = nursery.wait_death(case.name)
                case.before = view(floor, case.signal_id)
                assert case.signal_id not in floor.system.window.members()
            return
        # Nobody else's hint is pending: this process has to send one.
        floor.system.dispatch_signals.latch.release_hint("dispatch")
        nursery.start(case.name, doom=case.name, role="intake", signal=more, environment=environment)
    elif case.name in DISPATCHING:
        floor.system.admit_signals([floor.signal(case.signal_id, case.symbol, confidence="0.99")])
        floor.send("signals.dispatch", case.name)
    elif case.name == "collected_not_booked":
        floor.dispatched(case.signal_id, case.symbol)
        floor.send("orders.place", case.name, signal_id=case.signal_id)
        wait_until(
            lambda: case.signal_id in {s for s, each in floor.books().signals.items() if each.state == "EXECUTED"},
            seconds=5,
            what="the order to be filled",
        )
        floor.send("orders.collect_fills", case.name, order_id=floor.order_id_of(case.signal_id))
    else:
        floor.dispatched(case.signal_id, case.symbol)
        floor.send("orders.place", case.name, signal_id=case.signal_id)
    try:
        case.died_at = nursery.wait_death(case.name)
    except AssertionError as error:
        with floor.system.unit_of_work() as uow:
            raise AssertionError(f"{error}\n{uow.signals.get(case.signal_id)}") from None
    case.before = view(floor, case.signal_id)


def faults_of(case: Case) -> list[dict[str, object]]:
    common = {"symbol": case.symbol, "count": 1}
    if case.name in PARTLY_FILLED:
        return [{"kind": "partial_fill", "share": "0.5", **common}]
    if case.name in ACCEPTED_SILENTLY:
        return [{"kind": "http_error", "status": 503, "text": "unknown", "accepted": True, **common}]
    if case.name in ("sent_not_answered",):
        return [{"kind": "delay_reply", "delay_ms": 2_000, **common}]
    return []


@pytest.fixture(scope="module")
def aftermath(floor: Floor, healthy: Child) -> Iterator[dict[str, Case]]:
    """Every death staged and waited for."""
    nursery = floor.nursery()
    for name in AS_WORKER:
        nursery.start(name, doom=name)
    nursery.wait_ready(AS_WORKER)
    cases = {
        death.name: Case(death.name, f"s-{death.name}", SYMBOLS[number % len(SYMBOLS)])
        for number, (_, death) in enumerate(ALL)
        if death.name != "booked_not_settled"
    }
    for case in cases.values():
        floor.exchange.clear_faults()
        floor.exchange.faults(*faults_of(case))
        if case.name in INTAKE:
            floor.promised.append(case.signal_id)
        if case.name in CONTENDED:
            with healthy.frozen():
                stage(floor, nursery, healthy, case)
        else:
            stage(floor, nursery, healthy, case)
        case.frozen_before = healthy.frozen_seconds
        look(floor, healthy, cases)
    watch(floor, healthy, cases)
    listening(floor, nursery, healthy, cases)
    yield cases
    for case in cases.values():
        print(f"{case.name:28} found {case.found_seconds} ended {case.ended_seconds}")


def patience() -> float:
    """The times of the table are those of a machine that has time for its sweeps; a starved one gets three times as
    much."""
    return 3.0 if os.getloadavg()[0] > 3 * (os.cpu_count() or 1) else 1.0


def look(floor: Floor, healthy: Child, cases: dict[str, Case]) -> bool:
    """Note what has happened to the cases that are waiting; whether all have ended."""
    for case in cases.values():
        if case.died_at is None or case.ended_seconds is not None:
            continue
        now = view(floor, case.signal_id)
        frozen = healthy.frozen_seconds - case.frozen_before
        seconds = (datetime.now(UTC) - case.died_at).total_seconds() - frozen
        if case.found_seconds is None and now != case.before:
            case.found_seconds = seconds
        if not case.states or case.states[-1] != now:
            case.states.append(now)
        if floor.is_settled(case.signal_id):
            case.ended_seconds = seconds
    return all(case.ended_seconds is not None for case in cases.values() if case.died_at is not None)


def watch(floor: Floor, healthy: Child, cases: dict[str, Case]) -> None:
    deadline = time.monotonic() + EVERY_ONE_ENDS_SECONDS_MAX
    while not look(floor, healthy, cases) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def listening(floor: Floor, nursery: Nursery, healthy: Child, cases: dict[str, Case]) -> None:
    """The one death of the listener: the fill is in the books, the attempt that it ends is still open."""
    name = "booked_not_settled"
    case = cases[name] = Case(name, f"s-{name}", "BTCUSDT")
    floor.exchange.clear_faults()
    floor.exchange.faults({"kind": "delay_reply", "delay_ms": 2_000, "symbol": case.symbol, "count": 1})
    nursery.start(name, doom=name, role="listener")
    nursery.start("worker-beside-it", doom="sent_not_answered")
    nursery.wait_ready(["worker-beside-it", name])
    floor.dispatched(case.signal_id, case.symbol)
    floor.send("orders.place", "worker-beside-it", signal_id=case.signal_id)
    first = nursery.wait_death(name)
    case.died_at = max(first, nursery.wait_death("worker-beside-it"))
    case.before = view(floor, case.signal_id)
    case.frozen_before = healthy.frozen_seconds
    watch(floor, healthy, cases)


@pytest.mark.parametrize(("point", "death"), ALL, ids=[death.name for _, death in ALL])
def test_whoever_dies_there_the_order_ends_once_in_the_time_promised(
    aftermath: dict[str, Case], floor: Floor, point: RecoveryPoint, death: Death
) -> None:
    case = aftermath[death.name]
    assert case.ended_seconds is not None, f"{case.before}\n{case.states}\n{floor.said()}"
    assert case.found_seconds is not None
    assert case.found_seconds <= point.found_seconds_max * patience(), case.states
    assert case.ended_seconds <= point.ended_seconds_max * patience(), case.states
    with floor.system.unit_of_work() as uow:
        stored = uow.signals.get(case.signal_id)
        order = uow.orders.by_signal(case.signal_id)
        assert stored is not None
        assert order is not None
        attempts = uow.orders.attempts(order.order_id)
        fills = uow.ledger.fills_of(order.order_id)
    assert stored.state is SignalState.EXECUTED
    assert order.executed_quantity == sum((fill.quantity for fill in fills), Decimal(0)) == order.booked_quantity
    assert Decimal("0.9") * order.quantity <= order.executed_quantity <= order.quantity
    accepted = floor.accepted(case.signal_id)
    # One order at the exchange for each attempt that it took on, and none for one that was never sent.
    assert sorted(each["client_order_id"] for each in accepted) == sorted(
        each.client_order_id for each in attempts if each.state is not AttemptState.NOT_SENT
    )


def test_every_death_left_the_state_of_its_point(aftermath: dict[str, Case]) -> None:
    for point, death in ALL:
        signal, order, attempts = aftermath[death.name].before  # type: ignore[misc]
        state = DurableState(
            signal=SignalState(signal),
            order=None if order is None else OrderState(order[0]),
            attempt=AttemptState(attempts[-1][1]) if attempts else None,
            is_unbooked=order is not None and Decimal(order[1]) > Decimal(order[2]),
        )
        assert points_of(state) == (point,), death.name


def test_after_all_of_it_every_promise_holds(aftermath: dict[str, Case], floor: Floor) -> None:
    wait_until(lambda: floor.books().under_way() is None, seconds=20, what="everything to be settled")
    floor.assert_promises_hold()
