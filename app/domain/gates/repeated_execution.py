"""Gate: has this strategy been executed too often, one time after the other, without anybody looking?"""

from __future__ import annotations

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.throttles import StrategyUse

GATE = "repeated_execution"
STRATEGY_USE_UNKNOWN = "STRATEGY_USE_UNKNOWN"
STRATEGY_DISABLED = "STRATEGY_DISABLED"
STRATEGY_EXECUTIONS_AT_MAXIMUM = "STRATEGY_EXECUTIONS_AT_MAXIMUM"


def check_repeated_execution(
    *, use: StrategyUse | None, maximum: int | None, window_seconds: int | None, attempt_number: int
) -> Verdict:
    """Deny what would be one execution more than the policy allows in a symbol within its window, and everything of a
    strategy that was disabled for it, until a person enables it (RTS 6 article 15(3)).

    The one that makes exactly the maximum passes. A chase goes on with an execution that counts already.
    """
    if use is None:
        return denied(GATE, STRATEGY_USE_UNKNOWN, executions=None)
    if maximum is None or window_seconds is None:
        return denied(GATE, POLICY_UNKNOWN, executions=use.executions, maximum=None)
    if use.disabled_at is not None:
        return denied(GATE, STRATEGY_DISABLED, disabled_at=use.disabled_at)
    numbers = {"executions": use.executions, "maximum": maximum, "window_seconds": window_seconds}
    if attempt_number == 1 and use.executions >= maximum:
        return denied(GATE, STRATEGY_EXECUTIONS_AT_MAXIMUM, **numbers)
    return passed(GATE, **numbers)
