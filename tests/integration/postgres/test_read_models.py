"""What people are shown is what is in the tables, in the contract's shapes, as of one moment."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresReadModels, PostgresUnitOfWorkFactory
from app.domain.ess import EssState
from app.domain.market import Quote
from app.domain.orders import AttemptState, OrderState
from app.domain.policy import RiskMode, default_policy
from app.domain.signals import ModelVote, SignalEvent, SignalState
from app.ports import InvalidCursorError
from tests.contract.unit_of_work_values import (
    NOW,
    D,
    account,
    attempt,
    decision,
    fill,
    later,
    order,
    position,
    signal,
    tripped,
)

pytestmark = pytest.mark.integration

Begin = PostgresUnitOfWorkFactory


def quote(symbol: str, mark: str, *, age: float = 0.5) -> Quote:
    return Quote(
        symbol=symbol,
        bid_price=D(mark) - 1,
        bid_quantity=D(1),
        ask_price=D(mark) + 1,
        ask_quantity=D(1),
        mark_price=D(mark),
        observed_at=later(-age),
    )


def executed_signal(begin: Begin) -> None:
    """A signal whose first answer was lost, found again, and filled in two trades."""
    placed = order(created_at=later(2))
    sent = attempt(placed, begun_at=later(2))
    with begin() as uow:
        uow.signals.add_many([signal()])
        uow.signals.advance(["s1"], SignalEvent.DISPATCHED, now=later(1))
        uow.signals.advance(["s1"], SignalEvent.ORDERED, now=later(2), policy_version=3)
        uow.control.add_decision(decision(order_id=placed.order_id, outcome="APPROVED", code=None, decided_at=later(2)))
        uow.orders.add(placed)
        uow.orders.add_attempt(sent)
        uow.orders.save_attempt(
            replace(
                sent,
                state=AttemptState.FILLED,
                exchange_order_id=77,
                executed_quantity=placed.quantity,
                average_price=D("84200.10"),
                unknown_since=later(3),
                ended_at=later(5),
            )
        )
        uow.ledger.add_fill(fill(placed, 2, traded_at=later(2.75), quantity=D("0.375")))
        uow.ledger.add_fill(fill(placed, 1, traded_at=later(2.5)))
        uow.orders.save(
            replace(
                placed,
                state=OrderState.FILLED,
                executed_quantity=placed.quantity,
                booked_quantity=placed.quantity,
                ended_at=later(5),
            )
        )
        uow.signals.advance(["s1"], SignalEvent.EXECUTED, now=later(5), reason_code="FILLED")
        uow.commit()


def test_a_signal_is_explained_from_its_making_to_its_last_fill(begin: Begin, reads: PostgresReadModels) -> None:
    executed_signal(begin)
    found = reads.explain_signal("s1")
    assert found is not None
    json.dumps(found)
    assert list(found) == [
        "signal",
        "state",
        "decision",
        "decisions",
        "order",
        "attempts",
        "fills",
        "timeline",
    ]
    assert found["signal"]["models"]["nhits"] == {
        "action": "HOLD",
        "confidence": "0.5",
        "source": None,
        "provenance": "FALLBACK",
        "reason": "the producer did not say where the vote comes from",
    }
    assert (found["state"], found["signal"]["policy_version"]) == ("EXECUTED", 3)
    assert found["decision"] == found["decisions"][-1]
    assert found["order"]["executed_quantity"] == "0.5"
    assert [each["state"] for each in found["attempts"]] == ["FILLED"]
    assert [each["trade_id"] for each in found["fills"]] == [1, 2]
    assert [(each["at"][17:-1], each["what"], each["clock"]) for each in found["timeline"]] == [
        ("59.123456", "generated", "producer"),
        ("00.123456", "received", "ours"),
        ("01.123456", "dispatched", "ours"),
        ("02.123456", "left_the_queue", "ours"),
        ("02.123456", "approved", "ours"),
        ("02.123456", "order_created", "ours"),
        ("02.123456", "sending", "ours"),
        ("02.623456", "filled", "exchange"),
        ("02.873456", "filled", "exchange"),
        ("03.123456", "answer_unknown", "ours"),
        ("05.123456", "order_filled", "ours"),
        ("05.123456", "attempt_filled", "ours"),
    ]


def test_a_signal_that_was_denied_has_its_gates_and_no_order(begin: Begin, reads: PostgresReadModels) -> None:
    with begin() as uow:
        uow.signals.add_many([signal()])
        uow.signals.advance(["s1"], SignalEvent.DISPATCHED, now=NOW)
        uow.control.add_decision(decision())
        uow.signals.advance(["s1"], SignalEvent.DENIED, now=NOW, reason_code="CONFIDENCE_BELOW_MINIMUM")
        uow.commit()
    found = reads.explain_signal("s1")
    assert found is not None
    assert (found["order"], found["attempts"], found["fills"]) == (None, [], [])
    assert found["decision"]["verdicts"][1]["numbers"] == {"confidence": "0.4", "minimum": "0.50"}


def test_a_signal_nobody_sent_has_no_explanation(reads: PostgresReadModels) -> None:
    assert reads.explain_signal("nobody") is None


def test_positions_are_valued_at_their_marks_and_flat_ones_left_out(begin: Begin, reads: PostgresReadModels) -> None:
    with begin() as uow:
        uow.ledger.save_position(position("ETHUSDT", quantity=D(-2), entry_cost=D("-6000.5"), target_price=D(1)))
        uow.ledger.save_position(position("BTCUSDT", updated_at=later(-7)))
        uow.ledger.lock_position("XRPUSDT")
        uow.commit()
    blind, valued = reads.positions({"ETHUSDT": quote("ETHUSDT", "2900.25")}, now=NOW, after=None, limit=5).items
    assert {name: valued[name] for name in ("symbol", "quantity", "mark_price", "unrealised_pnl", "age_seconds")} == {
        "symbol": "ETHUSDT",
        "quantity": "-2",
        "mark_price": "2900.25",
        "unrealised_pnl": "200",
        "age_seconds": 0.5,
    }
    assert valued["reason"] is None
    assert (blind["symbol"], blind["mark_price"], blind["unrealised_pnl"]) == ("BTCUSDT", None, None)
    assert (blind["source"], blind["age_seconds"]) == ("ledger", 7.0)
    assert blind["reason"] == (
        "no mark price of this symbol is known; no target is confirmed by the exchange for all of it"
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_every_position_is_on_exactly_one_page(begin: Begin, reads: PostgresReadModels, limit: int) -> None:
    symbols = ["AAVEUSDT", "BTCUSDT", "BTCUSDT_261225", "ETHUSDT"]
    with begin() as uow:
        for symbol in reversed(symbols):
            uow.ledger.save_position(position(symbol))
        uow.ledger.lock_position("ADAUSDT")
        uow.commit()
    seen: list[str] = []
    after: str | None = None
    for _ in range(-(-len(symbols) // limit)):
        page = reads.positions({}, now=NOW, after=after, limit=limit)
        seen += [item["symbol"] for item in page.items]
        after = page.next
    assert (seen, after) == (symbols, None)


@pytest.mark.parametrize("cursor", ["x", "czox", "bjo", "bjphAGI", "bg", "é", "bjphYg=="])
def test_a_cursor_that_no_list_of_positions_gave_is_refused(reads: PostgresReadModels, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        reads.positions({}, now=NOW, after=cursor, limit=1)


def test_a_portfolio_is_not_known_until_the_exchange_has_told(begin: Begin, reads: PostgresReadModels) -> None:
    unknown = reads.portfolio(now=NOW)
    assert (unknown["equity"], unknown["source"], unknown["reason"]) == (None, None, "the exchange has not told yet")
    with begin() as uow:
        uow.ledger.save_account(account(observed_at=later(-2)))
        uow.ledger.save_position(position("BTCUSDT"))
        uow.ledger.save_position(position("ETHUSDT", realised_pnl=D("-2.34")))
        uow.commit()
    known = reads.portfolio(now=NOW)
    assert (known["equity"], known["wallet_balance"], known["age_seconds"]) == ("9996.50000001", "10000.00000001", 2.0)
    assert (known["realised_pnl"], known["fees"]) == ("10", "1")


def test_an_age_is_never_negative_when_the_exchanges_clock_runs_ahead(begin: Begin, reads: PostgresReadModels) -> None:
    with begin() as uow:
        uow.ledger.save_account(account(observed_at=later(3)))
        uow.commit()
    assert reads.portfolio(now=NOW)["age_seconds"] == 0.0


def test_equity_is_paged_forward_from_a_moment_and_shows_the_newest_without_one(
    begin: Begin, reads: PostgresReadModels
) -> None:
    with begin() as uow:
        for second in range(5):
            uow.ledger.record_equity(at=later(second), equity=D(second), wallet=D(second), unrealised=D("-0.10"))
        uow.commit()
    newest = reads.equity(since=None, limit=2)
    assert ([each["equity"] for each in newest.items], newest.next) == (["3", "4"], None)
    first = reads.equity(since=later(1), limit=3)
    assert [each["equity"] for each in first.items] == ["1", "2", "3"]
    assert first.next == "2026-11-22T12:00:04.123456Z"
    assert first.items[0] == {
        "at": "2026-11-22T12:00:01.123456Z",
        "equity": "1",
        "wallet": "1",
        "unrealised": "-0.1",
    }
    # Spans of two seconds of the clock: the last point of each, the first span begun in its middle.
    thinned = reads.equity(since=later(1), limit=2, every_seconds=2)
    assert ([each["equity"] for each in thinned.items], thinned.next) == (["1", "3"], "2026-11-22T12:00:04.123456Z")
    rest = reads.equity(since=later(4), limit=3)
    assert ([each["equity"] for each in rest.items], rest.next) == (["4"], None)


def test_the_stop_is_safe_once_its_trip_was_acknowledged(begin: Begin, reads: PostgresReadModels) -> None:
    assert (reads.ess()["state"], reads.ess()["safe"]) == ("ARMED", False)
    for stop, safe in [
        (tripped(), False),
        (tripped(safe_at=later(3)), True),
        (tripped(safe_at=later(3), state=EssState.COOLING_DOWN), True),
        (tripped(safe_at=later(3), state=EssState.ARMED), False),
    ]:
        with begin() as uow:
            uow.control.save_ess(stop)
            uow.commit()
        assert (reads.ess()["state"], reads.ess()["safe"]) == (stop.state.value, safe)


def test_without_a_policy_it_says_that_entries_are_denied(begin: Begin, reads: PostgresReadModels) -> None:
    assert reads.policy() == {
        "version": None,
        "mode": None,
        "policy": None,
        "reason": "no policy has been stored: every entry is denied",
    }
    with begin() as uow:
        uow.control.add_policy(default_policy(RiskMode.DEFENSIVE), author="ann", reason="start", now=NOW)
        uow.commit()
    policy = reads.policy()
    assert (policy["mode"], policy["author"], policy["policy"]["leverage_max"]) == ("DEFENSIVE", "ann", "3")
    assert reads.policy_versions(after=None, limit=5).items == [policy]


def test_states_are_counted_of_all_or_of_the_newest(begin: Begin, reads: PostgresReadModels) -> None:
    assert reads.counts(newest=None) == {"signals": {}, "orders": {}, "of_newest": None}
    with begin() as uow:
        uow.signals.add_many([signal(f"s{number}") for number in range(6)])
        uow.signals.advance(["s0", "s1", "s4"], SignalEvent.EXPIRED, now=NOW)
        uow.orders.add(order("s2"))
        uow.commit()
    assert reads.counts(newest=None)["signals"] == {"QUEUED": 3, "EXPIRED": 3}
    assert reads.counts(newest=None)["orders"] == {"SUBMITTED": 1}
    assert reads.counts(newest=3)["signals"] == {"QUEUED": 2, "EXPIRED": 1}


def test_an_overview_holds_every_block_with_its_source(begin: Begin, reads: PostgresReadModels) -> None:
    executed_signal(begin)
    with begin() as uow:
        uow.ledger.save_account(account())
        uow.ledger.save_position(position())
        uow.commit()
    overview = reads.overview({"BTCUSDT": quote("BTCUSDT", "84000")}, now=NOW, limit=5)
    json.dumps(overview)
    assert set(overview) == {"portfolio", "positions", "orders", "signals", "ess", "policy", "counts"}
    for name, block in overview.items():
        assert block["source"], name
        assert block["age_seconds"] == 0.0, name
    marks = {"BTCUSDT": quote("BTCUSDT", "84000")}
    assert overview["positions"]["items"] == reads.positions(marks, now=NOW, after=None, limit=5).items
    assert [each["signal_id"] for each in overview["signals"]["items"]] == ["s1"]
    assert overview["orders"]["items"] == reads.orders(after=None, limit=5).items
    assert overview["signals"]["items"] == reads.signals(states=[SignalState.EXECUTED], after=None, limit=5).items
    assert overview["counts"]["signals"] == {"EXECUTED": 1}


def test_an_overview_sees_one_moment(begin: Begin, reads: PostgresReadModels, engine: sa.Engine) -> None:
    seen: list[object] = []

    def commit_in_between(*_: object) -> None:
        # After the first statement of the reader, once, on another connection.
        if seen:
            return
        seen.append("committed")
        with begin() as uow:
            uow.signals.add_many([signal("late")])
            uow.ledger.save_position(position(realised_pnl=Decimal(5)))
            uow.commit()

    sa.event.listen(engine, "after_cursor_execute", commit_in_between)
    overview = reads.overview({}, now=NOW, limit=5)
    assert seen == ["committed"]
    assert (overview["signals"]["items"], overview["positions"]["items"]) == ([], [])
    assert overview["portfolio"]["realised_pnl"] == "0"
    assert [each["signal_id"] for each in reads.overview({}, now=NOW, limit=5)["signals"]["items"]] == ["late"]


def test_a_reader_waits_for_no_row_lock(begin: Begin, reads: PostgresReadModels) -> None:
    executed_signal(begin)
    with begin() as uow:
        uow.control.lock_ess()
        uow.ledger.lock_account()
        uow.signals.lock("s1")
        assert reads.overview({}, now=NOW, limit=5)["ess"]["state"] == "ARMED"
        assert reads.explain_signal("s1") is not None


def test_a_foreign_cursor_is_refused(reads: PostgresReadModels) -> None:
    with pytest.raises(InvalidCursorError):
        reads.signals(states=[], after="nonsense", limit=5)


def test_a_reader_cannot_write(reads: PostgresReadModels) -> None:
    with reads._engine.connect() as connection, pytest.raises(sa.exc.InternalError, match="read-only"):
        connection.execute(sa.text("DELETE FROM signals"))


def test_votes_are_found_newest_first_and_by_symbol(begin: Begin, reads: PostgresReadModels) -> None:
    live = ModelVote(action="BUY", confidence=D("0.7"), source="xgboost")
    with begin() as uow:
        uow.signals.add_many(
            [
                replace(signal("s1"), models={"xgboost": live}),
                replace(signal("s2"), models={"nhits": replace(live, source=None)}, symbol="ETHUSDT"),
                replace(signal("s3"), models={}),
            ]
        )
        uow.commit()
    ballots = reads.ballots(symbol=None, limit=10)
    assert [each.signal_id for each in ballots] == ["s2", "s1"]
    assert ballots[1].votes == {"xgboost": live}
    assert [each.signal_id for each in reads.ballots(symbol="BTCUSDT", limit=10)] == ["s1"]
    assert [each.signal_id for each in reads.ballots(symbol=None, limit=1)] == ["s2"]


def test_the_audit_is_paged_newest_first_and_by_actor(begin: Begin, reads: PostgresReadModels) -> None:
    with begin() as uow:
        for number, actor in enumerate(["olga", "cli", "olga"]):
            uow.control.audit(at=NOW, actor=actor, action=f"a{number}", reason="why", detail={"n": number})
        uow.commit()
    page = reads.audit(actor=None, after=None, limit=2)
    assert [each["action"] for each in page.items] == ["a2", "a1"]
    assert [each["action"] for each in reads.audit(actor=None, after=page.next, limit=2).items] == ["a0"]
    of_olga = reads.audit(actor="olga", after=None, limit=10)
    assert [(each["actor"], each["action"], each["detail"]) for each in of_olga.items] == [
        ("olga", "a2", {"n": 2}),
        ("olga", "a0", {"n": 0}),
    ]
    assert of_olga.next is None


def test_an_order_is_told_with_its_attempts_and_fills(begin: Begin, reads: PostgresReadModels) -> None:
    executed_signal(begin)
    [listed] = reads.orders(after=None, limit=10).items
    told = reads.explain_order(uuid.UUID(listed["order_id"]))
    assert told is not None
    assert told["order"] == listed
    assert len(told["attempts"]) == 1
    assert len(told["fills"]) == 2
    assert reads.explain_order(uuid.uuid4()) is None
    assert reads.open_attempts(limit=10) == []
