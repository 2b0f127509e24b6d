"""Risk as it is told: limits in USDT follow from the equity, and what they cannot follow from is null with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.domain.exposure import Exposure
from app.domain.market import AccountSnapshot
from app.domain.policy import RiskMode, default_policy
from app.domain.triggers.readings import Sight, reading
from app.services.read_risk import risk_answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPOSURE = Exposure(
    open_symbols=frozenset({"BTCUSDT"}),
    symbol_notional=Decimal(0),
    net_notional=Decimal("-250.5"),
    gross_notional=Decimal("1000.25"),
)
ACCOUNT = AccountSnapshot(
    wallet_balance=Decimal(10_000),
    unrealised_pnl=Decimal("-100.5"),
    available_balance=Decimal(9_000),
    observed_at=NOW - timedelta(seconds=2),
)


def test_limits_are_the_policys_shares_of_the_equity() -> None:
    told = risk_answer(
        [reading("OPEN_LOSS", Sight.CLEAR, loss=Decimal("100.5"))],
        EXPOSURE,
        account=ACCOUNT,
        policy=default_policy(RiskMode.NORMAL),
        now=NOW,
    )
    assert told["exposure"] == {
        "gross": "1000.25",
        "gross_max": "49497.5",
        "net": "-250.5",
        "net_max": "49497.5",
        "open_positions": 1,
        "open_positions_max": 30,
        "reason": None,
    }
    assert told["triggers"] == [{"trigger": "OPEN_LOSS", "sight": "CLEAR", "numbers": {"loss": "100.5"}}]
    assert told["age_seconds"] == 2.0


def test_without_account_and_policy_no_limit_is_made_up() -> None:
    told = risk_answer([], EXPOSURE, account=None, policy=None, now=NOW)
    exposure = told["exposure"]
    assert (exposure["gross_max"], exposure["net_max"], exposure["open_positions_max"]) == (None, None, None)
    assert exposure["reason"] == "the exchange has not told the account yet; no policy is readable"
    assert told["age_seconds"] is None
