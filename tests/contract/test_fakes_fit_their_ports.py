"""Every fake has every method of its port, with the same parameters: a port that grows must not leave one behind."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

from app import ports
from app.ports import forecasting
from tests.fakes import access, alerts, celery, clock, disk, engine, exchange, postgres, redis

PAIRS = [
    (ports.Clock, clock.FakeClock),
    (ports.Exchange, exchange.FakeExchange),
    (ports.RateBudget, redis.FakeRateBudget),
    (ports.AdmissionWindow, redis.FakeAdmissionWindow),
    (ports.MarketData, redis.FakeMarketData),
    (ports.MarketDataSink, redis.FakeMarketData),
    (ports.EventPublisher, redis.FakeEvents),
    (ports.EventDelivery, redis.FakeEvents),
    (ports.EventMending, redis.FakeEvents),
    (ports.EventGroup, redis.FakeEventGroup),
    (ports.EventRepository, postgres.FakeEventRecord),
    (ports.EventSource, redis.FakeEvents),
    (ports.DurableBuffer, disk.FakeBuffer),
    (ports.HintLatch, redis.FakeHintLatch),
    (ports.TokenMemory, disk.FakeTokenMemory),
    (ports.TaskQueue, celery.FakeTaskQueue),
    (ports.SignalRepository, postgres.FakeSignals),
    (ports.OrderRepository, postgres.FakeOrders),
    (ports.LedgerRepository, postgres.FakeLedger),
    (ports.ControlRepository, postgres.FakeControl),
    (ports.AlertRepository, postgres.FakeAlerts),
    (ports.ProgressBoard, redis.FakeProgressBoard),
    (ports.QueueLengths, redis.FakeQueueLengths),
    (ports.AlertChannel, alerts.FakeChannel),
    (ports.ProtectionRepository, postgres.FakeProtection),
    (ports.AccessRepository, access.FakeAccess),
    (ports.Passwords, access.FakePasswords),
    (ports.UnitOfWork, postgres.FakeUnitOfWork),
    (ports.UnitOfWorkFactory, postgres.FakeUnitOfWorkFactory),
    (forecasting.Candles, engine.FakeCandles),
    (forecasting.SignalOutlet, engine.FakeOutlet),
]

# Nothing decides by what people look at; its tests read the real tables.
WITHOUT_FAKE = {"ReadModels", "ModelRegistry"}
# The engine's tests use the real tables, the real folder and real learners: they are fast enough.
WITHOUT_FAKE |= {"EngineRecords", "ModelFiles", "Learner", "Trained", "Model"}
# Only the engine may load its page of ports, so its names are not among those of `app.ports`.
ON_A_PAGE_OF_ITS_OWN = {name for name in vars(forecasting) if getattr(vars(forecasting)[name], "_is_protocol", False)}


def methods(port: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in vars(port).items()
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__call__")
    }


@pytest.mark.parametrize(("port", "fake"), PAIRS, ids=lambda each: each.__name__)
def test_a_fake_takes_what_its_port_takes(port: type, fake: type) -> None:
    asked = methods(port) if port is not ports.UnitOfWork else {"emit": port.emit, "commit": port.commit}
    assert asked
    for name, member in asked.items():
        wanted = inspect.signature(member).parameters
        offered = inspect.signature(getattr(fake, name)).parameters
        assert {each: (one.kind, one.default) for each, one in offered.items()} == {
            each: (one.kind, one.default) for each, one in wanted.items()
        }, f"{fake.__name__}.{name}"


def test_every_port_has_a_fake() -> None:
    protocols = {
        each.__name__
        for module in pkgutil.iter_modules(ports.__path__)
        for _, each in inspect.getmembers(importlib.import_module(f"{ports.__name__}.{module.name}"), inspect.isclass)
        if getattr(each, "_is_protocol", False) and each.__module__.startswith(ports.__name__)
    }
    assert protocols - WITHOUT_FAKE == {port.__name__ for port, _ in PAIRS}
    assert protocols - ON_A_PAGE_OF_ITS_OWN <= set(ports.__all__)
