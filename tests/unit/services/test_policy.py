"""The policy: tightened at once, loosened only when meant, never guessed, and no decision by one that was replaced."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import structlog

from app.domain.policy import RiskMode, default_policy
from app.domain.policy_rules import CONTRADICTION
from app.services.change_policy import Changed, ChangePolicy, InvalidPolicy, PolicyOutcome, Unconfirmed, Wish
from app.services.policy_cache import PolicyCache
from app.services.reset_ess import Refused
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents
from tests.support.desk import Desk

D = Decimal


def wish(**changes: object) -> Wish:
    return Wish(**{"actor": "ann", "reason": "because", **changes})


def change_of(desk: Desk) -> ChangePolicy:
    return ChangePolicy(desk.unit_of_work, desk.clock, desk.policy)


def policies(desk: Desk) -> list:
    return desk.database.state.policies


def denial_of(desk: Desk, signal_id: str) -> str:
    stored = desk.stored(signal_id)
    return f"{stored.state.value}: {stored.reason_code}"


# ------------------------------------------------------------------------------------------------ changing


def test_tightening_needs_one_word_and_is_a_version_of_its_own():
    desk = Desk()
    outcome = change_of(desk).set_fields(
        {"leverage_max": "2", "gross_exposure_share_max": 2, "net_exposure_share_max": D("2.0")}, wish()
    )
    assert isinstance(outcome, Changed)
    assert [(each.field, each.before, each.after) for each in outcome.changes] == [
        ("leverage_max", "5", "2"), ("net_exposure_share_max", "5", "2"), ("gross_exposure_share_max", "5", "2")
    ]  # fmt: skip
    newest = policies(desk)[-1]
    assert (newest.version, newest.author, newest.reason, newest.policy.leverage_max) == (2, "ann", "because", D(2))
    (row,) = [row for row in desk.database.state.audit if row["action"] == "policy_changed"]
    assert (row["actor"], row["detail"]["version"], row["detail"]["loosened"]) == ("ann", 2, [])
    assert [event.type.value for event in desk.events.published][-1] == "policy_changed"


def test_loosening_is_asked_for_twice():
    desk = Desk()
    change = change_of(desk)
    loose = {"confidence_minimum": "0.4", "spread_share_max": "0.001"}
    first = change.set_fields(loose, wish())
    assert isinstance(first, Unconfirmed)
    assert [each.field for each in first.loosened] == ["confidence_minimum"]
    assert len(policies(desk)) == 1
    second = change.set_fields(loose, wish(confirmation=first.confirmation))
    assert isinstance(second, Changed)
    assert policies(desk)[-1].policy.confidence_minimum == D("0.4")


def test_a_confirmation_is_worth_nothing_for_another_change_or_after_another_change():
    desk = Desk()
    change = change_of(desk)
    asked = change.set_fields({"confidence_minimum": "0.4"}, wish())
    more = change.set_fields({"confidence_minimum": "0.3"}, wish(confirmation=asked.confirmation))
    assert isinstance(more, Unconfirmed)
    assert isinstance(change.set_fields({"size_factor": "0.5"}, wish()), Changed)
    again = change.set_fields({"confidence_minimum": "0.4"}, wish(confirmation=asked.confirmation))
    assert isinstance(again, Unconfirmed)
    assert again.confirmation != asked.confirmation


def test_a_change_of_a_version_that_no_longer_counts_is_refused():
    desk = Desk()
    change = change_of(desk)
    assert isinstance(change.set_fields({"size_factor": "0.5"}, wish(base_version=1)), Changed)
    refused = change.set_fields({"size_factor": "0.4"}, wish(base_version=1))
    assert refused == Refused("POLICY_CHANGED_MEANWHILE", "base_version=1, current=2")


def test_a_change_that_changes_nothing_adds_no_version():
    desk = Desk()
    outcome = change_of(desk).set_fields({"leverage_max": "5.00"}, wish())
    assert isinstance(outcome, Changed)
    assert (outcome.version.version, list(outcome.changes), len(policies(desk))) == (1, [], 1)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"leverage": "2"}, "leverage", "unknown_field"),
        ({"mode": "NORMAL"}, "mode", "unknown_field"),
        ({"leverage_max": "much"}, "leverage_max", "malformed_value"),
        ({"leverage_max": True}, "leverage_max", "malformed_value"),
        ({"leverage_max": None}, "leverage_max", "malformed_value"),
        ({"open_positions_max": D("2.5")}, "open_positions_max", "malformed_value"),
        ({"symbols_denied": "BTCUSDT"}, "symbols_denied", "malformed_value"),
        ({"leverage_max": "126"}, "leverage_max", "out_of_range"),
        ({"leverage_max": "4"}, "gross_exposure_share_max", CONTRADICTION),
    ],
)
def test_what_cannot_be_a_policy_is_refused_with_a_pointer_to_the_field(changes, field, code):
    desk = Desk()
    outcome = change_of(desk).set_fields(changes, wish())
    assert isinstance(outcome, InvalidPolicy)
    assert [(fault.field, fault.code) for fault in outcome.faults] == [(field, code)]
    assert len(policies(desk)) == 1


def test_a_mode_changes_its_own_numbers_and_forgets_nothing_else():
    desk = Desk()
    desk.change_policy(symbols_denied=frozenset({"XRPUSDT"}), slippage_share_max=D("0.001"))
    outcome = change_of(desk).set_mode(RiskMode.DEFENSIVE, wish())
    assert isinstance(outcome, Changed)
    expected = replace(
        default_policy(RiskMode.DEFENSIVE), symbols_denied=frozenset({"XRPUSDT"}), slippage_share_max=D("0.001")
    )
    assert policies(desk)[-1].policy == expected


def test_a_rollback_is_a_new_version_equal_to_the_old_one_and_loosening_is_still_loosening():
    desk = Desk()
    change = change_of(desk)
    change.set_mode(RiskMode.DEFENSIVE, wish())
    asked = change.roll_back(1, wish())
    assert isinstance(asked, Unconfirmed)
    assert isinstance(change.roll_back(1, wish(confirmation=asked.confirmation)), Changed)
    assert [each.version for each in policies(desk)] == [1, 2, 3]
    assert policies(desk)[2].policy == policies(desk)[0].policy
    assert change.roll_back(9, wish()) == Refused("NO_SUCH_VERSION", "version=9")


def without_policy() -> tuple[FakeDatabase, ChangePolicy]:
    clock = FakeClock()
    database = FakeDatabase(now=clock.now())
    begin = FakeUnitOfWorkFactory(database, FakeEvents())
    return database, ChangePolicy(begin, clock, PolicyCache(begin, clock))


def test_the_first_policy_of_all_is_chosen_as_a_mode_and_confirmed():
    database, change = without_policy()
    refused = change.set_fields({"leverage_max": "2"}, wish())
    assert isinstance(refused, Refused)
    assert refused.code == "POLICY_UNKNOWN"
    asked = change.set_mode(RiskMode.DEFENSIVE, wish())
    assert isinstance(asked, Unconfirmed)
    assert isinstance(change.set_mode(RiskMode.DEFENSIVE, wish(confirmation=asked.confirmation)), Changed)
    assert database.state.policies[0].policy == default_policy(RiskMode.DEFENSIVE)


def test_two_who_change_at_once_take_turns():
    desk = Desk()
    with desk.unit_of_work() as other:
        assert other.control.try_lock("policy")
        outcome: PolicyOutcome = change_of(desk).set_fields({"size_factor": "0.5"}, wish())
    assert isinstance(outcome, Refused)
    assert outcome.code == "CHANGE_IN_PROGRESS"


def test_a_policy_that_cannot_be_read_can_be_replaced_by_one_who_confirms():
    desk = Desk()
    desk.database.policy_is_unreadable = True
    asked = change_of(desk).set_mode(RiskMode.NORMAL, wish())
    assert isinstance(asked, Unconfirmed)
    assert asked.base_version == 1
    assert isinstance(change_of(desk).set_mode(RiskMode.NORMAL, wish(confirmation=asked.confirmation)), Changed)


# ------------------------------------------------------------------------------------------------ deciding


def test_a_tightening_counts_for_the_very_next_decision_of_a_worker_whose_cache_is_warm():
    desk = Desk()
    assert desk.policy.current() is not None
    # Another process changes it: this worker's cache is not told.
    elsewhere = ChangePolicy(desk.unit_of_work, desk.clock, PolicyCache(desk.unit_of_work, desk.clock))
    assert isinstance(elsewhere.set_fields({"confidence_minimum": "0.95"}, wish()), Changed)
    desk.placed(desk.signal("a", confidence=D("0.9")))
    assert denial_of(desk, "a") == "DENIED: CONFIDENCE_BELOW_MINIMUM"
    (decision,) = desk.database.state.decisions
    assert decision.policy_version == 2


def test_without_a_policy_every_entry_is_denied():
    desk = Desk()
    desk.database.state.policies.clear()
    desk.policy.invalidate()
    desk.placed(desk.signal("a"))
    assert denial_of(desk, "a") == "DENIED: POLICY_UNKNOWN"


def test_a_policy_that_cannot_be_read_denies_every_entry_and_is_logged():
    desk = Desk()
    desk.database.policy_is_unreadable = True
    with structlog.testing.capture_logs() as logs:
        assert desk.policy.current() is None
        desk.placed(desk.signal("a"))
    assert denial_of(desk, "a") == "DENIED: POLICY_UNKNOWN"
    assert {(line["event"], line["log_level"]) for line in logs} >= {("policy_unreadable", "error")}


def test_a_policy_that_becomes_unreadable_denies_although_the_cache_is_warm():
    desk = Desk()
    assert desk.policy.current() is not None
    desk.change_policy(size_factor=D("0.5"))
    desk.database.policy_is_unreadable = True
    desk.placed(desk.signal("a"))
    assert denial_of(desk, "a") == "DENIED: POLICY_UNKNOWN"


class SwitchedOffFactory:
    """Units of work of a database that only the cache has lost."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.is_away = False

    def __call__(self):
        if self.is_away:
            database = FakeDatabase()
            database.is_away = True
            return FakeUnitOfWorkFactory(database, FakeEvents())()
        return self._desk.unit_of_work()


