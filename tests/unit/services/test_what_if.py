"""What if: the same policy decides the same, another is told apart gate by gate, and asking changes nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.gates.rule_book import judge_entry
from app.domain.policy import RiskMode, Stage, default_policy
from app.domain.policy_fields import FIELDS, write_field
from app.domain.signals import ModelVote, Side
from app.services.change_policy import InvalidPolicy
from app.services.recorded_facts import UnreadableFactsError, as_json, facts_from_json
from app.services.reset_ess import Refused
from app.services.what_if import Period, Wanted, WhatIf, WhatIfReport
from app.services.what_if_answers import what_if_answer
from tests.fakes.exchange import Fills
from tests.support.desk import Desk
from tests.unit.domain.builders import denies, make_facts, make_quote, make_signal

D = Decimal


def what_if(desk: Desk, wanted: Wanted | None = None, *, decisions_max: int = 1_000, **more: Any) -> Any:
    now = desk.clock.now()
    period = Period(since=now - timedelta(hours=1), until=now + timedelta(seconds=1), decisions_max=decisions_max)
    use_case = WhatIf(unit_of_work=desk.unit_of_work, clock=desk.clock)
    return use_case(wanted or Wanted(), period, **more)


def desk_with_history() -> Desk:
    """An entry approved, one denied for its confidence and one for coming too soon after, and one that was chased."""
    desk = Desk()
    desk.placed(desk.signal("good", confidence=D("0.9")))
    desk.later(1)
    desk.placed(desk.signal("weak", confidence=D("0.4"), symbol="ETHUSDT"))
    desk.later(1)
    desk.placed(desk.signal("again", confidence=D("0.9")))
    desk.later(61)
    desk.exchange.script(Fills(share=D("0.4")), Fills(share=D("0.4")))
    desk.placed(desk.signal("chased", confidence=D("0.8"), side=Side.SELL))
    desk.chase_until_settled("chased")
    assert len(desk.attempts_of("chased")) >= 3
    return desk


def test_under_the_policy_that_made_them_every_decision_is_the_same_to_the_last_number() -> None:
    desk = desk_with_history()
    report = what_if(desk)
    assert isinstance(report, WhatIfReport)
    assert report.changes == []
    assert (report.not_reproduced, report.unreadable, report.comparison.changed) == ([], [], 0)
    assert report.comparison.compared == report.read >= 4
    assert report.comparison.outcomes_before == report.comparison.outcomes_after


def test_a_stricter_minimum_denies_what_was_let_in_and_says_at_which_gate_and_for_how_much() -> None:
    desk = desk_with_history()
    report = what_if(desk, Wanted(changes={"confidence_minimum": "0.85"}))
    assert report.comparison.gates["confidence"].denies_now >= 1
    changed = {one.facts.signal.signal_id: one for _, one in report.details}
    assert (changed["chased"].before.code, changed["chased"].after.code) == (None, "CONFIDENCE_BELOW_MINIMUM")
    assert changed["chased"].after.notional == 0
    assert report.comparison.after.entries == report.comparison.before.entries - 1
    assert report.comparison.after.sold == 0 < report.comparison.before.sold


def test_a_looser_minimum_lets_in_what_was_denied_with_the_size_it_would_have_had() -> None:
    desk = desk_with_history()
    report = what_if(desk, Wanted(changes={"confidence_minimum": "0.3"}))
    (weak,) = [one for _, one in report.details if one.facts.signal.signal_id == "weak"]
    assert weak.gates_changed == [("confidence", "CONFIDENCE_BELOW_MINIMUM", None)] + [
        each for each in weak.gates_changed if each[0] != "confidence"
    ]
    assert weak.after.quantity > 0 == weak.before.quantity


def test_a_mode_changes_sizes_and_the_sums_tell_by_symbol_and_side() -> None:
    desk = desk_with_history()
    answer = what_if_answer(what_if(desk, Wanted(mode=RiskMode.DEFENSIVE)))
    item = answer.item
    assert item is not None
    assert {each["field"] for each in item["changes"]} >= {"mode", "position_notional_max", "confidence_minimum"}
    before, after = item["entered"]["before"], item["entered"]["after"]
    assert D(after["gross"]) < D(before["gross"])
    assert D(before["gross"]) == D(before["bought"]) + D(before["sold"])
    assert D(before["net"]) == D(before["bought"]) - D(before["sold"])
    assert sum(D(each["before"]["gross"]) for each in item["symbols"]) == D(before["gross"])
    assert item["decisions"]["changed"] == len(item["changed"])
    good = next(each for each in item["changed"] if each["signal_id"] == "good")
    assert D(good["after"]["quantity"]) < D(good["before"]["quantity"])


def test_a_whole_policy_from_a_file_counts_with_its_mode() -> None:
    desk = desk_with_history()
    whole = default_policy(RiskMode.DEFENSIVE)
    body = {name: write_field(name, getattr(whole, name)) for name in FIELDS}
    report = what_if(desk, Wanted(changes=body))
    assert report.policy == whole


def test_an_old_version_can_be_tried_and_changed() -> None:
    desk = desk_with_history()
    desk.change_policy(confidence_minimum=D("0.95"))
    newest, first = what_if(desk), what_if(desk, Wanted(version=1, changes={"open_positions_max": 4}))
    assert (newest.base.version, newest.comparison.gates["confidence"].denied_after) == (2, newest.comparison.compared)
    assert newest.comparison.compared == newest.read
    assert first.base.version == 1
    assert (first.policy.confidence_minimum, first.policy.open_positions_max) == (D("0.50"), 4)
    assert newest.not_reproduced == first.not_reproduced == []


def test_what_cannot_be_tried_is_refused_with_the_reason() -> None:
    desk = desk_with_history()
    assert what_if(desk, Wanted(version=9)) == Refused("NO_SUCH_VERSION", "version=9")
    nonsense = what_if(desk, Wanted(changes={"leverage_max": "999", "no_such": 1, "mode": "BRAVE"}))
    assert isinstance(nonsense, InvalidPolicy)
    assert {each.field for each in nonsense.faults} == {"no_such", "mode"}
    ranges = what_if_answer(what_if(desk, Wanted(changes={"leverage_max": "999"})))
    assert [each["field"] for each in ranges.faults] == ["leverage_max"]


def test_asking_changes_nothing() -> None:
    desk = desk_with_history()
    before = copy.deepcopy(desk.database.state)
    sent, commits = len(desk.exchange.submitted), desk.database.commits
    what_if(desk, Wanted(mode=RiskMode.AGGRESSIVE_SMALL_ACCOUNT))
    assert desk.database.state == before
    assert (len(desk.exchange.submitted), desk.database.commits) == (sent, commits)


def test_of_too_many_decisions_the_newest_are_looked_at_and_the_rest_is_not_passed_over_in_silence() -> None:
    desk = desk_with_history()
    whole = what_if(desk)
    report = what_if(desk, decisions_max=2)
    assert (report.read, report.is_complete, whole.is_complete) == (2, False, True)
    assert report.oldest > whole.oldest
    assert what_if(desk, decisions_max=whole.read).is_complete


def test_details_are_bounded_and_the_counts_are_not() -> None:
    desk = desk_with_history()
    report = what_if(desk, Wanted(mode=RiskMode.DEFENSIVE), details_max=1)
    assert len(report.details) == 1 < report.comparison.changed


def test_what_another_release_recorded_is_counted_apart_and_compared_with_nothing() -> None:
    desk = desk_with_history()
    decisions = desk.database.state.decisions
    broken = copy.deepcopy(decisions[0])
    object.__setattr__(broken, "inputs", {**broken.inputs, "signal": None})
    decisions[0] = broken
    other = copy.deepcopy(decisions[1])
    *same, last = other.verdicts
    object.__setattr__(other, "verdicts", [*same, replace(last, numbers={**last.numbers, "margin": "0"})])
    decisions[1] = other
    report = what_if(desk)
    assert (report.unreadable, report.not_reproduced) == (["good"], ["weak"])
    assert report.comparison.compared == report.read - 2


@given(
    side=st.sampled_from(Side),
    missing=st.sets(st.sampled_from(["quote", "funding", "account", "exposure", "rules", "policy", "emergency_stop"])),
    chase=st.booleans(),
)
def test_facts_come_back_from_json_as_they_went(side: Side, missing: set[str], chase: bool) -> None:
    votes = {"xgboost": ModelVote(action="BUY", confidence=D("0.61"), source=None)}
    changes: dict[str, Any] = {
        "signal": make_signal(side=side, models=votes, reference_price=D("50001.50")),
        "stage": Stage.LIVE,
        "sizing_refusal": denies("size", "SIZE_BELOW_VENUE_MINIMUM", quantity="0"),
        **dict.fromkeys(missing),
    }
    if chase:
        changes |= {"attempt_number": 3, "first_reference_price": D("50000"), "remaining_quantity": D("0.5")}
    facts = make_facts(**changes)
    again = facts_from_json(as_json(facts), policy_of=lambda _: None)
    assert again == facts
    assert judge_entry(again) == judge_entry(facts)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda facts: facts.pop("signal"),
        lambda facts: facts.update(stage="BRAVE"),
        lambda facts: facts["quote"].update(mark_price=1.5),
        lambda facts: facts["policy"].pop("version"),
    ],
)
def test_what_is_no_decision_of_ours_is_said_to_be_unreadable(spoil: Any) -> None:
    recorded = as_json(make_facts(quote=make_quote()))
    spoil(recorded)
    with pytest.raises(UnreadableFactsError):
        facts_from_json(recorded, policy_of=lambda _: None)


def test_a_decision_from_before_a_gate_existed_leads_to_itself() -> None:
    desk = desk_with_history()
    for decision in desk.database.state.decisions:
        inputs = {name: value for name, value in decision.inputs.items() if name != "strategy_use"}
        verdicts = [verdict for verdict in decision.verdicts if verdict.gate != "repeated_execution"]
        object.__setattr__(decision, "inputs", inputs)
        object.__setattr__(decision, "verdicts", verdicts)
    report = what_if(desk)
    assert (report.not_reproduced, report.unreadable, report.comparison.changed) == ([], [], 0)
    assert report.comparison.compared == report.read > 0
    assert "repeated_execution" not in what_if(desk, Wanted(changes={"strategy_executions_max": 1})).comparison.gates
