"""Gate: symbol selection."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.gates.symbol_selection import check_symbol_selection
from app.domain.gates.verdicts import Verdict
from app.domain.results import Closing, read_results
from tests.unit.domain.builders import MICROSECOND, NOW, D, ago, denies, make_results, make_rules, passes


def check(**changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "rules": make_rules(),
        "symbols_denied": frozenset(),
        "results": make_results(),
        "losses_max": 6,
        "pause_seconds": 3_600,
        "now": NOW,
    }
    return check_symbol_selection(**{**facts, **changes})


def test_a_trading_symbol_that_nobody_denied_passes() -> None:
    verdict = check(symbols_denied=frozenset({"ETHUSDT"}))
    assert verdict == passes("symbol_selection", symbol="BTCUSDT", status="TRADING", losses_in_a_row="0", maximum="6")


def test_an_unlisted_symbol_denies() -> None:
    assert check(symbol="NOUSDT", rules=None) == denies("symbol_selection", "SYMBOL_UNKNOWN", symbol="NOUSDT")


@pytest.mark.parametrize("status", ["SETTLING", "BREAK", "PENDING_TRADING", "trading", ""])
def test_any_status_but_trading_denies(status: str) -> None:
    assert check(rules=make_rules(status=status)) == denies(
        "symbol_selection", "SYMBOL_NOT_TRADING", symbol="BTCUSDT", status=status
    )


def test_a_symbol_the_policy_names_denies_and_shows_the_list() -> None:
    assert check(symbols_denied=frozenset({"XRPUSDT", "BTCUSDT"})) == denies(
        "symbol_selection", "SYMBOL_DENIED", symbol="BTCUSDT", symbols_denied="BTCUSDT XRPUSDT"
    )


@pytest.mark.parametrize("missing", ["symbols_denied", "losses_max", "pause_seconds"])
def test_without_a_policy_nobody_knows_which_symbols_are_denied(missing: str) -> None:
    assert check(**{missing: None}) == denies("symbol_selection", "POLICY_UNKNOWN", symbol="BTCUSDT")


def test_not_knowing_how_it_did_denies() -> None:
    assert check(results=None) == denies(
        "symbol_selection", "SYMBOL_RESULTS_UNKNOWN", symbol="BTCUSDT", losses_in_a_row="unknown"
    )


def test_one_loss_less_passes_and_exactly_as_many_pause_until_the_time_is_over() -> None:
    assert check(results=make_results(losses_in_a_row=5, newest_loss_at=ago(10))).passed
    losing = make_results(losses_in_a_row=6, newest_loss_at=ago(3_600) + MICROSECOND)
    assert check(results=losing) == denies(
        "symbol_selection",
        "SYMBOL_PAUSED",
        symbol="BTCUSDT",
        losses_in_a_row="6",
        maximum="6",
        seconds_since_loss="3599.999999",
        pause_seconds="3600",
    )
    assert check(results=make_results(losses_in_a_row=9, newest_loss_at=ago(3_600))).passed


def test_a_streak_ends_with_a_closing_that_did_not_lose() -> None:
    lost, won, even = (Closing(at=ago(5), net=D(net)) for net in ("-1", "0.01", "0"))
    assert read_results([lost, lost, won, lost]) == make_results(closings=4, losses_in_a_row=2, newest_loss_at=ago(5))
    assert read_results([even, lost]).losses_in_a_row == 0
    assert read_results([]) == make_results()


def test_half_of_the_losses_that_pause_halve_the_size() -> None:
    assert make_results(losses_in_a_row=2).size_factor(losses_max=6) == 1
    assert make_results(losses_in_a_row=3).size_factor(losses_max=6) == D("0.5")
