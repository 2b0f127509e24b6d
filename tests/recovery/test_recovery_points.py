"""A worker is killed exactly at each recovery point; the order ends once, with the right fills, in the time promised.

All deaths are staged on one floor while nobody else works, so what each left behind is what is seen of it. Then a
healthy worker and beat go on; no listener helps, so what is measured from there is the sweeps alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from app.domain.orders import AttemptState, OrderState
from app.domain.recovery_points import RECOVERY_POINTS, Death, DurableState, RecoveryPoint, points_of
from app.domain.signals import SignalState
from tests.recovery.dooms import DOOMS
from tests.recovery.floor import SYMBOLS, Child, Floor, Nursery

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(900)]

ALL: list[tuple[RecoveryPoint, Death]] = [(point, death) for point in RECOVERY_POINTS for death in point.deaths]
EVERY_ONE_ENDS_SECONDS_MAX = 300.0  # a deadline; what is claimed are the times of the table
POLL_SECONDS = 0.05
LISTENING = "booked_not_settled"
BESIDE_THE_LISTENER = "worker-beside-it"
# Each of these takes whatever the window holds: one after the other, and the one that fills it up last.
DISPATCHING = ("popped_not_marked", "marked_not_hinted")
INTAKE = ("ranked_loser_not_recorded", "stored_not_ranked", "ranked_not_hinted")
PLACING = tuple(name for name in DOOMS if name not in (*DISPATCHING, *INTAKE, LISTENING))
HALF_FILLED = {"kind": "partial_fill", "share": "0.5"}
ACCEPTED_SILENTLY = {"kind": "http_error", "status": 503, "text": "unknown", "accepted": True}
ANSWERED_LATE = {"kind": "delay_reply", "delay_ms": 2_000}
# What the exchange does to the first order of a case, whose symbol is its own for that.
FAULTS: Mapping[str, Mapping[str, object]] = {
    LISTENING: ANSWERED_LATE,
    "sent_not_answered": ANSWERED_LATE,
    "settled_not_hinted": HALF_FILLED,
    "chase_not_decided": HALF_FILLED,
    "chase_decided_not_sent": HALF_FILLED,
    "chase_answered_not_settled": HALF_FILLED,
    "unknown_not_hinted": ACCEPTED_SILENTLY,
    "asked_not_recorded": ACCEPTED_SILENTLY,
}
OWN_SYMBOLS = dict(zip(FAULTS, SYMBOLS, strict=False))
ANY_SYMBOL = SYMBOLS[len(FAULTS)]


@dataclass
class Case:
    """One death and what was seen afterwards; times in seconds since there was a healthy worker again."""

    name: str
    before: object = None
    found_seconds: float | None = None
    ended_seconds: float | None = None
    states: list[object] = field(default_factory=list)
    slower: float = 1.0  # the machine, from the moment on that times are taken until the case ended

    @property
    def signal_id(self) -> str:
        return f"s-{self.name}"

    @property
    def symbol(self) -> str:
        return OWN_SYMBOLS.get(self.name, ANY_SYMBOL)


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


def stage_all(floor: Floor, nursery: Nursery, cases: Mapping[str, Case]) -> None:
    """Bring every process to its place, and see it die there."""
    workers = (*DISPATCHING, *PLACING)
    for name in workers:
        nursery.start(name, doom=name)
    nursery.start(LISTENING, doom=LISTENING, role="listener")
    nursery.start(BESIDE_THE_LISTENER, doom="sent_not_answered")
    nursery.wait_ready([*workers, LISTENING, BESIDE_THE_LISTENER])
    floor.exchange.faults(
        *({**fault, "symbol": cases[name].symbol, "count": 1} for name, fault in FAULTS.items() if name in cases)
    )
    # First the one death of the listener, which would hear of the others' orders too.
    place(floor, cases[LISTENING], BESIDE_THE_LISTENER)
    for name in (LISTENING, BESIDE_THE_LISTENER):
        nursery.wait_death(name)
    for name in PLACING:
        place(floor, cases[name], name)
    # Whoever ends a signal dispatches the next: they are gone before the window holds one that is to wait.
    for name in PLACING:
        try:
            nursery.wait_death(name)
        except AssertionError as error:
            with floor.system.unit_of_work() as uow:
                raise AssertionError(f"{uow.signals.get(cases[name].signal_id)}\n{error}") from None
    for name in DISPATCHING:
        floor.system.admit_signals([floor.signal(cases[name].signal_id, cases[name].symbol, confidence="0.99")])
        floor.send("signals.dispatch", name)
        nursery.wait_death(name)
    for name in INTAKE:
        take_in(floor, nursery, cases[name])


def place(floor: Floor, case: Case, worker: str) -> None:
    floor.dispatched(case.signal_id, case.symbol)
    floor.send("orders.place", worker, signal_id=case.signal_id)


def take_in(floor: Floor, nursery: Nursery, case: Case) -> None:
    """The deaths of the door."""
    signal, environment = {"signal_id": case.signal_id, "symbol": case.symbol, "confidence": "0.9"}, {}
    if case.name == "ranked_loser_not_recorded":
        # A window of one place: the new signal takes that of an older one, which is the one that is followed.
        floor.system.admit_signals([floor.signal(case.signal_id, case.symbol, confidence="0.6")])
        signal["signal_id"] = f"{case.signal_id}-winner"
        environment = {"QT_SIGNAL_QUEUE_MAX": "1"}
    floor.promised.append(signal["signal_id"])
    # Nobody else's hint is pending: this process has to send one.
    floor.system.dispatch_signals.latch.release_hint("dispatch")
    nursery.start(case.name, doom=case.name, role="intake", signal=signal, environment=environment)
    nursery.wait_death(case.name)
    assert (case.signal_id in floor.system.window.members()) is (case.name == "ranked_not_hinted")


@pytest.fixture(scope="module")
def aftermath(floor: Floor, healthy: Child, beat: Child) -> Iterator[dict[str, Case]]:
    """Every death staged and waited for."""
    cases = {death.name: Case(death.name) for _, death in ALL}
    floor.exchange.clear_faults()
    nursery = floor.nursery()
    with floor.stillness(healthy, beat):
        stage_all(floor, nursery, cases)
        for case in cases.values():
            case.before = view(floor, case.signal_id)
    watch(floor, cases)
    yield cases
    for case in cases.values():
        times = f"found {case.found_seconds} ended {case.ended_seconds}"
        print(f"{case.name:28} {times}, machine {case.slower:.2f} times slower than one with room")


def watch(floor: Floor, cases: dict[str, Case]) -> None:
    """Note what happens to the cases until all have ended."""
    began = time.monotonic()
    while (seconds := time.monotonic() - began) < EVERY_ONE_ENDS_SECONDS_MAX:
        waiting = [case for case in cases.values() if case.ended_seconds is None]
        if not waiting:
            return
        for case in waiting:
            now = view(floor, case.signal_id)
            if case.found_seconds is None and now != case.before:
                case.found_seconds = seconds
            if not case.states or case.states[-1] != now:
                case.states.append(now)
            if floor.is_settled(case.signal_id):
                case.ended_seconds = seconds
                case.slower = floor.slowness.since(began)
        time.sleep(POLL_SECONDS)


@pytest.mark.parametrize(("point", "death"), ALL, ids=[death.name for _, death in ALL])
def test_whoever_dies_there_the_order_ends_once_in_the_time_promised(
    aftermath: dict[str, Case], floor: Floor, point: RecoveryPoint, death: Death
) -> None:
    case = aftermath[death.name]
    assert case.ended_seconds is not None, f"{case.before}\n{case.states}\n{floor.said()}"
    assert case.found_seconds is not None
    assert case.found_seconds <= point.found_seconds_max * case.slower, case.states
    assert case.ended_seconds <= point.ended_seconds_max * case.slower, case.states
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
    floor.wait_at_rest()
    floor.assert_promises_hold()
