"""Gate: would the whole account lean too far to one side?"""

from __future__ import annotations

from decimal import Decimal

from app.domain.exposure import Exposure
from app.domain.gates.policy_age import POLICY_UNKNOWN
from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.money import exactly
from app.domain.signals import Side

GATE = "net_exposure"
NET_EXPOSURE_UNKNOWN = "NET_EXPOSURE_UNKNOWN"
NET_EXPOSURE_ABOVE_MAXIMUM = "NET_EXPOSURE_ABOVE_MAXIMUM"


def check_net_exposure(
    *,
    side: Side,
    notional: Decimal | None,
    exposure: Exposure | None,
    equity: Decimal | None,
    share_max: Decimal | None,
) -> Verdict:
    """Deny when longs minus shorts, this entry included, exceed the policy's multiple of equity; exactly that passes.

    USDT notional over all symbols, reservations included, but none on the other side: this entry may fill when those
    do not.
    """
    if exposure is None or notional is None or equity is None:
        net = None if exposure is None else exposure.net_against(side)
        return denied(GATE, NET_EXPOSURE_UNKNOWN, net=net, entry=notional, equity=equity)
    net = exposure.net_against(side)
    if share_max is None:
        return denied(GATE, POLICY_UNKNOWN, net=net, entry=notional, maximum=None)
    after = exactly(net, "+", exactly(notional, "*", Decimal(side.sign)))
    maximum = exactly(share_max, "*", equity)
    if after.copy_abs() > maximum:
        return denied(
            GATE,
            NET_EXPOSURE_ABOVE_MAXIMUM,
            net=net,
            entry=notional,
            after=after,
            maximum=maximum,
        )
    return passed(GATE, net=net, entry=notional, after=after, maximum=maximum)
