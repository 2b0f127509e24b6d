"""An in-memory system behind the web, and a live event stream that a test feeds."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.domain.access import LoggedIn, LoginRefused, Role, Session
from app.domain.events import Event, EventType, SequencedEvent
from app.domain.policy import RiskMode
from app.domain.signals import IntakeVerdict, Signal
from app.ports import DatabaseUnavailableError, EventsUnavailableError, Page

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
AT = "2026-03-01T12:00:00.000000Z"

ALERT = {
    "alert_id": "a1",
    "component": "redis",
    "status": "CRITICAL",
    "cause": "no answer within 1.5 s",
    "open": False,
    "raised_at": AT,
    "changed_at": AT,
    "cleared_at": AT,
    "last_change": "CLEARED",
    "occurrences": 1,
    "revision": 2,
    "delivered": {"webhook": 2},
}
THROTTLE: dict[str, Any] = {
    "strategy": "momentum",
    "is_disabled": True,
    "disabled_at": AT,
    "symbol": "BTCUSDT",
    "executions": 20,
    "maximum": 20,
    "window_seconds": 600,
    "times_disabled": 1,
    "enabled_at": None,
    "enabled_by": None,
    "enabled_because": None,
}
TOKENS = {
    "read-token": frozenset({"read"}),
    "signals-token": frozenset({"signals"}),
    "operate-token": frozenset({"operate"}),
    "chart-token": frozenset({"hook"}),
}


PASSWORD = "correct horse battery"
LINK = "a-login-link"  # works again and again: that it should not is the use case's business


def a_session(name: str, role: Role) -> LoggedIn:
    """A session whose secret tells whose it is."""
    session = Session(
        session_hash=f"hash of {name}",
        name=name,
        role=role,
        created_at=NOW,
        seen_at=NOW,
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    )
    return LoggedIn(secret=f"secret-of-{name}", session=session)


# Users by name; the password of each is `PASSWORD`.
USERS = {each.session.name: each for each in (a_session("reader", Role.READ), a_session("olga", Role.OPERATE))}


SKILL = {
    "estimate": 0.04,
    "low": -0.02,
    "high": 0.1,
    "verdict": "INDISTINGUISHABLE_FROM_ZERO",
    "sentence": "indistinguishable from zero: +0.040, 95 % interval -0.020 to +0.100 over 33 stretches",
    "blocks": 33,
    "samples": 14_000,
}
POINT = {"low": 0.4, "high": 0.6, "forecast": 0.5, "observed": 0.52, "samples": 14_000}
MODEL_VERSION: dict[str, Any] = {
    "version": "xgboost-20261122T120000",
    "family": "xgboost",
    "role": "CHAMPION",
    "role_since": AT,
    "reason": "the first of its family",
    "created_at": AT,
    "data_from": AT,
    "data_to": AT,
    "symbols": ["BTCUSDT"],
    "samples": 25_000,
    "horizon_minutes": 15,
    "feature_set": "minutes-1",
    "sha256": "a9",
    "size_bytes": 83_282,
    "walk_forward": SKILL,
    "holdout": {**SKILL, "estimate": None, "low": None, "high": None, "verdict": "NOT_MEASURED"},
    "live": None,
    "log_loss": 0.6931,
    "brier": 0.25,
    "reliability": [POINT],
    "comparison": None,
}
ENGINE: dict[str, Any] = {
    "state": "STALE",
    "reason": "the AI engine's last pass is old",
    "source": "database",
    "age_seconds": 600.0,
    "last_pass_at": AT,
    "models": [
        {
            "model": "xgboost",
            "status": "STALE",
            "code": "STALE",
            "reason": "the AI engine's last pass is old",
            "version": MODEL_VERSION["version"],
            "votes": None,
            "abstentions": None,
            "weight": None,
            "skill": SKILL,
            "source": "database",
            "age_seconds": 600.0,
        }
    ],
    "symbols": [],
    "registry": [MODEL_VERSION],
    "training": None,
    "outcomes": {
        "signals": 0,
        "unknown": 0,
        "horizon_minutes": None,
        "reason": "no signal has an outcome yet",
        "strategies": [],
        "by_confidence": [],
    },
}


@dataclass(frozen=True)
class FakePrincipal:
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class FakeAdmission:
    signal_id: str
    verdict: IntakeVerdict
    evicted: str | None = None


@dataclass(frozen=True)
class FakeRefusal:
    code: str
    reason: str


_NOTHING_ENTERED = {"entries": 0, "bought": "0", "sold": "0", "gross": "0", "net": "0"}
WHAT_IF = {
    "base_version": 3,
    "policy": {"mode": "NORMAL"},
    "changes": [],
    "since": "2026-11-21T12:00:00+00:00",
    "until": "2026-11-22T12:00:00+00:00",
    "oldest": None,
    "newest": None,
    "is_complete": True,
    "decisions": {"read": 0, "compared": 0, "changed": 0, "not_reproduced": 0, "unreadable": 0},
    "outcomes": {"before": {}, "after": {}},
    "gates": [],
    "entered": {"before": _NOTHING_ENTERED, "after": _NOTHING_ENTERED},
    "symbols": [],
    "changed": [],
}


@dataclass(frozen=True)
class FakeOutcome:
    item: Mapping[str, Any] | None = None
    faults: Sequence[Mapping[str, str]] = ()
    confirmation: str | None = None
    loosened: Sequence[Mapping[str, Any]] = ()
    base_version: int | None = None
    refusal: FakeRefusal | None = None


class FakeEvents:
    """A stream of at most `capacity` events; `skip` leaves a hole in the sequence, `fail` breaks every read."""

    def __init__(self, capacity: int = 10_000, *, first: int = 1) -> None:
        self._changed = threading.Condition()
        self._held: list[SequencedEvent] = []
        self._newest = first - 1
        self._capacity = capacity
        self.failing = False
        self.reads = 0

    def publish(self, *types: EventType, **payload: Any) -> int:
        with self._changed:
            for type_ in types:
                self._newest += 1
                event = Event(event_id=f"e{self._newest}", type=type_, at=NOW, payload=dict(payload))
                self._held.append(SequencedEvent(sequence=self._newest, event=event))
            del self._held[: -self._capacity]
            self._changed.notify_all()
            return self._newest

    def skip(self, count: int) -> None:
        with self._changed:
            self._newest += count

    def read(self, *, after: int, block_seconds: float, limit: int) -> Sequence[SequencedEvent]:
        deadline = time.monotonic() + block_seconds
        with self._changed:
            self.reads += 1
            while True:
                if self.failing:
                    raise EventsUnavailableError("the stream is away")
                found = [each for each in self._held if each.sequence > after][:limit]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def bounds(self) -> tuple[int, int]:
        with self._changed:
            if self.failing:
                raise EventsUnavailableError("the stream is away")
            return (self._held[0].sequence, self._held[-1].sequence) if self._held else (0, 0)


def signal_item(signal_id: str = "s-1", **changes: Any) -> dict[str, Any]:
    return {
        "signal_id": signal_id,
        "symbol": "BTCUSDT",
        "side": "BUY",
        "confidence": "0.81",
        "strategy": "ensemble",
        "state": "EXECUTED",
        "reason_code": None,
        "reason": None,
        "received_at": AT,
        "decided_at": AT,
        **changes,
    }


def order_item(**changes: Any) -> dict[str, Any]:
    return {
        "order_id": "0195500a-0000-7000-8000-000000000001",
        "signal_id": "s-1",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "purpose": "ENTRY",
        "state": "FILLED",
        "reason_code": None,
        "reason": None,
        "quantity": "0.010",
        "executed_quantity": "0.010",
        "limit_price": "100200.5",
        "created_at": AT,
        **changes,
    }


ESS: dict[str, Any] = {
    "state": "ARMED",
    "trip_reason": None,
    "tripped_at": None,
    "safe": False,
    "steps": [],
    "cooldown_until": None,
    "trip_count": 0,
    "reset_count": 0,
}
PORTFOLIO: dict[str, Any] = {
    "equity": "10012.34",
    "wallet_balance": "10000",
    "unrealised_pnl": "12.34",
    "available_balance": "9000",
    "source": "exchange account",
    "age_seconds": 1.5,
}
POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "quantity": "0.010",
    "entry_price": "100000",
    "mark_price": "101234.5",
    "unrealised_pnl": "12.345",
    "realised_pnl": "0",
    "stop_price": None,
    "target_price": None,
    "source": "ledger, mark from stream",
    "age_seconds": 0.4,
    "reason": "no protective orders yet",
}
RISK: dict[str, Any] = {
    "triggers": [
        {
            "trigger": "DAILY_DRAWDOWN",
            "sight": "CLEAR",
            "numbers": {"loss": "120.5", "maximum": "506.64", "equity": "10012.34", "start_of_day_equity": "10132.84"},
        },
        {"trigger": "OPEN_LOSS", "sight": "CLEAR", "numbers": {"loss": "0", "maximum": "1000"}},
        {"trigger": "EXECUTION_ERRORS", "sight": "CLEAR", "numbers": {"errors": "1", "maximum": "5"}},
    ],
    "exposure": {
        "gross": "1012.345",
        "gross_max": "50061.7",
        "net": "1012.345",
        "net_max": "50061.7",
        "open_positions": 1,
        "open_positions_max": 30,
        "reason": None,
    },
    "source": "ledger and exchange account",
    "age_seconds": 0.5,
    "reason": None,
}
POLICY: dict[str, Any] = {
    "version": 3,
    "mode": "NORMAL",
    "policy": {"mode": "NORMAL", "leverage_max": "5", "open_positions_max": 30, "symbols_denied": []},
    "changes": [{"field": "leverage_max", "before": "3", "after": "5"}],
    "author": "operator",
    "reason": "start",
    "created_at": AT,
}


ENSEMBLE: dict[str, Any] = {
    "symbol": None,
    "models": [
        {
            "model": "nhits",
            "provenance": "FALLBACK",
            "reason": "nhits_insufficient_history",
            "source": "signals",
            "age_seconds": 2.0,
            "vote": {
                "action": "HOLD",
                "confidence": "0.5",
                "source": "nhits_insufficient_history",
                "symbol": "BTCUSDT",
                "signal_id": "s-1",
                "at": AT,
            },
        },
        {
            "model": "xgboost",
            "provenance": "UNAVAILABLE",
            "reason": "no signal had votes",
            "source": "signals",
            "age_seconds": None,
            "vote": None,
        },
    ],
    "agreement": {
        "action": None,
        "agreeing": 0,
        "live": 0,
        "share": None,
        "reason": "no model's own vote is recent",
        "signal_id": "s-1",
        "symbol": "BTCUSDT",
    },
    "source": "signals",
    "age_seconds": 2.0,
    "reason": None,
}
HEALTH: dict[str, Any] = {
    "status": "DEGRADED",
    "components": [
        {
            "component": "postgres",
            "status": "OK",
            "cause": None,
            "because_of": None,
            "latency_ms": 1.25,
            "age_seconds": None,
        },
        {
            "component": "market_data",
            "status": "DEGRADED",
            "cause": "XRPUSDT: no mark for 12.5 s",
            "because_of": "listener",
            "latency_ms": 0.4,
            "age_seconds": 12.5,
        },
    ],
    "source": "health service",
    "age_seconds": 0.2,
    "reason": None,
}
AWAY = {"source": None, "age_seconds": None, "reason": "Redis does not answer"}
AUDIT = {"audit_id": 1, "at": AT, "actor": "olga", "action": "ess_tripped", "reason": "a test", "detail": {"x": 1}}


@dataclass
class FakeSystem:
    """Implements `web.use_cases.UseCases`; what was admitted and tripped is kept for the test to look at."""

    events: FakeEvents = field(default_factory=FakeEvents)
    symbols: frozenset[str] | None = frozenset({"BTCUSDT", "ETHUSDT"})
    admitted: list[Signal] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=lambda: [signal_item()])  # newest first
    policy_outcome: FakeOutcome = field(default_factory=lambda: FakeOutcome(item=POLICY))
    sessions: dict[str, Session] = field(default_factory=dict)  # by secret
    tries_left: int = 5
    addresses: list[str] = field(default_factory=list)  # from which somebody tried to log in
    what_if_outcome: FakeOutcome = field(default_factory=lambda: FakeOutcome(item=WHAT_IF))
    database_away: bool = False
    bug: bool = False

    def _work(self) -> None:
        if self.database_away:
            raise DatabaseUnavailableError("connection to 10.1.2.3 refused")
        if self.bug:
            raise KeyError("secret-internal-name")

    def authenticate(self, token: str) -> FakePrincipal | None:
        scopes = TOKENS.get(token)
        return None if scopes is None else FakePrincipal(token.removesuffix("-token"), scopes)

    def session(self, secret: str) -> Session | None:
        self._work()
        return self.sessions.get(secret)

    def log_in(self, *, name: str, password: str, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        self._work()
        self.addresses.append(address)
        if self.tries_left == 0:
            return LoginRefused(retry_after_seconds=300)
        self.tries_left -= 1
        if name not in USERS or password != PASSWORD:
            return LoginRefused()
        return self._begin(USERS[name], previous)

    def log_in_by_link(self, secret: str, *, address: str, previous: str | None) -> LoggedIn | LoginRefused:
        self._work()
        return self._begin(a_session("operator", Role.OPERATE), previous) if secret == LINK else LoginRefused()

    def _begin(self, logged_in: LoggedIn, previous: str | None) -> LoggedIn:
        if previous is not None:
            self.sessions.pop(previous, None)
        self.sessions[logged_in.secret] = logged_in.session
        return logged_in

    def log_out(self, secret: str) -> None:
        self._work()
        self.sessions.pop(secret, None)

    def admit_signals(self, signals: Sequence[Signal]) -> Sequence[FakeAdmission]:
        self._work()
        answers = []
        known = {signal.signal_id for signal in self.admitted}
        for signal in signals:
            is_new = signal.signal_id not in known
            answers.append(FakeAdmission(signal.signal_id, IntakeVerdict.QUEUED if is_new else IntakeVerdict.DUPLICATE))
            if is_new:
                self.admitted.append(signal)
        return answers

    def known_symbols(self) -> frozenset[str] | None:
        return self.symbols

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        self._work()
        if signal_id != "s-1":
            return None
        return {
            "signal": signal_item(),
            "state": "EXECUTED",
            "decision": {
                "outcome": "APPROVED",
                "code": None,
                "attempt_number": 1,
                "policy_version": 3,
                "verdicts": [
                    {
                        "gate": "confidence",
                        "passed": True,
                        "code": None,
                        "numbers": {"confidence": "0.81", "minimum": "0.5"},
                    }
                ],
                "decided_at": AT,
            },
            "order": order_item(),
            "attempts": [
                {
                    "client_order_id": "qabc-1",
                    "number": 1,
                    "state": "FILLED",
                    "quantity": "0.010",
                    "price": "100200.5",
                    "executed_quantity": "0.010",
                    "average_price": "100000",
                    "error_code": None,
                    "error_message": None,
                    "begun_at": AT,
                    "ended_at": AT,
                }
            ],
            "fills": [
                {
                    "trade_id": 7,
                    "price": "100000",
                    "quantity": "0.010",
                    "fee": "0.4",
                    "fee_asset": "USDT",
                    "realised_pnl": "0",
                    "traded_at": AT,
                }
            ],
        }

    def list_signals(self, *, states: Sequence[str], after: str | None, limit: int) -> Page:
        self._work()
        if after is not None and not after.isdigit():
            raise ValueError("not a cursor")
        self.calls.append(("list_signals", tuple(states), after, limit))
        return Page(items=[signal_item()], next="17")

    def list_orders(self, *, after: str | None, limit: int) -> Page:
        self._work()
        return Page(items=[order_item()], next=None)

    def engine(self) -> Mapping[str, Any]:
        self._work()
        return ENGINE

    def roll_back_model(self, *, version: str, actor: str, reason: str) -> Mapping[str, Any] | None:
        self._work()
        self.calls.append(("roll_back_model", version, actor, reason))
        return MODEL_VERSION if version == MODEL_VERSION["version"] else None

    def list_alerts(self, *, only_open: bool, after: str | None, limit: int) -> Page:
        self._work()
        self.calls.append(("alerts", only_open, after, limit))
        return Page(items=[ALERT], next=None)

    def explain_order(self, order_id: uuid.UUID) -> Mapping[str, Any] | None:
        self._work()
        explained = self.explain_signal("s-1")
        assert explained is not None
        if str(order_id) != explained["order"]["order_id"]:
            return None
        return {name: explained[name] for name in ("order", "attempts", "fills")}

    def ensemble(self, *, symbol: str | None) -> Mapping[str, Any]:
        self._work()
        return {**ENSEMBLE, "symbol": symbol}

    def audit(self, *, actor: str | None, after: str | None, limit: int) -> Page:
        self._work()
        if after is not None and not after.isdigit():
            raise ValueError("not a cursor")
        return Page(items=[AUDIT], next=None)

    def system(self) -> Mapping[str, Any]:
        told = {"source": "database", "age_seconds": 0.0, "reason": None}
        return {
            **told,
            "stage": "PAPER",
            "health": HEALTH,
            "processes": {
                **told,
                "ready": True,
                "items": [{"name": "web", "state": "ready", "pid": 1, "restarts": 0, "reason": None}],
            },
            "workers": {"items": None, **AWAY},
            "queues": {"waiting": {"orders": 0}, **told},
            "window": {"occupancy": None, "capacity": None, "counters": None, **AWAY},
            "budget": {
                **told,
                "used": {"weight_per_minute": 3},
                "limits": {"weight_per_minute": 2400},
                "closed_seconds": 0.0,
                "orders_closed_seconds": 0.0,
                "recovering": False,
            },
            "buffers": {"events": {"depth": 0, "oldest_age_seconds": None, **told}},
            "attempts": {"items": [], **told},
            "alerts": {"items": [], **told},
        }

    def list_positions(self, *, after: str | None, limit: int) -> Page:
        self._work()
        if after == "foreign":
            raise ValueError(after)
        self.calls.append(("positions", after, limit))
        return Page(items=[POSITION], next=None)

    def portfolio(self) -> Mapping[str, Any]:
        self._work()
        return PORTFOLIO

    def read_risk(self) -> Mapping[str, Any]:
        self._work()
        return RISK

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None) -> Page:
        self._work()
        self.calls.append(("equity", since, limit, every_seconds))
        return Page(items=[{"at": AT, "equity": "10012.34"}], next=None)

    def ess(self) -> Mapping[str, Any]:
        self._work()
        return ESS

    def policy(self) -> Mapping[str, Any]:
        self._work()
        return POLICY

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        self._work()
        return Page(items=[POLICY], next=None)

    def snapshot(self) -> Mapping[str, Any]:
        self._work()
        told = {"source": "database", "age_seconds": 0.0}
        return {
            "seq": self.events.bounds()[1],
            "at": AT,
            "portfolio": PORTFOLIO,
            "positions": {"items": [POSITION], **told},
            "orders": {"items": [order_item()], **told},
            "signals": {"items": list(self.listed), **told},
            "ess": {**ESS, **told},
            "policy": {**POLICY, **told},
            "window": {
                "occupancy": 3,
                "capacity": 100,
                "counters": {"received": 9, "queued": 9, "evicted": 0, "dropped": 0, "expired": 0, "dispatched": 6},
                "source": "redis",
                "age_seconds": 0.0,
            },
            "ensemble": ENSEMBLE,
            "system": {"stage": "PAPER", **told},
        }

    def trip_ess(self, *, actor: str, reason: str, flatten: bool) -> Mapping[str, Any]:
        self._work()
        self.calls.append(("trip", actor, reason, flatten))
        return {**ESS, "state": "TRIPPED", "trip_reason": reason, "tripped_at": AT, "trip_count": 1}

    def reset_ess(self, *, actor: str, reason: str) -> Mapping[str, Any] | FakeRefusal:
        self._work()
        self.calls.append(("reset", actor, reason))
        return FakeRefusal("NOT_TRIPPED", "an emergency stop that is ARMED cannot be reset")

    def switch_ess(self, *, actor: str, reason: str, enabled: bool) -> Mapping[str, Any] | FakeRefusal:
        self._work()
        self.calls.append(("switch", actor, reason, enabled))
        if enabled:
            return FakeRefusal("NOT_POSSIBLE_NOW", "an emergency stop that is ARMED cannot be enabled")
        return {**ESS, "state": "DISABLED"}

    def throttles(self) -> Sequence[Mapping[str, Any]]:
        self._work()
        return [THROTTLE]

    def enable_strategy(self, *, strategy: str, actor: str, reason: str) -> Mapping[str, Any] | FakeRefusal | None:
        self._work()
        self.calls.append(("enable_strategy", strategy, actor, reason))
        if strategy == "quiet":
            return FakeRefusal("STRATEGY_NOT_DISABLED", "strategy=quiet")
        if strategy != THROTTLE["strategy"]:
            return None
        return {**THROTTLE, "is_disabled": False, "disabled_at": None, "enabled_at": AT, "enabled_by": actor}

    def set_policy_mode(self, *, mode: RiskMode, **wish: Any) -> FakeOutcome:
        return self._policy_outcome("mode", mode, wish)

    def change_policy(self, *, changes: Mapping[str, Any], **wish: Any) -> FakeOutcome:
        return self._policy_outcome("change", changes, wish)

    def roll_back_policy(self, *, version: int, **wish: Any) -> FakeOutcome:
        return self._policy_outcome("rollback", version, wish)

    def what_if(self, **asked: Any) -> FakeOutcome:
        self._work()
        self.calls.append(("what_if", asked))
        return self.what_if_outcome

    def _policy_outcome(self, what: str, argument: Any, wish: dict[str, Any]) -> FakeOutcome:
        self._work()
        self.calls.append((what, argument, wish))
        return self.policy_outcome