@pytest.mark.parametrize(("age_seconds", "state"), [(600, "EXECUTED"), (601, "DENIED: POLICY_TOO_OLD")])
def test_a_policy_that_cannot_be_refreshed_is_used_as_long_as_it_permits_itself(age_seconds, state):
    desk = Desk()
    begin = SwitchedOffFactory(desk)
    cache = PolicyCache(begin, desk.clock)
    desk.place = replace(desk.place, policy=cache)
    assert cache.current() is not None
    begin.is_away = True
    with structlog.testing.capture_logs() as logs:
        desk.later(age_seconds)
        desk.placed(desk.signal("a"))
    stored = desk.stored("a")
    assert stored.state.value == "EXECUTED" if state == "EXECUTED" else denial_of(desk, "a") == state
    warned = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert "policy_not_refreshed" in warned
    assert ("policy_refresh_forced" in warned) is (age_seconds > 600)


def test_the_cache_reads_again_after_five_seconds_and_not_before():
    desk = Desk()
    first = desk.policy.current()
    with desk.unit_of_work() as uow:
        uow.control.add_policy(default_policy(RiskMode.DEFENSIVE), author="x", reason="y", now=desk.clock.now())
        uow.commit()
    desk.clock.advance(4.9)
    assert desk.policy.current() is first
    desk.clock.advance(0.1)
    assert desk.policy.current().policy.mode is RiskMode.DEFENSIVE
