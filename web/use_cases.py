"""What the web calls, as Protocols: views translate, call exactly one of these, and translate back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.domain.access import LoggedIn, LoginRefused, Session
from app.domain.policy import RiskMode
from app.domain.signals import IntakeVerdict, Signal
from app.ports import EventSource, Page


class Scope(StrEnum):
    """What a caller may do. OPERATE includes READ: whoever may stop the system may see it; SIGNALS includes nothing."""

    READ = "read"
    SIGNALS = "signals"
    OPERATE = "operate"


class Principal(Protocol):
    """Who is calling, and what they may do."""

    @property
    def name(self) -> str: ...

    @property
    def scopes(self) -> frozenset[str]: ...


class Admission(Protocol):
    """What became of one signal at the door; `evicted` is the id that lost its place to it."""

    @property
    def signal_id(self) -> str: ...

    @property
    def verdict(self) -> IntakeVerdict: ...

    @property
    def evicted(self) -> str | None: ...


class Refusal(Protocol):
    """An operator's wish that was understood and declined: a stable code and what it follows from."""

    @property
    def code(self) -> str: ...

    @property
    def reason(self) -> str: ...


class PolicyOutcome(Protocol):
    """What became of a change of the policy; exactly one of `item, faults, confirmation, refusal` says it."""

    @property
    def item(self) -> Mapping[str, Any] | None:
        """The version that counts now: a `web.shapes.PolicyVersionItem`."""
        ...

    @property
    def faults(self) -> Sequence[Mapping[str, str]]:
        """Why it cannot be taken on: `field, code, detail` each."""
        ...

    @property
    def confirmation(self) -> str | None:
        """To be sent again, by whoever means it."""
        ...

    @property
    def loosened(self) -> Sequence[Mapping[str, Any]]:
        """What has to be meant: `field, before, after` each."""
        ...

    @property
    def base_version(self) -> int | None:
        """The version that was about to be changed."""
        ...

    @property
    def refusal(self) -> Refusal | None: ...


class WhatIfOutcome(Protocol):
    """What a what-if found; exactly one of `item, faults, refusal` says it."""

    @property
    def item(self) -> Mapping[str, Any] | None:
        """A `web.shapes.WhatIf`."""
        ...

    @property
    def faults(self) -> Sequence[Mapping[str, str]]:
        """Why that policy could not be taken on: `field, code, detail` each."""
        ...

    @property
    def refusal(self) -> Refusal | None: ...


