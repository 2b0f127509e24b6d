"""A stored policy stays readable for ever: what was added later is written out, never taken from today's defaults."""

from __future__ import annotations

from app.adapters.postgres.policy_body import ADDED_LATER, policy_from_body, policy_to_body
from app.domain.policy import RiskMode, default_policy
from app.domain.policy_fields import FIELDS

# A row exactly as the first release wrote it. Never edit it: real databases hold such rows.
FIRST_BODY = {
    "mode": "NORMAL",
    "leverage_max": "5",
    "risk_per_trade_share": "0.015",
    "daily_drawdown_share_max": "0.05",
    "open_loss_share_max": "0.1",
    "open_positions_max": 30,
    "position_notional_max": "1000",
    "confidence_minimum": "0.5",
    "size_factor": "1",
    "net_exposure_share_max": "5",
    "gross_exposure_share_max": "5",
    "slippage_share_max": "0.002",
    "price_drift_share_max": "0.004",
    "spread_share_max": "0.002",
    "stop_distance_share": "0.02",
    "funding_rate_share_max": "0.001",
    "signal_age_seconds_max": 30,
    "market_data_age_seconds_max": 5,
    "account_age_seconds_max": 60,
    "policy_age_seconds_max": 600,
    "duplicate_cool_off_seconds": 60,
    "orders_per_minute_max": 600,
    "unknown_seconds_max": 30,
    "ess_cooldown_seconds": 900,
    "ess_reset_permitted": True,
    "symbols_denied": [],
}


def test_the_first_policy_ever_stored_is_still_whole() -> None:
    policy = policy_from_body(FIRST_BODY)
    body = policy_to_body(policy)
    assert {name: body[name] for name in FIRST_BODY} == FIRST_BODY
    assert {name: body[name] for name in ADDED_LATER} == dict(ADDED_LATER)


def test_every_field_was_there_from_the_start_or_is_in_the_table_of_later_ones() -> None:
    assert FIRST_BODY.keys() | ADDED_LATER.keys() == FIELDS.keys()
    assert not FIRST_BODY.keys() & ADDED_LATER.keys()


def test_what_a_row_says_itself_counts_over_the_table() -> None:
    body = policy_to_body(default_policy(RiskMode.NORMAL)) | {"execution_errors_max": 77}
    assert policy_from_body(body).execution_errors_max == 77
