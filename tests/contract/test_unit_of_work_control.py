"""What every unit of work does, the one on Postgres and the fake: the stop, policies, symbols, tokens, decisions."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.ess import EssState
from app.domain.policy import RiskMode, default_policy
from app.domain.reconciliation import Difference, Pass
from app.domain.throttles import StrategyThrottle
from app.ports import (
    ConstraintViolatedError,
    UnitOfWorkFactory,
)
from tests.contract.unit_of_work_steps import put_signals
from tests.contract.unit_of_work_values import (
    NOW,
    D,
    decision,
    later,
    position,
    rules,
    tripped,
)


def test_the_emergency_stop_is_armed_from_the_first_second(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        stop = uow.control.ess()
        assert stop is not None
        assert stop.state is EssState.ARMED
        assert stop == uow.control.lock_ess() == uow.control.lock_ess_shared()


def test_a_trip_is_stored_whole(begin: UnitOfWorkFactory) -> None:
    stop = tripped(safe_at=later(1), cooldown_started_at=later(2), cooldown_until=later(3))
    with begin() as uow:
        uow.control.save_ess(stop)
        uow.control.audit(at=NOW, actor="ann", action="ess.trip", reason="news", detail={"loss": D("1.50"), "n": 1})
        uow.commit()
    with begin() as uow:
        assert uow.control.ess() == stop


def test_policies_are_versions_and_the_newest_counts(begin: UnitOfWorkFactory) -> None:
    changed = replace(default_policy(RiskMode.DEFENSIVE), symbols_denied=frozenset({"XRPUSDT", "ADAUSDT"}))
    with begin() as uow:
        assert uow.control.current_policy(now=NOW) is None
        first = uow.control.add_policy(default_policy(RiskMode.NORMAL), author="ann", reason="start", now=NOW)
        second = uow.control.add_policy(changed, author="bob", reason="careful", now=later(1))
        assert first.version < second.version
        assert uow.control.current_policy(now=later(5)) == replace(second, loaded_at=later(5))
        page = uow.control.policy_versions(after=None, limit=1)
        rest = uow.control.policy_versions(after=page.next, limit=1)
    (newest,), (oldest,) = page.items, rest.items
    assert (newest["author"], oldest["author"], rest.next) == ("bob", "ann", None)
    assert (newest["mode"], newest["created_at"]) == ("DEFENSIVE", "2026-11-22T12:00:01.123456Z")
    assert newest["policy"]["symbols_denied"] == ["ADAUSDT", "XRPUSDT"]
    assert newest["policy"]["risk_per_trade_share"] == "0.0075"
    assert newest["policy"]["open_positions_max"] == 10


def test_symbols_are_replaced_by_what_the_exchange_says_now(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.control.symbols() == {}
        assert uow.control.symbol("BTCUSDT") is None
        uow.control.save_symbols([], now=NOW)
        uow.control.save_symbols([rules("ETHUSDT"), rules()], now=NOW)
        uow.control.save_symbols([rules(status="BREAK", tick_size=D("0.5"))], now=later(1))
        uow.commit()
    with begin() as uow:
        assert uow.control.symbol("BTCUSDT") == rules(status="BREAK", tick_size=D("0.5"))
        assert list(uow.control.symbols().items()) == [
            ("BTCUSDT", rules(status="BREAK", tick_size=D("0.5"))),
            ("ETHUSDT", rules("ETHUSDT")),
        ]


def test_a_token_ends_with_its_time_or_by_being_revoked(begin: UnitOfWorkFactory) -> None:
    hour = timedelta(hours=1)
    with begin() as uow:
        for key in ("aaaaaaaa1", "bbbbbbbb2"):
            uow.control.add_token(name="models", token_hash=key, scopes=["read"], now=NOW, expires_at=NOW + hour)
        uow.control.add_token(name="other", token_hash="cccccccc3", scopes=["read"], now=NOW)
        uow.commit()
    with begin() as uow:
        assert uow.control.token_scopes("aaaaaaaa1", now=NOW + hour / 2) == ("models", frozenset({"read"}), NOW + hour)
        assert uow.control.token_scopes("aaaaaaaa1", now=NOW + hour) is None
        assert uow.control.revoke_tokens("models", mark="bbbbbbbb", now=NOW) == 1
        assert uow.control.token_scopes("bbbbbbbb2", now=NOW) is None
        assert uow.control.token_scopes("aaaaaaaa1", now=NOW) is not None
        assert uow.control.revoke_tokens("models", mark=None, now=NOW) == 1
        assert uow.control.revoke_tokens("models", mark=None, now=NOW) == 0
        told = [(each.name, each.mark, each.expires_at, each.revoked_at) for each in uow.control.tokens()]
        assert sorted(told, key=str) == [
            ("models", "aaaaaaaa", NOW + hour, NOW),
            ("models", "bbbbbbbb", NOW + hour, NOW),
            ("other", "cccccccc", None, None),
        ]


def test_a_token_opens_its_scopes(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.control.add_token(name="models", token_hash="h1", scopes=["signals", "read"], now=NOW)
        assert uow.control.token_scopes("h1", now=NOW) == ("models", frozenset({"read", "signals"}), None)
        assert uow.control.token_scopes("h2", now=NOW) is None


def test_decisions_are_told_as_they_were_made(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1", "s2")
    order_id = uuid.uuid4()
    with begin() as uow:
        uow.control.add_decision(decision())
        uow.control.add_decision(decision("s2"))
        uow.control.add_decision(
            decision(order_id=order_id, attempt_number=2, outcome="APPROVED", code=None, verdicts=[], inputs={})
        )
        uow.commit()
    with begin() as uow:
        first, second = uow.control.decisions("s1")
        assert uow.control.decisions("nobody") == []
    assert {name: value for name, value in first.items() if name != "decision_id"} == {
        "order_id": None,
        "attempt_number": 1,
        "policy_version": 3,
        "outcome": "DENIED",
        "code": "CONFIDENCE_BELOW_MINIMUM",
        "verdicts": [
            {"gate": "stage", "passed": True, "code": None, "numbers": {}},
            {
                "gate": "confidence",
                "passed": False,
                "code": "CONFIDENCE_BELOW_MINIMUM",
                "numbers": {"confidence": "0.4", "minimum": "0.50"},
            },
        ],
        "inputs": {"equity": "10000.5", "open_positions": 3, "quote": None},
        "decided_at": "2026-11-22T12:00:00.123456Z",
    }
    assert (second["order_id"], second["attempt_number"], second["outcome"]) == (str(order_id), 2, "APPROVED")


def test_recorded_decisions_are_paged_backwards_through_a_time(begin: UnitOfWorkFactory) -> None:
    put_signals(begin, "s1")
    seconds = [0, 1, 1, 2, 3]
    with begin() as uow:
        for number, second in enumerate(seconds):
            uow.control.add_decision(decision(decided_at=NOW + timedelta(seconds=second), attempt_number=number + 1))
        uow.commit()
    seen: list[int] = []
    before: tuple[datetime, int] | None = None
    with begin() as uow:
        while rows := uow.control.recorded_decisions(
            since=NOW, until=NOW + timedelta(seconds=3), before=before, limit=2
        ):
            seen += [row["attempt_number"] for row in rows]
            before = (datetime.fromisoformat(rows[-1]["decided_at"]), rows[-1]["decision_id"])
        assert {
            row["signal_id"]
            for row in uow.control.recorded_decisions(since=NOW, until=NOW + timedelta(hours=1), before=None, limit=500)
        } == {"s1"}
        with pytest.raises(ValueError):
            uow.control.recorded_decisions(since=NOW, until=NOW, before=None, limit=501)
    assert seen == [4, 3, 2, 1]


def test_a_decision_needs_its_signal(begin: UnitOfWorkFactory) -> None:
    with begin() as uow, pytest.raises(ConstraintViolatedError):
        uow.control.add_decision(decision("nobody"))


def test_amounts_keep_every_digit(begin: UnitOfWorkFactory) -> None:
    amount = Decimal("123456789012345678901234567890.123456789012345678901234567890")
    with begin() as uow:
        uow.ledger.save_position(position(realised_pnl=amount, entry_cost=-amount))
        uow.commit()
    with begin() as uow:
        stored = uow.ledger.lock_position("BTCUSDT")
    assert (stored.realised_pnl, stored.entry_cost) == (amount, -amount)


def test_the_newest_reconciliation_is_the_one_that_counts(begin: UnitOfWorkFactory) -> None:
    seen = Difference(subject="wallet", ours=D("10.00000001"), theirs=D(9), since=7)
    with begin() as uow:
        assert uow.control.last_reconciliation() is None
        uow.control.add_reconciliation([seen], now=NOW)
        assert uow.control.last_reconciliation() == Pass(at=NOW, differences=[seen])
        uow.control.add_reconciliation([], now=later(1))
        assert uow.control.last_reconciliation() == Pass(at=later(1), differences=[])


def test_a_policy_version_tells_what_it_changed(begin: UnitOfWorkFactory) -> None:
    normal = default_policy(RiskMode.NORMAL)
    with begin() as uow:
        uow.control.add_policy(normal, author="ann", reason="start", now=NOW)
        uow.control.add_policy(replace(normal, leverage_max=D("2.50")), author="bob", reason="careful", now=later(1))
        (newest,) = uow.control.policy_versions(after=None, limit=1).items
        both = uow.control.policy_versions(after=None, limit=2).items
    assert newest["changes"] == [{"field": "leverage_max", "before": "5", "after": "2.5"}]
    assert [each["changes"] for each in both] == [newest["changes"], None]


def test_an_old_version_is_read_as_it_was(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        first = uow.control.add_policy(default_policy(RiskMode.NORMAL), author="ann", reason="start", now=NOW)
        uow.control.add_policy(default_policy(RiskMode.DEFENSIVE), author="bob", reason="careful", now=later(1))
        assert uow.control.policy_of_version(first.version, now=later(2)) == replace(first, loaded_at=later(2))
        assert uow.control.policy_of_version(first.version + 9, now=NOW) is None


def test_the_emergency_stops_row_tells_which_policy_counts(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.control.add_policy(default_policy(RiskMode.NORMAL), author="ann", reason="start", now=NOW)
        second = uow.control.add_policy(default_policy(RiskMode.NORMAL), author="ann", reason="again", now=NOW)
        stop = uow.control.lock_ess_shared()
        assert stop is not None
        assert stop.policy_version == second.version


def test_a_throttle_is_stored_whole_and_replaced_by_its_strategy(begin: UnitOfWorkFactory) -> None:
    disabled = StrategyThrottle(
        strategy="trend", disabled_at=NOW, symbol="BTCUSDT", executions=20, maximum=20, window_seconds=600
    )
    other = replace(disabled, strategy="carry", disabled_at=None, enabled_at=later(1), enabled_by="ann")
    with begin() as uow:
        assert uow.control.throttle("trend") is None
        uow.control.save_throttle(disabled)
        uow.control.save_throttle(other)
        uow.commit()
    enabled = replace(disabled, disabled_at=None, enabled_at=later(9), enabled_by="bob", enabled_because="seen")
    with begin() as uow:
        assert uow.control.throttles() == [other, disabled]
        uow.control.save_throttle(enabled)
        uow.commit()
    with begin() as uow:
        assert uow.control.throttle("trend") == enabled
        assert uow.control.throttles() == [other, enabled]
