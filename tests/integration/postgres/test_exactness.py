"""Money and times go in and come out to the last digit; what is not exact does not go in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal, localcontext

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.postgres import PostgresUnitOfWorkFactory
from app.adapters.postgres.column_types import InexactValueError
from app.adapters.postgres.policy_body import policy_from_body, policy_to_body
from app.adapters.postgres.tables import attempts, ess, orders, positions, symbols
from app.domain.ess import EmergencyStop
from app.domain.ledger import Line
from app.domain.market import SymbolRules
from app.domain.orders import Attempt, Order
from app.domain.policy import RiskMode, default_policy
from app.domain.positions import Position
from app.domain.signals import ModelVote
from app.ports import UnitOfWork, UnreadablePolicyError
from tests.contract.unit_of_work_values import NOW, D, fill, position, rules, signal

pytestmark = pytest.mark.integration

# As many digits as NUMERIC is asked to keep here, far beyond what any exchange sends, in every spelling.
amounts = st.decimals(
    allow_nan=False, allow_infinity=False, places=30, min_value=-(10**30), max_value=10**30
) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(min_value=-(10**25), max_value=10**25),
    st.integers(min_value=-40, max_value=20),
)
shares = st.decimals(min_value=0, max_value=1, places=25)
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def uow(begin: PostgresUnitOfWorkFactory) -> Iterator[UnitOfWork]:
    """An open unit of work that is never committed: examples overwrite each other's rows."""
    with begin() as uow:
        yield uow


@relaxed
@given(amount=amounts)
def test_an_amount_comes_back_as_it_was(uow: UnitOfWork, amount: Decimal) -> None:
    uow.ledger.save_position(position(realised_pnl=amount))
    assert uow.ledger.lock_position("BTCUSDT").realised_pnl == amount


@relaxed
@given(amount=amounts)
def test_an_amount_that_travels_as_json_comes_back_as_it_was(uow: UnitOfWork, amount: Decimal) -> None:
    uow.control.save_symbols([rules(tick_size=amount)], now=NOW)
    stored = uow.control.symbol("BTCUSDT")
    assert stored is not None
    assert stored.tick_size == amount


# Examples share one transaction; a number is never used twice.
numbers = itertools.count(1)


@relaxed
@given(terms=st.lists(amounts, max_size=8))
def test_a_balance_is_the_exact_sum(uow: UnitOfWork, terms: list[Decimal]) -> None:
    account = f"account {next(numbers)}"
    for term in terms:
        line = Line(account=account, asset="USDT", amount=term)
        uow.ledger.post(fill=fill(trade_id=next(numbers)), lines=[line], now=NOW)
    with localcontext(prec=200):
        assert uow.ledger.balance(account, "USDT") == sum(terms, D(0))


@relaxed
@given(confidence=shares, vote=shares)
def test_a_confidence_and_a_vote_come_back_as_they_were(uow: UnitOfWork, confidence: Decimal, vote: Decimal) -> None:
    given_signal = signal(
        f"s{next(numbers)}",
        confidence=confidence,
        models={"m": ModelVote(action="BUY", confidence=vote, source="x")},
    )
    uow.signals.add_many([given_signal])
    stored = uow.signals.get(given_signal.signal_id)
    assert stored is not None
    assert stored.signal == given_signal


@relaxed
@given(
    at=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),
    hours=st.integers(min_value=-12, max_value=14),
)
def test_a_time_comes_back_as_the_same_moment_in_utc(uow: UnitOfWork, at: datetime, hours: int) -> None:
    moment = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    uow.ledger.save_position(position(updated_at=moment))
    stored = uow.ledger.lock_position("BTCUSDT").updated_at
    assert stored is not None
    assert stored == moment
    assert stored.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", [0.1, D("NaN"), D("Infinity"), D("-Infinity"), True, "1"])
def test_what_is_not_an_exact_number_is_refused(begin: PostgresUnitOfWorkFactory, value: object) -> None:
    with begin() as uow, pytest.raises((InexactValueError, sa.exc.StatementError)) as raised:
        uow.ledger.save_position(position(realised_pnl=value))
    assert isinstance(raised.value, InexactValueError) or isinstance(raised.value.__cause__, InexactValueError)


def test_a_time_without_a_zone_is_refused(begin: PostgresUnitOfWorkFactory) -> None:
    with begin() as uow, pytest.raises((InexactValueError, sa.exc.StatementError), match="aware"):
        uow.ledger.save_position(position(updated_at=datetime(2026, 1, 1)))
    with begin() as uow, pytest.raises(InexactValueError, match="aware"):
        uow.signals.add_many([signal(received_at=datetime(2026, 1, 1))])


@pytest.mark.parametrize("confidence", [D("NaN"), D("Infinity"), 0.5])
def test_what_is_not_exact_is_refused_in_batches_too(begin: PostgresUnitOfWorkFactory, confidence: Decimal) -> None:
    with begin() as uow, pytest.raises(InexactValueError):
        uow.signals.add_many([signal(confidence=confidence)])


# What models estimate has an error far above a binary float's; an amount of money has none.
ESTIMATES = {
    ("model_versions", "slope"),
    ("model_versions", "center"),
    ("model_versions", "typical_move"),
    ("forecasts", "probability"),
    ("forecasts", "move"),
    ("ensemble_verdicts", "probability"),
    ("ensemble_verdicts", "agreement"),
    ("ensemble_verdicts", "spread"),
    ("live_skills", "estimate"),
    ("live_skills", "standard_error"),
}


def test_no_amount_is_a_binary_float_in_any_table(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
            " AND data_type IN ('real', 'double precision', 'money', 'timestamp without time zone')"
        ).fetchall()
    assert set(found) == ESTIMATES


@pytest.mark.parametrize("mode", list(RiskMode))
def test_a_policy_survives_its_json_whole(mode: RiskMode) -> None:
    policy = replace(default_policy(mode), symbols_denied=frozenset({"AUSDT", "BUSDT"}))
    body = policy_to_body(policy)
    assert policy_from_body(body) == policy
    assert not any(isinstance(value, float) for value in body.values())


@pytest.mark.parametrize(
    "change",
    [
        {"leverage_max": None},
        {"leverage_max": "much"},
        {"leverage_max": "NaN"},
        {"leverage_max": 0.1},
        {"symbols_denied": "BTCUSDT"},
        {"open_positions_max": 2.5},
        {"open_positions_max": True},
        {"mode": "BRAVE"},
        {"surplus": "1"},
    ],
)
def test_a_policy_that_is_not_whole_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnreadablePolicyError):
        policy_from_body(policy_to_body(default_policy(RiskMode.NORMAL)) | change)


def test_a_policy_that_lacks_a_field_is_refused() -> None:
    body = policy_to_body(default_policy(RiskMode.NORMAL))
    del body["spread_share_max"]
    with pytest.raises(UnreadablePolicyError, match="spread_share_max"):
        policy_from_body(body)


@pytest.mark.parametrize(
    ("value", "table", "beside"),
    [
        (Order, orders, {"sequence"}),
        (Attempt, attempts, set()),
        (Position, positions, set()),
        (EmergencyStop, ess, {"id"}),
        (SymbolRules, symbols, {"updated_at"}),
    ],
)
def test_every_field_of_a_value_has_its_column(value: type, table: sa.Table, beside: set[str]) -> None:
    assert {field.name for field in fields(value)} | beside == {column.name for column in table.c}