class UseCases(Protocol):
    """Everything the web asks of the system. Mappings are JSON-ready: decimals as strings, times as RFC 3339 text.

    A method that needs a server that is away raises the `...UnavailableError` that `app.ports` names for it; the web
    answers 503 and says which. The shapes of the mappings are in `web.shapes`.
    """

    @property
    def events(self) -> EventSource: ...

    def authenticate(self, token: str) -> Principal | None:
        """The holder of a bearer token; None when it was never issued, was revoked or has expired."""
        ...

    def session(self, secret: str) -> Session | None:
        """The session of a cookie; None when there is none, any more or at all."""
        ...

    def log_in(self, *, name: str, password: str, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        """A session for a name and a password; the one whose secret is `previous` ends."""
        ...

    def log_in_by_link(self, secret: str, *, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        """A session for a link that works once; the one whose secret is `previous` ends."""
        ...

    def log_out(self, secret: str) -> None:
        """End a session; ending what has ended changes nothing."""
        ...

    def admit_signals(self, signals: Sequence[Signal]) -> Sequence[Admission]:
        """Make them durable and rank them; answers in the same order. Every `signal_id` of a call is different.

        Raises `BufferUnavailableError` when neither the database nor the disk takes them.
        """
        ...

    def known_symbols(self) -> frozenset[str] | None:
        """Symbols the exchange trades; None while it has not told yet. Asked on every intake: must not wait."""
        ...

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        """A `web.shapes.SignalExplanation`; None when there is no such signal."""
        ...

    def list_signals(self, *, states: Sequence[str], after: str | None, limit: int) -> Page:
        """Newest first; `states` are values of `SignalState`, empty for all. A foreign cursor raises `ValueError`."""
        ...

    def list_orders(self, *, after: str | None, limit: int) -> Page:
        """Newest first. A foreign cursor raises `ValueError`."""
        ...

    def engine(self) -> Mapping[str, Any]:
        """A `web.engine_shapes.EngineOverview`."""
        ...

    def roll_back_model(self, *, version: str, actor: str, reason: str) -> Mapping[str, Any] | None:
        """Let the version serve: a `web.engine_shapes.ModelVersionItem`; None when there is no such version."""
        ...

    def list_alerts(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        """`web.shapes.AlertItem`s, newest first. A foreign cursor raises `ValueError`."""
        ...

    def explain_order(self, order_id: uuid.UUID) -> Mapping[str, Any] | None:
        """A `web.shapes.OrderExplanation`; None when there is no such order."""
        ...

    def ensemble(self, *, symbol: str | None) -> Mapping[str, Any]:
        """A `web.shapes.Ensemble`; of one symbol's signals, or of all."""
        ...

    def system(self) -> Mapping[str, Any]:
        """A `web.shapes.SystemState`; what is away says so in its block, nothing is raised."""
        ...

    def audit(self, *, actor: str | None, after: str | None, limit: int) -> Page:
        """Newest first. A foreign cursor raises `ValueError`."""
        ...

    def list_positions(self, *, after: str | None, limit: int) -> Page:
        """Those that are not flat, by symbol. A foreign cursor raises `ValueError`."""
        ...

    def portfolio(self) -> Mapping[str, Any]:
        """A `web.shapes.Portfolio`."""
        ...

    def read_risk(self) -> Mapping[str, Any]:
        """What every trigger of the emergency stop sees, and exposure against its limits."""
        ...

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None) -> Page:
        """Points oldest first, `since` inclusive. `next` is the `since` of the next page."""
        ...

    def ess(self) -> Mapping[str, Any]:
        """A `web.shapes.EmergencyStop`."""
        ...

    def policy(self) -> Mapping[str, Any]:
        """A `web.shapes.Policy`."""
        ...

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        """Newest first. A foreign cursor raises `ValueError`."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """A `web.shapes.Snapshot`; `seq` is read *before* the rest, so that no event falls between them.

        With the stream away `seq` is None and the rest is told all the same.
        """
        ...

    def trip_ess(self, *, actor: str, reason: str, flatten: bool) -> Mapping[str, Any]:
        """Stop; the emergency stop after it. Tripping again is allowed."""
        ...

    def reset_ess(self, *, actor: str, reason: str) -> Mapping[str, Any] | Refusal:
        """Start the cooldown; a refusal when there is nothing to reset or the policy forbids it."""
        ...

    def switch_ess(self, *, actor: str, reason: str, enabled: bool) -> Mapping[str, Any] | Refusal:
        """DISABLED or ARMED; a refusal from any other state than the opposite one."""
        ...

    def throttles(self) -> Sequence[Mapping[str, Any]]:
        """`web.shapes.ThrottleItem`s, by name."""
        ...

    def enable_strategy(self, *, strategy: str, actor: str, reason: str) -> Mapping[str, Any] | Refusal | None:
        """The `web.shapes.ThrottleItem`; None when no such strategy was ever disabled, a refusal when it is not."""
        ...

    def set_policy_mode(
        self, *, mode: RiskMode, actor: str, reason: str, confirmation: str | None, base_version: int | None
    ) -> PolicyOutcome:
        """Choose a risk mode."""
        ...

    def change_policy(
        self,
        *,
        changes: Mapping[str, Any],
        actor: str,
        reason: str,
        confirmation: str | None,
        base_version: int | None,
    ) -> PolicyOutcome:
        """Change single fields, given as JSON values."""
        ...

    def roll_back_policy(
        self, *, version: int, actor: str, reason: str, confirmation: str | None, base_version: int | None
    ) -> PolicyOutcome:
        """A new version equal to an old one."""
        ...

    def what_if(
        self,
        *,
        mode: RiskMode | None,
        version: int | None,
        changes: Mapping[str, Any],
        since: datetime | None,
        until: datetime | None,
        decisions_max: int,
    ) -> WhatIfOutcome:
        """What another policy would have decided; changes nothing."""
        ...
