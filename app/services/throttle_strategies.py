"""Throttle strategies: one that was executed too often is disabled, and goes on when a person enables it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from app.domain.events import Event, EventType
from app.domain.gates.facts import EntryFacts
from app.domain.health import Status
from app.domain.signals import Signal
from app.domain.throttles import StrategyThrottle
from app.ports import Clock, UnitOfWork, UnitOfWorkFactory
from app.services import announcements
from app.services.reset_ess import Refused

log = structlog.get_logger(__name__)

ACTOR = "throttle"
COMPONENT = "strategies"  # as health calls it


def disable_strategy(uow: UnitOfWork, signal: Signal, facts: EntryFacts) -> None:
    """In the transaction of the decision that would have been one execution too many; decisions take turns."""
    limits, use = facts.limits, facts.strategy_use
    if limits is None or use is None:
        raise AssertionError("throttled without a policy or a count")
    throttle = StrategyThrottle(
        strategy=signal.strategy,
        disabled_at=facts.now,
        symbol=signal.symbol,
        executions=use.executions,
        maximum=limits.strategy_executions_max,
        window_seconds=limits.strategy_executions_window_seconds,
    )
    before = uow.control.throttle(signal.strategy)
    throttle = throttle if before is None else before.disabled_again(throttle)
    uow.control.save_throttle(throttle)
    detail = {
        "strategy": throttle.strategy,
        "symbol": throttle.symbol,
        "executions": throttle.executions,
        "maximum": throttle.maximum,
        "window_seconds": throttle.window_seconds,
    }
    reason = f"{throttle.executions} executions in {throttle.symbol} within {throttle.window_seconds} s"
    uow.control.audit(at=facts.now, actor=ACTOR, action="strategy_disabled", reason=reason, detail=detail)
    uow.emit(_alert(throttle.strategy, Status.DEGRADED, f"{throttle.strategy} is disabled: {reason}", facts.now))
    log.error("strategy_disabled", **detail)


@dataclass(frozen=True, slots=True)
class ThrottleStrategies:
    """Use case of `GET /api/throttles` and `POST /api/throttles/{strategy}/enable`."""

    unit_of_work: UnitOfWorkFactory
    clock: Clock

    def __call__(self) -> Sequence[StrategyThrottle]:
        """Every strategy that was ever disabled, by its name."""
        with self.unit_of_work() as uow:
            return uow.control.throttles()

    def enable(self, strategy: str, *, actor: str, reason: str) -> StrategyThrottle | Refused | None:
        """Let it go on: its executions count anew from now. None: it was never disabled."""
        with self.unit_of_work() as uow:
            # Decisions take turns by this lock: none that counted before is still to be made durable.
            uow.ledger.lock_account()
            throttle = uow.control.throttle(strategy)
            if throttle is None:
                return None
            if throttle.disabled_at is None:
                return Refused("STRATEGY_NOT_DISABLED", f"strategy={strategy}")
            now = self.clock.now()
            enabled = replace(throttle, disabled_at=None, enabled_at=now, enabled_by=actor, enabled_because=reason)
            uow.control.save_throttle(enabled)
            detail = {"strategy": strategy, "disabled_at": throttle.disabled_at.isoformat()}
            uow.control.audit(at=now, actor=actor, action="strategy_enabled", reason=reason, detail=detail)
            uow.emit(_alert(strategy, Status.OK, f"{strategy} was enabled by {actor}", now))
            uow.commit()
        log.info("strategy_enabled", strategy=strategy, actor=actor, reason=reason)
        return enabled


def throttle_item(throttle: StrategyThrottle) -> Mapping[str, Any]:
    """A `web.shapes.ThrottleItem`."""

    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat()

    return {
        "strategy": throttle.strategy,
        "is_disabled": throttle.disabled_at is not None,
        "disabled_at": text(throttle.disabled_at),
        "symbol": throttle.symbol,
        "executions": throttle.executions,
        "maximum": throttle.maximum,
        "window_seconds": throttle.window_seconds,
        "times_disabled": throttle.times_disabled,
        "enabled_at": text(throttle.enabled_at),
        "enabled_by": throttle.enabled_by,
        "enabled_because": throttle.enabled_because,
    }


def _alert(strategy: str, status: Status, detail: str, at: datetime) -> Event:
    payload = {"component": COMPONENT, "status": status.value, "detail": detail, "strategy": strategy}
    return announcements.event(EventType.HEALTH_ALERT, at, payload)
