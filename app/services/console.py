"""The console: everything people and programs ask of the system over HTTP, one method each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.access import LoggedIn, LoginRefused, Session
from app.domain.ess import EmergencyStop
from app.domain.policy import RiskMode
from app.domain.signals import Signal, SignalState
from app.domain.throttles import StrategyThrottle
from app.ports import (
    Clock,
    EventSource,
    EventsUnavailableError,
    MarketData,
    ModelRegistry,
    Page,
    ReadModels,
)
from app.services.admit_signals import Admission
from app.services.admit_together import AdmitTogether
from app.services.authenticate import Authenticator, Principal
from app.services.change_policy import ChangePolicy, Wish
from app.services.know_symbols import KnowSymbols
from app.services.log_in import LogIn
from app.services.policy_answers import PolicyAnswer, policy_answer
from app.services.read_risk import ReadRisk
from app.services.reset_ess import Refused, ResetEss
from app.services.sessions import Sessions
from app.services.switch_ess import SwitchEss
from app.services.tell_ensemble import TellEnsemble
from app.services.tell_system import TellSystem
from app.services.throttle_strategies import ThrottleStrategies, throttle_item
from app.services.trip_ess import TripEss
from app.services.try_policy import TryPolicy
from app.services.what_if import Wanted
from app.services.what_if_answers import WhatIfAnswer

SNAPSHOT_ROWS = 50


@dataclass(frozen=True, slots=True)
class Console:
    """Reads come from Postgres as of one moment; marks come from the newest market data."""

    events: EventSource
    clock: Clock
    market: MarketData
    read_models: ReadModels
    model_registry: ModelRegistry
    authenticator: Authenticator
    sessions: Sessions
    login: LogIn
    symbols: KnowSymbols
    admit: AdmitTogether
    trip: TripEss
    reset: ResetEss
    switch: SwitchEss
    policy_changes: ChangePolicy
    try_policy: TryPolicy
    ensemble_state: TellEnsemble
    system_state: TellSystem
    risk: ReadRisk
    strategies: ThrottleStrategies
    stage: str

    def authenticate(self, token: str) -> Principal | None:
        """The holder of a bearer token."""
        return self.authenticator(token)

    def session(self, secret: str) -> Session | None:
        """The session of a cookie."""
        return self.sessions(secret)

    def log_in(self, *, name: str, password: str, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        """A session for a name and a password."""
        return self.login.with_password(name=name, password=password, address=address, previous=previous)

    def log_in_by_link(self, secret: str, *, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        """A session for a link that works once."""
        return self.login.with_link(secret, address=address, previous=previous)

    def log_out(self, secret: str) -> None:
        """The end of a session."""
        self.sessions.end(secret)

    def admit_signals(self, signals: Sequence[Signal]) -> Sequence[Admission]:
        """Make them durable and rank them."""
        return self.admit(signals)

    def known_symbols(self) -> frozenset[str] | None:
        """Symbols the exchange trades; None while it has not told yet."""
        return self.symbols()

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        """Signal, decisions with every gate, order, attempts, fills, timeline."""
        return self.read_models.explain_signal(signal_id)

    def list_signals(self, *, states: Sequence[str], after: str | None, limit: int) -> Page:
        """Newest first."""
        return self.read_models.signals(states=[SignalState(state) for state in states], after=after, limit=limit)

    def list_orders(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        return self.read_models.orders(after=after, limit=limit)

    def explain_order(self, order_id: uuid.UUID) -> Mapping[str, Any] | None:
        """Order, attempts, fills."""
        return self.read_models.explain_order(order_id)

    def ensemble(self, *, symbol: str | None) -> Mapping[str, Any]:
        """Each model's last vote with its provenance, and the agreement of those that are live."""
        return self.ensemble_state(symbol=symbol)

    def system(self) -> Mapping[str, Any]:
        """What runs and what waits."""
        return self.system_state()

    def audit(self, *, actor: str | None, after: str | None, limit: int) -> Page:
        """Newest first."""
        return self.read_models.audit(actor=actor, after=after, limit=limit)

    def engine(self) -> Mapping[str, Any]:
        """The AI engine as of its last pass."""
        return self.model_registry.engine_overview(now=self.clock.now())

    def roll_back_model(self, *, version: str, actor: str, reason: str) -> Mapping[str, Any] | None:
        """Let a version serve in place of its family's champion."""
        return self.model_registry.roll_back_model(version, reason=reason, actor=actor, now=self.clock.now())

    def list_alerts(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """Newest first."""
        return self.read_models.alerts(only_open=only_open, after=after, limit=limit)

    def list_positions(self, *, after: str | None, limit: int) -> Page:
        """Those that are not flat by symbol, valued at the newest marks."""
        return self.read_models.positions(self.market.quotes(), now=self.clock.now(), after=after, limit=limit)

    def portfolio(self) -> Mapping[str, Any]:
        """The account."""
        return self.read_models.portfolio(now=self.clock.now())

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None) -> Page:
        """Points, oldest first."""
        return self.read_models.equity(since=since, limit=limit, every_seconds=every_seconds)

    def read_risk(self) -> Mapping[str, Any]:
        """What is left of every limit."""
        return self.risk()

    def ess(self) -> Mapping[str, Any]:
        """The emergency stop."""
        return self.read_models.ess()

    def policy(self) -> Mapping[str, Any]:
        """The policy in force."""
        return self.read_models.policy()

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first."""
        return self.read_models.policy_versions(after=after, limit=limit)

    def snapshot(self) -> Mapping[str, Any]:
        """Everything at one moment; the live stream's sequence is read first, so that nothing falls in between."""
        sequence, sequence_reason = self._sequence()
        now = self.clock.now()
        overview = self.read_models.overview(self.market.quotes(), now=now, limit=SNAPSHOT_ROWS)
        return {
            "seq": sequence,
            "reason": sequence_reason,
            "at": now.isoformat(),
            **overview,
            "window": self.system_state.window_block(),
            "ensemble": self.ensemble_state(),
            "system": {
                "source": "database",
                "age_seconds": 0.0,
                "stage": self.stage,
                "counts": overview["counts"],
                "buffers": self.system_state.buffers(),
            },
        }

    def trip_ess(self, *, actor: str, reason: str, flatten: bool) -> Mapping[str, Any]:
        """Stop."""
        return _stop(self.trip(actor=actor, reason=reason, flatten=flatten))

    def reset_ess(self, *, actor: str, reason: str) -> Mapping[str, Any] | Refused:
        """Start the cooldown, or say why not."""
        outcome = self.reset(actor=actor, reason=reason)
        return outcome if isinstance(outcome, Refused) else _stop(outcome)

    def switch_ess(self, *, actor: str, reason: str, enabled: bool) -> Mapping[str, Any] | Refused:
        """Let the automatic triggers act, or not."""
        outcome = self.switch(actor=actor, reason=reason, enabled=enabled)
        return outcome if isinstance(outcome, Refused) else _stop(outcome)

    def throttles(self) -> Sequence[Mapping[str, Any]]:
        """Strategies that were disabled for repeated executions."""
        return [throttle_item(throttle) for throttle in self.strategies()]

    def enable_strategy(self, *, strategy: str, actor: str, reason: str) -> Mapping[str, Any] | Refused | None:
        """Let one go on, or say why not."""
        outcome = self.strategies.enable(strategy, actor=actor, reason=reason)
        return throttle_item(outcome) if isinstance(outcome, StrategyThrottle) else outcome

    def set_policy_mode(
        self, *, mode: RiskMode, actor: str, reason: str, confirmation: str | None, base_version: int | None
    ) -> PolicyAnswer:
        """Choose a risk mode."""
        wish = Wish(actor=actor, reason=reason, confirmation=confirmation, base_version=base_version)
        return policy_answer(self.policy_changes.set_mode(mode, wish))

    def change_policy(
        self,
        *,
        changes: Mapping[str, Any],
        actor: str,
        reason: str,
        confirmation: str | None,
        base_version: int | None,
    ) -> PolicyAnswer:
        """Change single fields."""
        wish = Wish(actor=actor, reason=reason, confirmation=confirmation, base_version=base_version)
        return policy_answer(self.policy_changes.set_fields(changes, wish))

    def roll_back_policy(
        self, *, version: int, actor: str, reason: str, confirmation: str | None, base_version: int | None
    ) -> PolicyAnswer:
        """A new version equal to an old one."""
        wish = Wish(actor=actor, reason=reason, confirmation=confirmation, base_version=base_version)
        return policy_answer(self.policy_changes.roll_back(version, wish))

    def what_if(
        self,
        *,
        mode: RiskMode | None,
        version: int | None,
        changes: Mapping[str, Any],
        since: datetime | None,
        until: datetime | None,
        decisions_max: int,
    ) -> WhatIfAnswer:
        """What another policy would have decided."""
        wanted = Wanted(mode=mode, version=version, changes=changes)
        return self.try_policy(wanted, since=since, until=until, decisions_max=decisions_max)

    def _sequence(self) -> tuple[int | None, str | None]:
        try:
            return self.events.bounds()[1], None
        except EventsUnavailableError:
            # What Postgres knows is shown all the same; only following it live has to wait.
            return None, "the event stream does not answer"


def _stop(stop: EmergencyStop) -> Mapping[str, Any]:
    def text(moment: datetime | None) -> str | None:
        return None if moment is None else moment.isoformat()

    return {
        "state": stop.state.value,
        "trip_reason": stop.trip_reason,
        "tripped_at": text(stop.tripped_at),
        "tripped_by": stop.tripped_by,
        "safe": stop.safe_at is not None,
        "safe_at": text(stop.safe_at),
        "steps": [{"step": name, "done": at is not None, "at": text(at)} for name, at in stop.steps.items()],
        "cooldown_until": text(stop.cooldown_until),
        "held_because": stop.held_because,
        "trip_count": stop.trip_count,
        "reset_count": stop.reset_count,
        "flatten_requested": stop.flatten_requested,
    }
