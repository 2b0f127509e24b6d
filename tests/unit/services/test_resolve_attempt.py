"""Resolving: unknown stays unknown until the exchange tells, and NOT SENT is proved, never assumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.orders import AttemptState, OrderState
from app.ports import NotFound, OrderReport, Rejected, Unknown, Wait
from tests.fakes.exchange import Fills, LosesReply
from tests.support.desk import Desk
from tests.unit.domain.builders import make_fill

D = Decimal


def unknown_attempt(desk: Desk):
    desk.exchange.script(Unknown(reason="connection dropped"))
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    return attempt


def test_not_found_inside_the_window_proves_nothing():
    desk = Desk()
    attempt = unknown_attempt(desk)
    for _ in range(5):
        desk.resolve(attempt.client_order_id)
        desk.later(0.5)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.not_found_count) == (AttemptState.UNKNOWN, 0)


def test_not_found_twice_after_the_window_is_not_sent_and_only_then_a_new_attempt_may_follow():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(4.6)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.UNKNOWN
    desk.resolve(attempt.client_order_id)  # too soon after the first question to count
    assert desk.attempts_of("a")[0].not_found_count == 1
    desk.later(0.6)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.NOT_SENT
    assert desk.order_of("a").state is OrderState.CHASING
    desk.chase_until_settled("a")
    assert desk.order_of("a").state is OrderState.FILLED


@pytest.mark.parametrize(("apart_ms", "state"), [(499, AttemptState.UNKNOWN), (500, AttemptState.NOT_SENT)])
def test_the_half_second_of_the_proof_goes_by_the_exchanges_clock_whatever_ours_say(apart_ms, state):
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(4.6)
    first_answer_ms = desk.exchange.now_ms()
    desk.resolve(attempt.client_order_id)
    desk.later(60)  # another machine, whose clock is a minute ahead
    desk.exchange.script_queries(NotFound(exchange_time_ms=first_answer_ms + apart_ms))
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is state
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.NOT_SENT


def test_the_window_is_judged_by_the_exchanges_clock_not_ours():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(60)
    behind = NotFound(exchange_time_ms=attempt.signed_at_ms + attempt.recv_window_ms + 1_999)
    desk.exchange.script_queries(behind, behind)
    desk.resolve(attempt.client_order_id)
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.UNKNOWN


def test_a_question_that_fails_says_nothing():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(60)
    desk.exchange.script_queries(Unknown(reason="502"), Rejected(code="-1000", message="?"), Unknown(reason="503"))
    for _ in range(3):
        desk.resolve(attempt.client_order_id)
        desk.later(1)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.not_found_count) == (AttemptState.UNKNOWN, 0)
    assert desk.tasks.sent[-1].task == "orders.resolve"


def test_without_budget_the_question_is_asked_later():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.exchange.queried.clear()
    desk.budget.refuse(Wait(seconds=2.0, reason="weight"))
    desk.resolve(attempt.client_order_id)
    assert desk.exchange.queried == []
    assert desk.tasks.sent[-1].countdown_seconds == 2.0


def test_a_late_rejection_of_an_unknown_attempt_does_not_settle_it():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.settle(attempt.client_order_id, Rejected(code="-1021", message="outside of the recvWindow"))
    assert desk.attempts_of("a")[0].state is AttemptState.UNKNOWN


def test_resolving_what_has_ended_asks_nothing():
    desk = Desk()
    desk.placed(desk.signal("a"))
    (attempt,) = desk.attempts_of("a")
    desk.resolve(attempt.client_order_id)
    assert desk.exchange.queried == []


def report_of(attempt, *, status: str, executed: str) -> OrderReport:
    return OrderReport(
        exchange_order_id=77,
        client_order_id=attempt.client_order_id,
        symbol=attempt.symbol,
        status=status,
        original_quantity=attempt.quantity,
        executed_quantity=D(executed),
        average_price=None,
    )


@pytest.mark.parametrize("status", ["FILLED", "HALTED"])
def test_an_answer_that_is_no_last_word_leaves_the_attempt_unknown_and_is_asked_about_again(status):
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.exchange.script_queries(report_of(attempt, status=status, executed="0"))
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    assert desk.attempts_of("a")[0].state is AttemptState.UNKNOWN
    assert desk.tasks.sent[-1].task == "orders.resolve"
    desk.settle(attempt.client_order_id, report_of(attempt, status=status, executed="0"))
    assert desk.attempts_of("a")[0].state is AttemptState.UNKNOWN


class SlowlyAnswered:
    """The exchange of a worker that is held up between its question and its answer."""

    def __init__(self, desk: Desk, meanwhile) -> None:
        self._desk = desk
        self._meanwhile = meanwhile

    def __getattr__(self, name):
        return getattr(self._desk.exchange, name)

    def query_order(self, **question):
        reply = self._desk.exchange.query_order(**question)
        self._meanwhile()
        return reply


def test_two_questions_put_at_the_same_moment_count_as_one_however_late_the_second_answer_is():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(4.6)

    def meanwhile():
        desk.resolve(attempt.client_order_id)  # another worker asks, and has its answer at once
        desk.later(0.7)

    held_up = replace(desk.resolve, exchange=SlowlyAnswered(desk, meanwhile))
    held_up(attempt.client_order_id)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.not_found_count) == (AttemptState.UNKNOWN, 1)


def test_questions_become_fewer_with_time_however_many_hints_say_so():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.exchange.script_queries(*[Unknown(reason="503")] * 10_000)
    desk.exchange.queried.clear()
    hints = [desk.clock.now()]  # due times of the hints under way
    for _ in range(100):  # 20 seconds; the sweep adds a hint each second
        desk.clock.advance(0.2)
        now = desk.clock.now()
        if now.microsecond < 200_000:
            hints.append(now)
        for _ in [due for due in hints if due <= now]:
            desk.tasks.sent.clear()
            desk.resolve(attempt.client_order_id)
            hints += [now + timedelta(seconds=sent.countdown_seconds) for sent in desk.tasks.sent]
        hints = [due for due in hints if due > now]
        assert len(hints) <= 3
    assert 8 <= len(desk.exchange.queried) <= 12


def test_an_attempt_that_was_resolved_no_longer_says_that_its_outcome_is_unknown():
    desk = Desk()
    desk.exchange.script(LosesReply(but=Fills()))
    desk.placed(desk.signal("a"))
    assert desk.attempts_of("a")[0].error_code == "UNKNOWN_OUTCOME"
    desk.later(1)
    desk.resolve(desk.attempts_of("a")[0].client_order_id)
    (attempt,) = desk.attempts_of("a")
    assert (attempt.state, attempt.error_code, attempt.error_message) == (AttemptState.FILLED, None, None)
    assert attempt.unknown_since is not None
    assert desk.order_of("a").reason_code == "ATTEMPT_FILLED"


def test_questions_slow_down_and_one_comes_as_soon_as_it_can_prove_something():
    desk = Desk()
    attempt = unknown_attempt(desk)
    asked_at = []
    for _ in range(60):
        desk.resolve(attempt.client_order_id)
        if len(desk.exchange.queried) > len(asked_at):
            asked_at.append((desk.clock.now() - attempt.begun_at).total_seconds())
        desk.later(0.1)
    assert asked_at[:5] == pytest.approx([0, 0.5, 1.0, 1.5, 2.3], abs=0.11)
    assert any(4.5 < moment <= 4.7 for moment in asked_at)
    assert desk.attempts_of("a")[0].state is AttemptState.NOT_SENT
    assert len(asked_at) <= 9


def partly_filled(attempt, quantity: Decimal, *, status: str = "PARTIALLY_FILLED") -> OrderReport:
    return OrderReport(
        exchange_order_id=9,
        client_order_id=attempt.client_order_id,
        symbol=attempt.symbol,
        status=status,
        original_quantity=attempt.quantity,
        executed_quantity=quantity,
        average_price=D(50_000),
    )


def ask_until_proved(desk: Desk, client_order_id: str) -> None:
    desk.later(5)
    for _ in range(6):
        desk.resolve(client_order_id)
        desk.later(1)


def test_what_has_a_fill_is_never_proved_not_sent():
    desk = Desk()
    attempt = unknown_attempt(desk)
    part = attempt.quantity / 2
    fill = make_fill(
        trade_id=1, exchange_order_id=9, client_order_id=attempt.client_order_id, order_id=None, quantity=part
    )
    desk.hear(partly_filled(attempt, part), fill)
    ask_until_proved(desk, attempt.client_order_id)  # "no such order", from a part of the exchange that lags
    (current,) = desk.attempts_of("a")
    assert current.state is AttemptState.UNKNOWN
    assert desk.order_of("a").state is OrderState.SUBMITTED
    desk.exchange.script_queries(partly_filled(attempt, part, status="EXPIRED"))
    desk.later(5)
    desk.resolve(attempt.client_order_id)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.executed_quantity) == (AttemptState.PARTIALLY_FILLED, part)


def test_what_was_once_found_is_never_proved_not_sent():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.exchange.script_queries(partly_filled(attempt, D(0), status="NEW"))
    desk.later(1)
    desk.resolve(attempt.client_order_id)
    ask_until_proved(desk, attempt.client_order_id)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.exchange_order_id) == (AttemptState.UNKNOWN, 9)
    assert len(desk.attempts_of("a")) == 1


def test_a_turn_is_not_taken_twice_because_two_clocks_disagree_a_little():
    desk = Desk()
    attempt = unknown_attempt(desk)
    desk.later(4.6)
    desk.resolve(attempt.client_order_id)
    desk.clock.advance(-0.05)  # another thread read the time before it waited for the row, or another machine is behind
    desk.resolve(attempt.client_order_id)
    (current,) = desk.attempts_of("a")
    assert (current.state, current.not_found_count) == (AttemptState.UNKNOWN, 1)
