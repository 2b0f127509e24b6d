"""The contract of the protection repository, for the fake and for Postgres: guards, protective orders, regimes."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from app.domain.protection.levels import Guard
from app.domain.protection.orders import Leg, ProtectionState, ProtectiveOrder, client_algo_id
from app.domain.regimes import MarketRegime, Regime
from app.domain.results import Closing
from app.domain.signals import Side
from app.ports import ConstraintViolatedError, UnitOfWorkFactory
from tests.contract.unit_of_work_values import NOW, D, fill, later, order, signal


def guard(symbol: str = "BTCUSDT", **changes: Any) -> Guard:
    found = Guard(
        symbol=symbol,
        side=Side.SELL,
        opened_at=NOW,
        entry_price=D("85000.12345678"),
        regime=None,
        confidence=D("0.8"),
        risk=D("0.00000000000000000001"),
        stop_price=D("86000"),
        target_price=D("83000"),
        best_price=D("85000"),
        expires_at=later(3600),
        updated_at=NOW,
    )
    return replace(found, **changes)


def protective(number: int, symbol: str = "BTCUSDT", **changes: Any) -> ProtectiveOrder:
    order_id = uuid.UUID(int=number)
    found = ProtectiveOrder(
        client_algo_id=client_algo_id(order_id),
        order_id=order_id,
        symbol=symbol,
        leg=Leg.STOP,
        side=Side.BUY,
        quantity=D("0.02"),
        trigger_price=D("86000.1"),
        signed_at_ms=1_763_812_800_000,
        recv_window_ms=2_500,
        state=ProtectionState.SENDING,
        begun_at=later(number),
    )
    return replace(found, **changes)


def regime(symbol: str = "BTCUSDT", **changes: Any) -> MarketRegime:
    found = MarketRegime(
        symbol=symbol,
        regime=Regime.TRENDING,
        atr=D("431.5"),
        close=D("85000"),
        usual=D("1.1"),
        efficiency=D("0.61"),
        candles=99,
        interval="1h",
        observed_at=NOW,
    )
    return replace(found, **changes)


def test_a_guard_is_kept_replaced_and_dropped(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        assert uow.protection.guard("BTCUSDT") is None
        uow.protection.save_guard(guard())
        uow.protection.save_guard(guard("AAVEUSDT", regime=Regime.LOW_VOL, closing_because="UNPROTECTED"))
        uow.protection.save_guard(guard(uncovered_since=later(1), refusal="STOP:-2022", refused_at=later(2)))
        uow.commit()
    with begin() as uow:
        assert uow.protection.guard("BTCUSDT") == guard(
            uncovered_since=later(1), refusal="STOP:-2022", refused_at=later(2)
        )
        assert [each.symbol for each in uow.protection.guards()] == ["AAVEUSDT", "BTCUSDT"]
        uow.protection.drop_guard("BTCUSDT")
        uow.protection.drop_guard("NOUSDT")
        assert uow.protection.guard("BTCUSDT") is None


def test_protective_orders_are_live_until_they_have_ended(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        for number, state in enumerate(ProtectionState, start=1):
            uow.protection.add(protective(number, state=state))
        uow.protection.add(protective(50, "ETHUSDT"))
        live = [each.state for each in uow.protection.live("BTCUSDT", limit=100)]
        assert live == [state for state in ProtectionState if state.is_live]
        assert len(uow.protection.live(limit=100)) == len(live) + 1
        assert len(uow.protection.live(limit=2)) == 2


def test_what_changes_of_a_protective_order_is_saved_and_what_does_not_stays(begin: UnitOfWorkFactory) -> None:
    changed = protective(
        1,
        state=ProtectionState.TRIGGERED,
        exchange_order_id=7,
        cancel_requested_at=later(1),
        error_code="-1",
        error_message="m",
        unknown_since=later(2),
        not_found_count=1,
        last_asked_at=later(3),
    )
    with begin() as uow:
        uow.protection.add(protective(1))
        uow.protection.save(replace(changed, quantity=D(9)))
        uow.commit()
    with begin() as uow:
        assert uow.protection.get(changed.client_algo_id) == changed
        assert uow.protection.of_exchange_order("BTCUSDT", 7) == changed
        assert uow.protection.of_exchange_order("ETHUSDT", 7) is None
        assert uow.protection.get("p-unknown") is None
        with pytest.raises(LookupError):
            uow.protection.save(protective(2))


def test_a_second_order_of_one_id_and_one_of_nothing_are_refused(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.protection.add(protective(1))
        with pytest.raises(ConstraintViolatedError):
            uow.protection.add(protective(1))
    with begin() as uow, pytest.raises(ConstraintViolatedError):
        uow.protection.add(protective(2, quantity=D(0)))


def test_regimes_are_replaced_symbol_by_symbol(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.protection.save_regimes([])
        uow.protection.save_regimes([regime(), regime("ETHUSDT")])
        uow.protection.save_regimes([regime(regime=Regime.RANGING, observed_at=later(9))])
        uow.commit()
    with begin() as uow:
        assert uow.protection.regime("BTCUSDT") == regime(regime=Regime.RANGING, observed_at=later(9))
        assert uow.protection.regime("NOUSDT") is None
        assert list(uow.protection.regimes()) == ["BTCUSDT", "ETHUSDT"]


def test_the_confidence_of_a_position_is_that_of_its_newest_entry(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        uow.signals.add_many([signal("a", confidence=D("0.6")), signal("b", confidence=D("0.9"))])
        uow.orders.add(order("a", created_at=NOW))
        uow.orders.add(order("b", created_at=later(1)))
        assert uow.protection.last_entry_confidence("BTCUSDT", Side.BUY) == D("0.9")
        assert uow.protection.last_entry_confidence("BTCUSDT", Side.SELL) is None


def test_closings_are_orders_that_realised_something_newest_first(begin: UnitOfWorkFactory) -> None:
    with begin() as uow:
        for trade_id, number, realised, fee, asset in (
            (1, 10, "0", "1", "USDT"),  # an entry
            (2, 11, "5", "1", "USDT"),
            (3, 11, "-7", "1", "USDT"),
            (4, 12, "3", "9", "BNB"),
        ):
            uow.ledger.add_fill(
                fill(
                    trade_id=trade_id,
                    exchange_order_id=number,
                    realised_pnl=D(realised),
                    fee=D(fee),
                    fee_asset=asset,
                    traded_at=later(trade_id),
                )
            )
        assert uow.ledger.newest_closings("BTCUSDT", limit=5) == [
            Closing(at=later(4), net=D(3)),
            Closing(at=later(3), net=D(-4)),
        ]
        assert len(uow.ledger.newest_closings("BTCUSDT", limit=1)) == 1
        assert uow.ledger.newest_closings("ETHUSDT", limit=5) == []
