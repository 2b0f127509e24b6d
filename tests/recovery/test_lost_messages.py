"""What Celery and Redis lose, multiply or deliver late changes nothing: rows decide, and sweeps find them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil
import pytest

from app.domain.orders import Attempt, AttemptState, Order, OrderState
from tests.recovery.dooms import FROZEN_IN_MID_SEND
from tests.recovery.floor import REST_SECONDS_MAX, Child, Floor, Nursery
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(900)]

SWEPT_SECONDS_MAX = 5.0
SWALLOW_TRIES = 10
DELIVERIES = 1_000
THREADS = 8
REPLY_DELAY = timedelta(seconds=1.5)
LATE_TRIES = ("s-late", "s-late-2", "s-late-3", "s-late-4", "s-late-5")  # on a slow machine the reply may win


@pytest.fixture(scope="module")
def frozen_sender(floor: Floor, healthy: Child) -> Iterator[Nursery]:
    """A worker that stopped between its commit and its request; the other tests run while its window passes."""
    nursery = floor.nursery()
    nursery.start(FROZEN_IN_MID_SEND, doom=FROZEN_IN_MID_SEND)
    nursery.wait_ready([FROZEN_IN_MID_SEND])
    floor.dispatched("s-frozen", "LINKUSDT")
    floor.send("orders.place", FROZEN_IN_MID_SEND, signal_id="s-frozen")
    worker = psutil.Process(nursery.pids[FROZEN_IN_MID_SEND])
    wait_until(
        lambda: worker.status() == psutil.STATUS_STOPPED,
        seconds=REST_SECONDS_MAX,
        what="the sender to stop in mid-send",
    )
    yield nursery
    os.kill(worker.pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def _no_faults(floor: Floor) -> Iterator[None]:
    yield
    floor.exchange.clear_faults()


def order_of(floor: Floor, signal_id: str) -> tuple[Order, list[Attempt]]:
    with floor.system.unit_of_work() as uow:
        order = uow.orders.by_signal(signal_id)
        assert order is not None
        return order, list(uow.orders.attempts(order.order_id))


def requests_of(floor: Floor, signal_id: str) -> Counter[str]:
    """How often the exchange was asked for each of our ids, refused requests included."""
    _, attempts = order_of(floor, signal_id)
    ours = {attempt.client_order_id for attempt in attempts}
    return Counter(each["client_order_id"] for each in floor.ledger().orders if each["client_order_id"] in ours)


def all_at_once(action: Callable[[], object]) -> None:
    """Run it in every thread at the same moment; what one of them raises is raised here."""
    barrier = threading.Barrier(THREADS)

    def begin() -> None:
        barrier.wait(REST_SECONDS_MAX)
        action()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin) for _ in range(THREADS)]:
            done.result(REST_SECONDS_MAX)


def swallow(floor: Floor, beat: Child) -> float:
    """Let a message be popped by a worker that is frozen, and kill it; when that was, on the monotonic clock."""
    victim = floor.worker("victim", "orders")
    floor.wait_ready(victim)
    wait_until(
        lambda: floor.waiting("orders") == 0, seconds=REST_SECONDS_MAX, what="the victim to have taken what waited"
    )
    floor.send("orders.sweep")  # the connection that publishes is open from here on
    wait_until(lambda: floor.waiting("orders") == 0, seconds=REST_SECONDS_MAX, what="the victim to be idle")
    with beat.frozen():
        floor.dispatched("s-swallowed", "ETHUSDT")
        for _ in range(SWALLOW_TRIES):
            # A worker asks Redis for a second at a time; frozen between two questions it is given nothing.
            victim.signal(signal.SIGSTOP)
            floor.send("orders.place", signal_id="s-swallowed")
            if floor.waiting("orders") == 0:
                floor.end(victim)
                assert floor.waiting("orders") == 0, "the message came back: this is not the hole"
                return time.monotonic()
            floor.forget("orders")
            victim.signal(signal.SIGCONT)
            wait_until(lambda: floor.waiting("orders") == 0, seconds=REST_SECONDS_MAX, what="the victim to ask again")
    raise AssertionError("the frozen worker was never given a message")


def test_a_message_popped_by_a_frozen_worker_that_is_then_killed_is_made_good_within_five_seconds(
    floor: Floor, healthy: Child, beat: Child, frozen_sender: Nursery
) -> None:
    floor.consume(healthy, "orders", whether=False)
    try:
        killed = swallow(floor, beat)
    finally:
        floor.consume(healthy, "orders", whether=True)
    wait_until(lambda: floor.accepted("s-swallowed"), seconds=REST_SECONDS_MAX, what="the order to reach the exchange")
    took = time.monotonic() - killed
    slower = floor.slowness.since(killed)
    print(f"swallowed message made good after {took:.2f} s, machine {slower:.2f} times slower than one with room")
    assert took <= SWEPT_SECONDS_MAX * slower
    assert sum(requests_of(floor, "s-swallowed").values()) == 1


def test_an_order_delivered_a_thousand_times_to_two_workers_is_one_order_at_the_exchange(
    floor: Floor, healthy: Child, frozen_sender: Nursery
) -> None:
    second = floor.worker("second", "orders")
    floor.wait_ready(second)
    floor.dispatched("s-often", "SOLUSDT")
    with floor.celery.producer_pool.acquire(block=True) as producer:
        for _ in range(DELIVERIES):
            floor.celery.send_task(
                "orders.place", kwargs={"signal_id": "s-often"}, queue="orders", priority=5, producer=producer
            )
    wait_until(lambda: floor.waiting("orders") == 0, seconds=REST_SECONDS_MAX, what="every delivery to be taken")
    wait_until(lambda: floor.is_settled("s-often"), seconds=REST_SECONDS_MAX, what="the order to end")
    floor.end(second)
    order, attempts = order_of(floor, "s-often")
    assert (order.state, len(attempts)) == (OrderState.FILLED, 1)
    assert requests_of(floor, "s-often") == {attempts[0].client_order_id: 1}


def test_a_chase_delivered_to_many_at_the_same_moment_is_one_attempt(
    floor: Floor, healthy: Child, frozen_sender: Nursery
) -> None:
    floor.exchange.faults({"kind": "partial_fill", "share": "0.5", "symbol": "BNBUSDT", "count": 1})
    floor.system.place_order(floor.dispatched("s-chased", "BNBUSDT"))
    order, _ = order_of(floor, "s-chased")
    assert order.state is OrderState.CHASING
    assert order.next_attempt_at is not None
    with healthy.frozen():
        wait = order.next_attempt_at
        wait_until(lambda: datetime.now(UTC) >= wait, seconds=REST_SECONDS_MAX, what="the chase to be due")
        all_at_once(lambda: floor.system.chase_remainder(UUID(floor.order_id_of("s-chased"))))
    order, attempts = order_of(floor, "s-chased")
    assert order.state is OrderState.FILLED
    assert [attempt.number for attempt in attempts] == [1, 2]
    assert set(requests_of(floor, "s-chased").values()) == {1}
    assert order.executed_quantity <= order.quantity


@pytest.mark.parametrize("accepted", [True, False])
def test_resolving_in_many_threads_settles_an_unknown_attempt_once(
    floor: Floor, healthy: Child, frozen_sender: Nursery, accepted: bool
) -> None:
    symbol, signal_id = ("XRPUSDT", "s-asked") if accepted else ("ADAUSDT", "s-asked-in-vain")
    fault = {"kind": "http_error", "status": 503, "text": "unknown", "accepted": accepted}
    floor.exchange.faults({**fault, "symbol": symbol, "count": 1})
    floor.system.place_order(floor.dispatched(signal_id, symbol))
    _, (attempt,) = order_of(floor, signal_id)
    assert attempt.state is AttemptState.UNKNOWN

    def is_over() -> bool:
        all_at_once(lambda: floor.system.resolve_attempt(attempt.client_order_id))
        return not order_of(floor, signal_id)[1][0].state.is_open

    with healthy.frozen():
        wait_until(is_over, seconds=REST_SECONDS_MAX, what="the attempt to be resolved")
        ended = order_of(floor, signal_id)[1][0]
    assert ended.state is (AttemptState.FILLED if accepted else AttemptState.NOT_SENT)
    if not accepted:
        assert ended.not_found_count == 2
        assert ended.ended_at is not None
        # recvWindow, the margin, and the second question half a second after the first answer
        assert (ended.ended_at - ended.begun_at).total_seconds() >= 5.0
    wait_until(lambda: floor.is_settled(signal_id), seconds=REST_SECONDS_MAX, what="the order to end")
    assert set(requests_of(floor, signal_id).values()) == {1}
    assert len(floor.accepted(signal_id)) == 1


def test_a_reply_that_comes_after_the_resolver_settled_changes_nothing(
    floor: Floor, healthy: Child, frozen_sender: Nursery
) -> None:
    late = next((name for name in LATE_TRIES if overtakes(floor, healthy, name)), None)
    assert late is not None, "no reply was late enough to be overtaken"
    wait_until(lambda: floor.is_settled(late), seconds=REST_SECONDS_MAX, what="its fill to be booked")
    assert len(floor.accepted(late)) == 1


def overtakes(floor: Floor, healthy: Child, signal_id: str) -> bool:
    """Whether the resolver settled the attempt before its reply came; if so, the reply changed nothing."""
    delay = {"kind": "delay_reply", "delay_ms": int(REPLY_DELAY.total_seconds() * 1_000)}
    floor.exchange.faults({**delay, "symbol": "DOGEUSDT", "count": 1})
    with healthy.frozen():
        sending = threading.Thread(target=floor.system.place_order, args=(floor.dispatched(signal_id, "DOGEUSDT"),))
        sending.start()
        wait_until(lambda: signal_id in _ordered(floor), seconds=REST_SECONDS_MAX, what="the attempt to be durable")
        _, (attempt,) = order_of(floor, signal_id)

        def is_settled() -> bool:
            floor.system.resolve_attempt(attempt.client_order_id)
            return order_of(floor, signal_id)[1][0].state is AttemptState.FILLED

        wait_until(is_settled, seconds=REST_SECONDS_MAX, what="the attempt to be settled")
        before = order_of(floor, signal_id)
        settled = before[1][0]
        assert settled.ended_at is not None
        is_overtaken = settled.ended_at - settled.begun_at < REPLY_DELAY
        sending.join(REST_SECONDS_MAX)
        assert not is_overtaken or order_of(floor, signal_id) == before
    return is_overtaken


def _ordered(floor: Floor) -> set[str]:
    return {name for name, each in floor.books().signals.items() if each.state == "ORDERED"}


def test_a_worker_continued_after_its_window_is_refused_and_there_is_no_second_order(
    floor: Floor, healthy: Child, frozen_sender: Nursery
) -> None:
    wait_until(
        lambda: floor.is_settled("s-frozen"), seconds=REST_SECONDS_MAX, what="the others to have carried the order on"
    )
    (first, *_), before = order_of(floor, "s-frozen")[1], order_of(floor, "s-frozen")
    assert first.state is AttemptState.NOT_SENT
    assert requests_of(floor, "s-frozen")[first.client_order_id] == 0
    os.kill(frozen_sender.pids[FROZEN_IN_MID_SEND], signal.SIGCONT)
    wait_until(
        lambda: requests_of(floor, "s-frozen")[first.client_order_id], seconds=REST_SECONDS_MAX, what="the late request"
    )
    (late,) = [each for each in floor.ledger().orders if each["client_order_id"] == first.client_order_id]
    assert late["error"] is not None
    assert late["error"]["code"] == -1021
    assert order_of(floor, "s-frozen") == before
    assert len(floor.accepted("s-frozen")) == 1
