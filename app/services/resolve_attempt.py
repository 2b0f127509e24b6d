"""Resolve an attempt of unknown outcome: ask the exchange by our id until it tells, or can no longer accept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from app.domain.orders import Attempt
from app.flow import Happening
from app.ports import Clock, Exchange, Lane, NotFound, OrderReport, RateBudget, TaskQueue, UnitOfWorkFactory, Wait
from app.services.correlation import speak_of
from app.services.hints import announce
from app.services.settle_attempt import SettleAttempt

log = structlog.get_logger(__name__)

# Beyond recvWindow, for what the exchange's own queue may add between its gateway and its matching engine.
ACCEPTANCE_MARGIN_MS = 2_000
NOT_FOUND_ANSWERS_NEEDED = 2
ASK_AGAIN_SECONDS = 0.5
ASK_AGAIN = timedelta(seconds=ASK_AGAIN_SECONDS)
ASK_AGAIN_MAX = timedelta(seconds=5)
PROOF_SLACK = timedelta(milliseconds=100)  # our clock and the exchange's are not quite the same
QUERY_WEIGHT = 2  # the exchange's time, then the order


def can_no_longer_be_accepted(attempt: Attempt, *, exchange_time_ms: int) -> bool:
    """Whether the exchange's own clock has passed the moment after which it must refuse the request."""
    return exchange_time_ms > attempt.signed_at_ms + attempt.recv_window_ms + ACCEPTANCE_MARGIN_MS


def is_second_answer(attempt: Attempt, *, exchange_time_ms: int) -> bool:
    """Whether a question put after `exchange_time_ms` was put half a second or more after the first answer of the
    proof, both by the exchange's clock."""
    first = attempt.not_found_at_ms
    return first is not None and exchange_time_ms >= first + round(ASK_AGAIN_SECONDS * 1000)


def pause_before_asking_again(attempt: Attempt, *, now: datetime) -> timedelta:
    """How long an attempt is left alone after a question: half its age, between half a second and five.

    Few questions while the answer can only be "not yet", one as soon as it can be a proof, and the second of the proof
    right after the first. The pace is by our own clock; what an answer proves is judged by the exchange's.
    """
    if attempt.not_found_count:
        return ASK_AGAIN
    age = max(now - attempt.begun_at, timedelta(0))
    pause = min(max(age / 2, ASK_AGAIN), ASK_AGAIN_MAX)
    until_proof = timedelta(milliseconds=attempt.recv_window_ms + ACCEPTANCE_MARGIN_MS) - age
    if timedelta(0) <= until_proof < pause:
        return max(until_proof + PROOF_SLACK, ASK_AGAIN)
    return pause


@dataclass(frozen=True, slots=True)
class ResolveAttempt:
    """Use case of `orders.resolve`; safe to run at any time, any number of times, beside the worker that sends."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    tasks: TaskQueue
    clock: Clock
    settle: SettleAttempt

    def __call__(self, client_order_id: str) -> None:
        """Ask once and act on the answer; asks again by a later hint while the answer is open."""
        attempt = self._take_turn(client_order_id)
        if attempt is None:
            return
        wait = self.budget.acquire(weight=QUERY_WEIGHT, orders=0, lane=Lane.SAFETY)
        if isinstance(wait, Wait):
            self._ask_again(attempt, wait.seconds)
            return
        reply = self.exchange.query_order(
            symbol=attempt.symbol, client_order_id=client_order_id, exchange_order_id=attempt.exchange_order_id
        )
        if isinstance(reply, OrderReport):
            # Not final: still unknown, but from now on nobody can take it for never accepted.
            self.settle(client_order_id, reply)
            if not reply.is_final:
                self._ask_later(attempt)
        elif isinstance(reply, NotFound):
            self._count_not_found(attempt, reply)
        else:
            # A failed question says nothing about the order.
            log.info("attempt_still_unknown", client_order_id=client_order_id, answer=str(reply))
            self._ask_later(attempt)

    def _take_turn(self, client_order_id: str) -> Attempt | None:
        """The attempt to ask about; None when it has ended, or when somebody asked within `ASK_AGAIN_SECONDS`.

        Whoever asked carries on by its own hint, so hints that meet here end here: however many there are, an attempt
        costs two questions a second and no more of the budget.
        """
        with self.unit_of_work() as uow:
            known = uow.orders.get_attempt(client_order_id)
            if known is None or not known.state.is_open:
                return None
            order = uow.orders.lock(known.order_id)
            speak_of(None if order is None else order.correlation_id)
            now = self.clock.now()  # under the lock: while waiting for it, somebody else may have had a turn
            attempt = uow.orders.get_attempt(client_order_id)
            if attempt is None or not attempt.state.is_open or self._was_asked_recently(attempt, now):
                return None
            mine = replace(attempt, last_asked_at=now)
            uow.orders.save_attempt(mine)
            uow.commit()
        return mine

    def _was_asked_recently(self, attempt: Attempt, now: datetime) -> bool:
        if attempt.last_asked_at is None:
            return False
        # A time to come was written by another machine's clock. A little ahead it counts like one just past, or two
        # questions of one moment could make the proof; far ahead it must not keep everybody from asking.
        return abs(now - attempt.last_asked_at) < pause_before_asking_again(attempt, now=attempt.last_asked_at)

    def _count_not_found(self, attempt: Attempt, reply: NotFound) -> None:
        if not can_no_longer_be_accepted(attempt, exchange_time_ms=reply.exchange_time_ms):
            # It may still be waiting in the exchange's queue: not found is no proof yet.
            self._ask_later(attempt)
            return
        answered_at_ms = self.exchange.now_ms()
        with self.unit_of_work() as uow:
            uow.orders.lock(attempt.order_id)
            current = uow.orders.get_attempt(attempt.client_order_id)
            if current is None or not current.state.is_open or current.last_asked_at != attempt.last_asked_at:
                # It ended, or this worker was held up and somebody else has asked since: theirs is the answer to count.
                return
            # Turns are half a second apart by our machines' clocks, which may differ: the proof goes by the exchange's.
            if current.not_found_count == 0:
                current = replace(current, not_found_count=1, not_found_at_ms=answered_at_ms)
            elif is_second_answer(current, exchange_time_ms=reply.exchange_time_ms):
                current = replace(current, not_found_count=current.not_found_count + 1)
            uow.orders.save_attempt(replace(current, last_asked_at=self.clock.now()))
            uow.commit()
        if current.not_found_count >= NOT_FOUND_ANSWERS_NEEDED:
            self.settle(attempt.client_order_id, reply)
        else:
            self._ask_again(attempt, ASK_AGAIN_SECONDS)

    def _ask_later(self, attempt: Attempt) -> None:
        self._ask_again(attempt, pause_before_asking_again(attempt, now=self.clock.now()).total_seconds())

    def _ask_again(self, attempt: Attempt, seconds: float) -> None:
        announce(self.tasks, Happening.OUTCOME_UNKNOWN, attempt.client_order_id, priority=0, countdown_seconds=seconds)
