"""Gate: may this symbol be traded at all, and has it not lost too often lately?"""

from __future__ import annotations

from datetime import datetime

from app.domain.gates.ages import age_seconds
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.market import SymbolRules
from app.domain.results import SymbolResults

GATE = "symbol_selection"
SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
SYMBOL_NOT_TRADING = "SYMBOL_NOT_TRADING"
SYMBOL_DENIED = "SYMBOL_DENIED"
SYMBOL_RESULTS_UNKNOWN = "SYMBOL_RESULTS_UNKNOWN"
SYMBOL_PAUSED = "SYMBOL_PAUSED"

# The only status in which the exchange takes new positions.
TRADING = "TRADING"


def check_symbol_selection(
    *,
    symbol: str,
    rules: SymbolRules | None,
    symbols_denied: frozenset[str] | None,
    results: SymbolResults | None,
    losses_max: int | None,
    pause_seconds: int | None,
    now: datetime,
) -> Verdict:
    """Deny a symbol that the exchange does not list, that is not TRADING, that the policy names as denied, or that
    lost `losses_max` times in a row, until `pause_seconds` after the newest loss (exactly then it passes).
    """
    if rules is None:
        return denied(GATE, SYMBOL_UNKNOWN, symbol=symbol)
    if symbols_denied is None or losses_max is None or pause_seconds is None:
        return denied(GATE, POLICY_UNKNOWN, symbol=symbol)
    if rules.status != TRADING:
        return denied(GATE, SYMBOL_NOT_TRADING, symbol=symbol, status=rules.status)
    if symbol in symbols_denied:
        return denied(GATE, SYMBOL_DENIED, symbol=symbol, symbols_denied=symbols_denied)
    if results is None:
        return denied(GATE, SYMBOL_RESULTS_UNKNOWN, symbol=symbol, losses_in_a_row=None)
    since = None if results.newest_loss_at is None else age_seconds(results.newest_loss_at, now=now)
    if since is not None and results.losses_in_a_row >= losses_max and since < pause_seconds:
        return denied(
            GATE,
            SYMBOL_PAUSED,
            symbol=symbol,
            losses_in_a_row=results.losses_in_a_row,
            maximum=losses_max,
            seconds_since_loss=since,
            pause_seconds=pause_seconds,
        )
    return passed(
        GATE,
        symbol=symbol,
        status=rules.status,
        losses_in_a_row=results.losses_in_a_row,
        maximum=losses_max,
    )
