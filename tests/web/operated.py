"""An in-memory system that an operator can work on: trips, resets and policy changes take effect and are announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.events import EventType
from app.domain.policy import RiskMode, default_policy
from app.domain.policy_fields import FIELDS, write_field
from app.ports import Page
from tests.web.fakes import (
    AT,
    ENGINE,
    ESS,
    MODEL_VERSION,
    POSITION,
    SKILL,
    FakeOutcome,
    FakeRefusal,
    FakeSystem,
    order_item,
    signal_item,
)

GATES = ("stage", "emergency_stop", "signal_age", "policy_age", "symbol", "confidence", "duplicate", "market_data_age")
LONG_NAME = "momentum-breakout-with-volatility-filter-and-a-name-that-never-ends-v12"


def policy_fields(mode: RiskMode = RiskMode.NORMAL) -> dict[str, Any]:
    return {name: write_field(name, getattr(default_policy(mode), name)) for name in FIELDS}


def ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def furnished_positions() -> list[dict[str, Any]]:
    """Long, short, one without a mark, and one whose figures are overdue."""
    protected = {**POSITION, "fees": "0.52", "reason": None}
    return [
        {**protected, "stop_price": "98000", "target_price": "105000"},
        {
            **protected,
            "symbol": "ETHUSDT",
            "quantity": "-1.250",
            "entry_price": "3105.69",
            "mark_price": "3108.42",
            "unrealised_pnl": "-3.4125",
            "realised_pnl": "17.25",
            "stop_price": "3160.10",
            "target_price": "2990",
        },
        {
            **protected,
            "symbol": "SOLUSDT",
            "mark_price": None,
            "unrealised_pnl": None,
            "reason": "no mark price of this symbol is known",
        },
        {**protected, "symbol": "XRPUSDT", "stop_price": None, "target_price": None, "age_seconds": 75.0},
    ]


def furnished_engine() -> dict[str, Any]:
    """An engine at work: a model with skill, one without, one that is missing, and outcomes of two producers."""
    points = [
        {"low": n / 10, "high": (n + 1) / 10, "forecast": n / 10 + 0.05, "observed": n / 12 + 0.11, "samples": 900 * n}
        for n in range(3, 7)
    ]
    proven = {
        **SKILL,
        "estimate": 0.12,
        "low": 0.05,
        "high": 0.19,
        "verdict": "PROVEN",
        "sentence": "skill beyond chance: +0.120, 95 % interval +0.050 to +0.190 over 33 stretches",
    }
    serving = {"status": "LIVE", "code": None, "reason": None, "source": "database", "age_seconds": 12.0}
    results = {"signals": 140, "right_share": 0.53, "mean_gross_return": "0.0004121", "mean_net_return": "-0.0005879"}
    return {
        **ENGINE,
        "state": "LIVE",
        "reason": None,
        "age_seconds": 12.0,
        "models": [
            {
                **serving,
                "model": "xgboost",
                "version": MODEL_VERSION["version"],
                "votes": 14,
                "abstentions": 1,
                "weight": 1.0,
                "skill": proven,
            },
            {
                **serving,
                "model": "patchtst",
                "status": "UNAVAILABLE",
                "code": "NOT_INSTALLED",
                "reason": "its library is not installed",
                "version": None,
                "votes": None,
                "abstentions": None,
                "weight": None,
                "skill": None,
            },
        ],
        "registry": [
            {**MODEL_VERSION, "walk_forward": proven, "reliability": points},
            {
                **MODEL_VERSION,
                "version": "lightgbm-20261122T120000",
                "family": "lightgbm",
                "role": "CHALLENGER",
                "reason": "not better than the champion",
            },
        ],
        "training": {
            "started_at": AT,
            "ended_at": AT,
            "data_from": AT,
            "data_to": AT,
            "symbols": ["BTCUSDT"],
            "samples": 25_000,
            "horizon_minutes": 15,
            "skill": proven,
            "reliability": points,
            "families": {},
            "sentence": "The ensemble shows skill beyond chance.",
        },
        "outcomes": {
            "signals": 280,
            "unknown": 3,
            "horizon_minutes": 15,
            "reason": None,
            "strategies": [{**results, "strategy": "ensemble"}, {**results, "strategy": LONG_NAME}],
            "by_confidence": [
                {**results, "low": f"0.{n}", "high": f"0.{n + 1}", "mean_confidence": f"0.{n}5"} for n in range(4, 9)
            ],
        },
    }


@dataclass
class OperatedSystem(FakeSystem):
    """As `FakeSystem`, but it changes; `loosening_asks` makes every change of the policy ask to be confirmed."""

    stop: dict[str, Any] = field(default_factory=lambda: dict(ESS))
    versions: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=furnished_positions)
    loosening_asks: bool = False
    unknown_blocks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._store(policy_fields(), "set-up", "first start, default of mode NORMAL", [])

    # -------------------------------------------------------------------------------------------- emergency stop

    def ess(self) -> Mapping[str, Any]:
        self._work()
        return self.stop

    def trip_ess(self, *, actor: str, reason: str, flatten: bool) -> Mapping[str, Any]:
        self.calls.append(("trip", actor, reason, flatten))
        steps = [{"step": name, "done": name == "entries_over", "at": None} for name in ("entries_over", "flat")]
        return self._turn(
            state="TRIPPED",
            trip_reason=reason,
            tripped_at=ago(),
            tripped_by=actor,
            steps=steps,
            trip_count=self.stop["trip_count"] + 1,
        )

    def reset_ess(self, *, actor: str, reason: str) -> Mapping[str, Any] | FakeRefusal:
        self.calls.append(("reset", actor, reason))
        if self.stop["state"] != "TRIPPED":
            return FakeRefusal("NOT_TRIPPED", f"an emergency stop that is {self.stop['state']} cannot be reset")
        return self._turn(
            state="COOLING_DOWN",
            trip_reason=None,
            tripped_at=None,
            tripped_by=None,
            steps=[],
            cooldown_until=ago(seconds=-900),
            reset_count=self.stop["reset_count"] + 1,
        )

    def _turn(self, **changes: Any) -> Mapping[str, Any]:
        self.stop.update(changes)
        told = ("state", "trip_reason", "tripped_at", "safe", "cooldown_until", "trip_count", "reset_count")
        self.events.publish(EventType.ESS_STATE_CHANGED, **{name: self.stop[name] for name in told})
        return self.stop

    # -------------------------------------------------------------------------------------------- policy

    def policy(self) -> Mapping[str, Any]:
        self._work()
        return self.versions[0]

    def policy_versions(self, *, after: str | None, limit: int) -> Page:
        self._work()
        return Page(items=self.versions, next=None)

    def set_policy_mode(self, *, mode: RiskMode, **wish: Any) -> FakeOutcome:
        return self._change(policy_fields(mode), wish)

    def change_policy(self, *, changes: Mapping[str, Any], **wish: Any) -> FakeOutcome:
        return self._change({**self.versions[0]["policy"], **changes}, wish)

    def _change(self, wanted: dict[str, Any], wish: Mapping[str, Any]) -> FakeOutcome:
        before = self.versions[0]["policy"]
        changes = [
            {"field": name, "before": before[name], "after": wanted[name]}
            for name in wanted
            if wanted[name] != before[name]
        ]
        if self.loosening_asks and wish["confirmation"] is None:
            return FakeOutcome(confirmation="abc123", loosened=changes, base_version=self.versions[0]["version"])
        return FakeOutcome(item=self._store(wanted, wish["actor"], wish["reason"], changes))

    def _store(self, body: dict[str, Any], author: str, reason: str, changes: list[Any]) -> Mapping[str, Any]:
        version = {
            "version": len(self.versions) + 1,
            "mode": body["mode"],
            "policy": body,
            "changes": changes if self.versions else None,
            "author": author,
            "reason": reason,
            "created_at": ago(),
        }
        self.versions.insert(0, version)
        told = ("version", "mode", "author", "reason", "created_at", "changes")
        self.events.publish(EventType.POLICY_CHANGED, **{name: version[name] for name in told})
        return version

    # -------------------------------------------------------------------------------------------- figures

    def equity(self, *, since: datetime | None, limit: int, every_seconds: int | None) -> Page:
        points = [
            {
                "at": ago(seconds=3000 - 10 * n),
                "equity": f"{10000 + (n * 37) % 23 + n / 9:.2f}",
                "wallet": "10000",
                "unrealised": f"{(n * 37) % 23 - 9:.2f}",
            }
            for n in range(300)
        ]
        return Page(items=points, next=None)

    def explain_signal(self, signal_id: str) -> Mapping[str, Any] | None:
        explained = super().explain_signal("s-1")
        listed = next((each for each in self.listed if each["signal_id"] == signal_id), None)
        if explained is None or listed is None:
            return None
        at = datetime.fromisoformat(listed["received_at"])
        moments = (
            ("generated", None, "producer"),
            ("received", "from model", "ours"),
            ("sending", "attempt 1", "ours"),
        )
        decision = explained["decision"]
        asked = [
            {"gate": name, "passed": True, "code": None, "numbers": {"asked_for": str(number)}}
            for number, name in enumerate(GATES)
            if name != "confidence"
        ]
        return {
            **explained,
            "signal": {**listed, "models": VOTES},
            "decision": {**decision, "verdicts": [*decision["verdicts"], *asked]},
            "timeline": [
                {
                    "at": (at + timedelta(milliseconds=41 * n)).isoformat(),
                    "what": what,
                    "detail": detail,
                    "clock": clock,
                }
                for n, (what, detail, clock) in enumerate(moments)
            ],
        }

    def engine(self) -> Mapping[str, Any]:
        self._work()
        return furnished_engine()

    def snapshot(self) -> Mapping[str, Any]:
        snapshot = dict(super().snapshot())
        told = {"source": "database", "age_seconds": 0.0}
        orders = [
            order_item(created_at=ago(minutes=3), attempts_made=1),
            order_item(
                order_id="0195500a-0000-7000-8000-000000000002",
                symbol="ETHUSDT",
                side="SELL",
                state="CHASING",
                executed_quantity="0.004",
                reason="attempt 1: PARTIALLY_FILLED",
                created_at=ago(seconds=9),
                attempts_made=2,
            ),
        ]
        states = [each["state"] for each in self.listed]
        snapshot |= {
            "portfolio": {**snapshot["portfolio"], "realised_pnl": "-17.83", "fees": "3.21"},
            "positions": {"items": self.held, **told},
            "orders": {"items": orders, **told},
            "ess": {**self.stop, **told},
            "policy": {**self.versions[0], **told},
            "system": {
                **snapshot["system"],
                "counts": {"signals": {state: states.count(state) for state in states}, "of_newest": 1000},
            },
        }
        nothing = {"source": None, "age_seconds": None, "reason": "it does not answer"}
        for name in self.unknown_blocks:
            snapshot[name] = dict.fromkeys(snapshot[name]) | nothing
        return snapshot


VOTES = {
    "xgboost": {"action": "BUY", "confidence": "0.7723599672317505", "source": "xgboost", "provenance": "LIVE"},
    "lightgbm": {"action": "BUY", "confidence": "0.8638699054718018", "source": "lgbm_model", "provenance": "LIVE"},
    "nhits": {
        "action": "HOLD",
        "confidence": "0.5",
        "source": "nhits_insufficient_history",
        "provenance": "FALLBACK",
        "reason": "insufficient_history",
    },
    "patchtst": {"action": None, "confidence": None, "provenance": "UNAVAILABLE", "reason": "no answer"},
}


def decided_signals(system: FakeSystem, count: int) -> None:
    """Signals that came and were decided, as a producer's burst."""
    endings = [
        ("EXECUTED", None, None),
        ("DENIED", "CONFIDENCE_BELOW_MINIMUM", "confidence: confidence=0.22279788851737975, minimum=0.5"),
        ("EVICTED", "REPLACED_BY_BETTER", "a signal with a higher confidence took its place in the window"),
        ("EXPIRED", "TIME_TO_LIVE_OVER", "older than its time to live when it was ranked"),
    ]
    for n in range(count):
        state, code, reason = endings[n % 4]
        a_decided_signal(
            system,
            f"live-{n}",
            symbol=("BTCUSDT", "ETHUSDT", "SOLUSDT")[n % 3],
            side="BUY" if n % 2 else "SELL",
            confidence=f"0.{40 + n}",
            strategy=LONG_NAME if n % 5 == 0 else "ensemble",
            state=state,
            reason_code=code,
            reason=reason,
        )


def a_decided_signal(system: FakeSystem, signal_id: str, **changes: Any) -> None:
    """One that came and was decided."""
    payload = signal_item(signal_id, **{"received_at": ago(milliseconds=80), "decided_at": ago(), **changes})
    system.listed.insert(0, payload)
    system.events.publish(EventType.SIGNAL_RECEIVED, **{**payload, "state": "QUEUED"})
    told = ("signal_id", "state", "reason_code", "reason", "decided_at")
    system.events.publish(EventType.SIGNAL_DECIDED, **{name: payload[name] for name in told})
