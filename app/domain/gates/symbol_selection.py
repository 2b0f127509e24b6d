"""Gate: may this symbol be traded at all?"""

from __future__ import annotations

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import SymbolRules

GATE = "symbol_selection"
SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
SYMBOL_NOT_TRADING = "SYMBOL_NOT_TRADING"
SYMBOL_DENIED = "SYMBOL_DENIED"

# The only status in which the exchange takes new positions.
TRADING = "TRADING"


def check_symbol_selection(*, symbol: str, rules: SymbolRules | None, symbols_denied: frozenset[str] | None) -> Verdict:
    """Deny a symbol that the exchange does not list, that is not TRADING, or that the policy names as denied."""
    if rules is None:
        return denied(GATE, SYMBOL_UNKNOWN, symbol=symbol)
    if symbols_denied is None:
        return denied(GATE, POLICY_UNKNOWN, symbol=symbol)
    if rules.status != TRADING:
        return denied(GATE, SYMBOL_NOT_TRADING, symbol=symbol, status=rules.status)
    if symbol in symbols_denied:
        return denied(GATE, SYMBOL_DENIED, symbol=symbol, symbols_denied=symbols_denied)
    return passed(GATE, symbol=symbol, status=rules.status)
