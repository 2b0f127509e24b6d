"""The Celery doors, run eagerly on fakes: each calls its use case, and one hint leads to the next."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from app.adapters.celery.task_queue import CeleryTaskQueue
from app.flow import QUEUES
from app.ports import ExchangeError
from tasks.app import app, system
from tests.support.desk import Desk


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk whose hints run the tasks at once, and whose use cases the tasks call."""
    desk = Desk(tasks=CeleryTaskQueue(app))
    use_cases = SimpleNamespace(
        dispatch_signals=desk.dispatch,
        sweep_signals=desk.sweep_signals,
        place_order=desk.place,
        chase_remainder=desk.chase,
        resolve_attempt=desk.resolve,
        collect_fills=desk.collect,
        sweep_orders=desk.sweep_orders,
        acknowledge_trip=desk.acknowledge,
        protect_position=desk.protect,
        resolve_protection=desk.resolve_protection,
        sweep_protections=desk.sweep_protections,
        latch=desk.latch,
    )
    app.loader.import_default_modules()
    monkeypatch.setitem(app.conf, "system", use_cases)
    monkeypatch.setitem(app.conf, "task_always_eager", True)
    monkeypatch.setitem(app.conf, "task_eager_propagates", True)
    system.cache_clear()
    yield desk
    system.cache_clear()


def test_one_post_runs_all_the_way_to_a_booked_fill(desk: Desk) -> None:
    desk.admit([desk.signal("a")])
    assert desk.state_of("a") == "EXECUTED"
    order = desk.order_of("a")
    assert order.booked_quantity == order.executed_quantity == order.quantity
    assert [attempt.state.value for attempt in desk.attempts_of("a")] == ["FILLED"]


def test_a_trip_is_carried_on_by_its_own_hint(desk: Desk) -> None:
    desk.trip(actor="operator", reason="eager")
    assert desk.stop().safe_at is not None


def test_a_sweep_finds_what_a_lost_hint_left(desk: Desk) -> None:
    with pytest.MonkeyPatch.context() as lost:
        lost.setattr(desk.tasks, "send", lambda *_, **__: False)
        desk.admit([desk.signal("a")])
        desk.dispatch()
    assert desk.state_of("a") == "DISPATCHED"
    desk.later(3)
    app.tasks["signals.sweep"].apply_async()
    assert desk.state_of("a") == "EXECUTED"


def test_of_the_sweeps_that_piled_up_one_runs_a_period(desk: Desk) -> None:
    runs = []
    app.conf["system"].sweep_orders = lambda: runs.append(desk.clock.now())
    for _ in range(60):
        app.tasks["orders.sweep"].apply_async()
    assert len(runs) == 1
    for _ in range(3):
        desk.later(1)
        app.tasks["orders.sweep"].apply_async()
    assert len(runs) == 4


def test_every_task_of_the_flow_can_be_called_by_its_name(desk: Desk) -> None:
    for name in ("signals.dispatch", "signals.sweep", "orders.sweep", "ess.acknowledge"):
        assert name in QUEUES
        app.tasks[name].apply_async()


def test_flower_is_told_of_what_moves_money_and_of_no_housekeeping() -> None:
    told = {name for name in QUEUES if app.tasks[name].send_events}
    assert told == {
        *("orders.place", "orders.chase", "orders.resolve", "orders.collect_fills"),
        *("protections.tend", "protections.resolve", "ess.acknowledge"),
    }


def test_an_error_that_passes_is_on_the_one_list_of_retries(desk: Desk) -> None:
    assert ExchangeError in app.tasks["orders.collect_fills"].autoretry_for
    assert app.tasks["orders.collect_fills"].max_retries == 3
