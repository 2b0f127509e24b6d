"""Each trigger: quiet below its boundary, fires on it or beyond, and says so when it cannot tell."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import app.domain.triggers as triggers
from app.domain.orders import Attempt, AttemptState, OrderType, TimeInForce
from app.domain.reconciliation import Difference
from app.domain.signals import Side
from app.domain.triggers.facts import HeldMarket, WatchFacts
from app.domain.triggers.ledger_mismatch import read_lasting_differences
from app.domain.triggers.readings import Reading, Sight
from app.domain.triggers.trigger_book import fired, read_triggers, unhealthy
from tests.unit.domain.builders import NOW, ago, make_account, make_policy

D = Decimal
QUIET = {
    "DAILY_DRAWDOWN",
    "OPEN_LOSS",
    "EXECUTION_ERRORS",
    "UNKNOWN_TOO_LONG",
    "LEDGER_MISMATCH",
    "STALE_MARKET_DATA",
    "REPEATED_REJECTIONS",
}


def attempt(**changes: Any) -> Attempt:
    made = Attempt(
        client_order_id="q-1",
        order_id=uuid.UUID(int=1),
        number=1,
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=D(1),
        price=D(100),
        reduce_only=False,
        signed_at_ms=1,
        recv_window_ms=2_500,
        state=AttemptState.SENDING,
        begun_at=ago(1),
    )
    return replace(made, **changes)


def make_watch(**changes: Any) -> WatchFacts:
    """A healthy moment with a position and a little trouble behind it."""
    facts = WatchFacts(
        now=NOW,
        policy=make_policy(),
        account=make_account(),
        start_of_day_equity=D(10_000),
        troubled_attempts=1,
        newest_ended_entries=[attempt(state=AttemptState.FILLED)],
        open_attempts=[attempt()],
        held=[HeldMarket(symbol="BTCUSDT", observed_at=ago(1))],
        differences=[],
        reconciled_at=ago(5),
    )
    return replace(facts, **changes)


def sight(trigger: str, **changes: Any) -> Sight:
    (found,) = [each for each in read_triggers(make_watch(**changes)) if each.trigger == trigger]
    return found.sight


def test_a_healthy_moment_is_clear_in_every_trigger() -> None:
    readings = read_triggers(make_watch())
    assert {each.trigger for each in readings} == QUIET
    assert {each.sight for each in readings} == {Sight.CLEAR}
    assert not fired(readings)
    assert not unhealthy(readings)


def test_every_file_of_a_trigger_is_in_the_book() -> None:
    folder = Path(triggers.__path__[0])
    files = {path.stem for path in folder.glob("*.py") if "TRIGGER = " in path.read_text()}
    book = (folder / "trigger_book.py").read_text()
    assert len(files) == len(QUIET)
    assert all(f"app.domain.triggers.{name} import" in book for name in files)


@pytest.mark.parametrize(
    ("equity", "expected"),
    [("9500.00000001", Sight.CLEAR), ("9500", Sight.FIRED), ("9499.99999999", Sight.FIRED), ("11000", Sight.CLEAR)],
)
def test_daily_drawdown_fires_on_exactly_the_policys_share(equity: str, expected: Sight) -> None:
    account = make_account(wallet_balance=D(equity), unrealised_pnl=D(0))
    assert sight("DAILY_DRAWDOWN", account=account) is expected


def test_daily_drawdown_counts_what_is_not_realised_yet() -> None:
    assert sight("DAILY_DRAWDOWN", account=make_account(unrealised_pnl=D(-500))) is Sight.FIRED


@pytest.mark.parametrize(
    "unknown",
    [
        {"policy": None},
        {"account": None},
        {"account": make_account(observed_at=ago(61))},
        {"start_of_day_equity": None},
        {"start_of_day_equity": D(0)},
    ],
)
def test_daily_drawdown_does_not_guess(unknown: dict[str, Any]) -> None:
    assert sight("DAILY_DRAWDOWN", **unknown) is Sight.UNKNOWN


def test_an_account_exactly_as_old_as_entries_may_use_is_believed() -> None:
    facts = {"account": make_account(observed_at=ago(60), unrealised_pnl=D(-1000))}
    assert sight("DAILY_DRAWDOWN", **facts) is Sight.FIRED
    assert sight("OPEN_LOSS", **facts) is Sight.FIRED


@pytest.mark.parametrize(
    ("pnl", "expected"),
    [("-999.99999999", Sight.CLEAR), ("-1000", Sight.FIRED), ("-1000.00000001", Sight.FIRED), ("5000", Sight.CLEAR)],
)
def test_open_loss_fires_on_exactly_the_policys_share_of_the_wallet(pnl: str, expected: Sight) -> None:
    assert sight("OPEN_LOSS", account=make_account(unrealised_pnl=D(pnl))) is expected


@pytest.mark.parametrize("wallet", ["0", "-5"])
def test_with_an_empty_wallet_any_open_loss_is_too_much_and_none_is_not(wallet: str) -> None:
    assert sight("OPEN_LOSS", account=make_account(wallet_balance=D(wallet), unrealised_pnl=D("-0.01"))) is Sight.FIRED
    assert sight("OPEN_LOSS", account=make_account(wallet_balance=D(wallet), unrealised_pnl=D(0))) is Sight.CLEAR


@pytest.mark.parametrize(
    "unknown", [{"policy": None}, {"account": None}, {"account": make_account(observed_at=ago(61))}]
)
def test_open_loss_does_not_guess(unknown: dict[str, Any]) -> None:
    assert sight("OPEN_LOSS", **unknown) is Sight.UNKNOWN


@pytest.mark.parametrize(
    ("errors", "expected"), [(0, Sight.CLEAR), (4, Sight.CLEAR), (5, Sight.FIRED), (6, Sight.FIRED)]
)
def test_execution_errors_fire_on_the_policys_number(errors: int, expected: Sight) -> None:
    assert sight("EXECUTION_ERRORS", troubled_attempts=errors) is expected


@pytest.mark.parametrize("unknown", [{"policy": None}, {"troubled_attempts": None}])
def test_execution_errors_do_not_guess(unknown: dict[str, Any]) -> None:
    assert sight("EXECUTION_ERRORS", **unknown) is Sight.UNKNOWN


@pytest.mark.parametrize(("age", "expected"), [(30, Sight.CLEAR), (30.000001, Sight.FIRED)])
@pytest.mark.parametrize("reduce_only", [False, True])
def test_an_attempt_open_for_longer_than_the_policy_says_fires(age: float, expected: Sight, reduce_only: bool) -> None:
    late = attempt(begun_at=NOW - timedelta(seconds=age), reduce_only=reduce_only, state=AttemptState.UNKNOWN)
    assert sight("UNKNOWN_TOO_LONG", open_attempts=[attempt(), late, attempt()]) is expected


def test_without_open_attempts_nothing_is_open_for_too_long() -> None:
    assert sight("UNKNOWN_TOO_LONG", open_attempts=[]) is Sight.CLEAR


@pytest.mark.parametrize("unknown", [{"policy": None}, {"open_attempts": None}])
def test_open_attempts_are_not_guessed(unknown: dict[str, Any]) -> None:
    assert sight("UNKNOWN_TOO_LONG", **unknown) is Sight.UNKNOWN


@pytest.mark.parametrize(("age", "expected"), [(30, Sight.CLEAR), (30.000001, Sight.FIRED)])
def test_a_held_symbol_without_news_for_longer_than_the_policy_says_fires(age: float, expected: Sight) -> None:
    held = [
        HeldMarket(symbol="BTCUSDT", observed_at=ago(0)),
        HeldMarket(symbol="ETHUSDT", observed_at=NOW - timedelta(seconds=age)),
    ]
    assert sight("STALE_MARKET_DATA", held=held) is expected


@pytest.mark.parametrize(("missing", "expected"), [(0, Sight.UNKNOWN), (30, Sight.UNKNOWN), (31, Sight.FIRED)])
def test_a_held_symbol_without_any_price_is_unknown_until_it_is_missed_for_too_long(
    missing: int, expected: Sight
) -> None:
    held = [HeldMarket(symbol="BTCUSDT", observed_at=None, missing_since=ago(missing))]
    assert sight("STALE_MARKET_DATA", held=held) is expected


def test_flat_nothing_can_be_stale() -> None:
    assert sight("STALE_MARKET_DATA", held=[]) is Sight.CLEAR


@pytest.mark.parametrize("unknown", [{"policy": None}, {"held": None}])
def test_stale_markets_are_not_guessed(unknown: dict[str, Any]) -> None:
    assert sight("STALE_MARKET_DATA", **unknown) is Sight.UNKNOWN


def refused(count: int, code: str = "-2019") -> list[Attempt]:
    return [attempt(state=AttemptState.REJECTED, error_code=code) for _ in range(count)]


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [
        ([], Sight.CLEAR),
        (refused(9), Sight.CLEAR),
        (refused(10), Sight.FIRED),
        ([*refused(9), attempt(state=AttemptState.EXPIRED), *refused(9)], Sight.CLEAR),
        ([attempt(state=AttemptState.FILLED), *refused(20)], Sight.CLEAR),
        (refused(20, "NOT_SENT"), Sight.CLEAR),
        ([*refused(5), *refused(3, "NOT_SENT"), *refused(5)], Sight.FIRED),
    ],
    ids=["none", "below", "at", "one got through", "the newest got through", "never left", "never left in between"],
)
def test_entries_refused_one_after_the_other_fire(newest_first: list[Attempt], expected: Sight) -> None:
    assert sight("REPEATED_REJECTIONS", newest_ended_entries=newest_first) is expected


@pytest.mark.parametrize("unknown", [{"policy": None}, {"newest_ended_entries": None}])
def test_rejections_are_not_guessed(unknown: dict[str, Any]) -> None:
    assert sight("REPEATED_REJECTIONS", **unknown) is Sight.UNKNOWN


DIFFERENCE = Difference(subject="wallet", ours=D(10), theirs=D(9))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"differences": [], "reconciled_at": ago(60)}, Sight.CLEAR),
        ({"differences": [], "reconciled_at": ago(61)}, Sight.UNKNOWN),
        ({"differences": [DIFFERENCE]}, Sight.UNKNOWN),
        ({"differences": None}, Sight.UNKNOWN),
        ({"reconciled_at": None}, Sight.UNKNOWN),
    ],
)
def test_books_are_healthy_only_when_a_recent_look_found_nothing(facts: dict[str, Any], expected: Sight) -> None:
    assert sight("LEDGER_MISMATCH", **facts) is expected


def test_a_difference_that_lasts_fires_and_none_does_not() -> None:
    assert read_lasting_differences([]).sight is Sight.CLEAR
    reading = read_lasting_differences([DIFFERENCE])
    assert reading.sight is Sight.FIRED
    assert reading.numbers == {"count": "1", "differences": "wallet: ours=10, theirs=9"}


def test_what_is_not_known_keeps_the_stop_from_arming_and_does_not_trip_it() -> None:
    readings = read_triggers(replace(make_watch(), account=None))
    assert not fired(readings)
    assert {each.trigger for each in unhealthy(readings)} == {"DAILY_DRAWDOWN", "OPEN_LOSS"}


@pytest.mark.parametrize("name", [field.name for field in fields(WatchFacts) if field.name != "now"])
def test_a_missing_fact_never_raises(name: str) -> None:
    assert len(read_triggers(make_watch(**{name: None}))) == len(QUIET)


def test_a_reading_tells_the_numbers_it_saw() -> None:
    (reading,) = fired(read_triggers(make_watch(account=make_account(unrealised_pnl=D("-500.50")))))
    assert reading == Reading(
        trigger="DAILY_DRAWDOWN",
        sight=Sight.FIRED,
        numbers={"loss": "500.5", "maximum": "500", "equity": "9499.5", "start_of_day_equity": "10000"},
    )
    assert str(reading) == "DAILY_DRAWDOWN: loss=500.5, maximum=500, equity=9499.5, start_of_day_equity=10000"
