"""Gate: is there enough free money behind the entry?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import exactly

GATE = "margin"
AVAILABLE_BALANCE_UNKNOWN = "AVAILABLE_BALANCE_UNKNOWN"
MARGIN_INSUFFICIENT = "MARGIN_INSUFFICIENT"


def check_margin(
    *, notional: Decimal | None, available_balance: Decimal | None, leverage_max: Decimal | None
) -> Verdict:
    """Deny when the available balance times the policy's leverage is below the entry's notional; exactly that passes.

    USDT. The available balance is the exchange's figure as of the account snapshot; entries since then are held by the
    gross exposure limit, which counts reservations.
    """
    if available_balance is None or notional is None:
        return denied(GATE, AVAILABLE_BALANCE_UNKNOWN, available=available_balance, entry=notional)
    if leverage_max is None:
        return denied(GATE, POLICY_UNKNOWN, available=available_balance, entry=notional, leverage_maximum=None)
    supported = exactly(available_balance, "*", leverage_max)
    if notional > supported:
        return denied(
            GATE,
            MARGIN_INSUFFICIENT,
            available=available_balance,
            entry=notional,
            leverage_maximum=leverage_max,
            supported=supported,
        )
    return passed(GATE, available=available_balance, entry=notional, leverage_maximum=leverage_max, supported=supported)
