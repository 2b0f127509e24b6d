"""Which way each field is looser, and what a confirmation stands for."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from app.domain.policy import Policy, RiskMode, default_policy
from app.domain.policy_changes import LOOSER, Change, Looser, changes_between, confirmation_of, loosens

D = Decimal
NORMAL = default_policy(RiskMode.NORMAL)


def test_every_field_says_which_way_is_looser_and_none_leaves_it_open() -> None:
    assert set(LOOSER) == {field.name for field in fields(Policy)}
    assert Looser.ANY not in LOOSER.values()


def nudged(name: str, up: bool) -> Policy:
    value = getattr(NORMAL, name)
    step = 1 if isinstance(value, int) else value / 10
    return replace(NORMAL, **{name: value + step if up else value - step})


@pytest.mark.parametrize("name", [name for name, way in LOOSER.items() if way in (Looser.HIGHER, Looser.LOWER)])
def test_a_number_loosens_in_its_direction_and_tightens_in_the_other(name: str) -> None:
    is_higher = LOOSER[name] is Looser.HIGHER
    assert [change.loosens for change in changes_between(NORMAL, nudged(name, up=is_higher))] == [True]
    assert [change.loosens for change in changes_between(NORMAL, nudged(name, up=not is_higher))] == [False]


def test_a_symbol_taken_off_the_list_loosens_and_one_put_on_it_does_not() -> None:
    denied = replace(NORMAL, symbols_denied=frozenset({"XRPUSDT"}))
    assert [each.loosens for each in changes_between(denied, NORMAL)] == [True]
    assert [each.loosens for each in changes_between(NORMAL, denied)] == [False]
    swapped = replace(NORMAL, symbols_denied=frozenset({"ADAUSDT"}))
    assert [each.loosens for each in changes_between(denied, swapped)] == [True]


def test_permitting_resets_loosens_and_forbidding_them_does_not() -> None:
    strict = replace(NORMAL, ess_reset_permitted=False)
    assert [each.loosens for each in changes_between(strict, NORMAL)] == [True]
    assert [each.loosens for each in changes_between(NORMAL, strict)] == [False]


def test_a_field_nobody_has_judged_loosens_by_any_change() -> None:
    assert loosens("new_field", 1, 2)
    assert loosens("new_field", 2, 1)


def test_the_mode_is_a_name_and_the_numbers_beside_it_are_judged() -> None:
    found = changes_between(NORMAL, default_policy(RiskMode.DEFENSIVE))
    assert not any(change.loosens for change in found)
    assert found[0] == Change(field="mode", before="NORMAL", after="DEFENSIVE", loosens=False)
    back = {change.field for change in changes_between(default_policy(RiskMode.DEFENSIVE), NORMAL) if change.loosens}
    assert {"leverage_max", "risk_per_trade_share", "confidence_minimum", "position_notional_max"} <= back


def test_equal_policies_differ_in_nothing() -> None:
    assert list(changes_between(NORMAL, replace(NORMAL, leverage_max=D("5.0")))) == []


def test_from_no_policy_to_any_is_loosening_in_every_field() -> None:
    found = changes_between(None, NORMAL)
    assert [change.field for change in found] == [field.name for field in fields(Policy)]
    assert all(change.loosens and change.before is None for change in found)


def test_a_confirmation_stands_for_one_change_of_one_base() -> None:
    looser = replace(NORMAL, leverage_max=D(6))
    assert confirmation_of(3, looser) == confirmation_of(3, replace(NORMAL, leverage_max=D("6.0")))
    others = {confirmation_of(4, looser), confirmation_of(None, looser), confirmation_of(3, NORMAL)}
    assert confirmation_of(3, looser) not in others
    assert len(others) == 3
