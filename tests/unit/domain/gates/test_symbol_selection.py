"""Gate: symbol selection."""

import pytest

from app.domain.gates.symbol_selection import check_symbol_selection
from tests.unit.domain.builders import denies, make_rules, passes

NOBODY: frozenset[str] = frozenset()


def test_a_trading_symbol_that_nobody_denied_passes() -> None:
    verdict = check_symbol_selection(symbol="BTCUSDT", rules=make_rules(), symbols_denied=frozenset({"ETHUSDT"}))
    assert verdict == passes("symbol_selection", symbol="BTCUSDT", status="TRADING")


def test_an_unlisted_symbol_denies() -> None:
    assert check_symbol_selection(symbol="NOUSDT", rules=None, symbols_denied=NOBODY) == denies(
        "symbol_selection", "SYMBOL_UNKNOWN", symbol="NOUSDT"
    )


@pytest.mark.parametrize("status", ["SETTLING", "BREAK", "PENDING_TRADING", "trading", ""])
def test_any_status_but_trading_denies(status: str) -> None:
    assert check_symbol_selection(symbol="BTCUSDT", rules=make_rules(status=status), symbols_denied=NOBODY) == denies(
        "symbol_selection", "SYMBOL_NOT_TRADING", symbol="BTCUSDT", status=status
    )


def test_a_symbol_the_policy_names_denies_and_shows_the_list() -> None:
    denied_symbols = frozenset({"XRPUSDT", "BTCUSDT"})
    assert check_symbol_selection(symbol="BTCUSDT", rules=make_rules(), symbols_denied=denied_symbols) == denies(
        "symbol_selection", "SYMBOL_DENIED", symbol="BTCUSDT", symbols_denied="BTCUSDT XRPUSDT"
    )


def test_without_a_policy_nobody_knows_which_symbols_are_denied() -> None:
    assert check_symbol_selection(symbol="BTCUSDT", rules=make_rules(), symbols_denied=None) == denies(
        "symbol_selection", "POLICY_UNKNOWN", symbol="BTCUSDT"
    )
