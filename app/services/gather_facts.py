"""Gathers, inside the deciding transaction, everything an entry is judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from app.domain.entry_size import with_size
from app.domain.ess import EmergencyStop
from app.domain.gates.facts import EntryFacts
from app.domain.market import FundingRate, Quote
from app.domain.money import exactly
from app.domain.orders import Order
from app.domain.policy import PolicyVersion, Stage
from app.domain.results import read_results
from app.domain.signals import Signal
from app.domain.throttles import StrategyUse
from app.ports import MarketData, UnitOfWork, UnreadablePolicyError

CLOSINGS_MAX = 50

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """What was known of a symbol's market before the transaction began."""

    quote: Quote | None
    funding: FundingRate | None
    marks: dict[str, Decimal]

    @classmethod
    def of(cls, symbol: str, market: MarketData) -> MarketFacts:
        """Read once, so that a decision sees one market."""
        quotes = market.quotes()
        return cls(
            quote=quotes.get(symbol),
            funding=market.funding(symbol),
            marks={each.symbol: each.mark_price for each in quotes.values()},
        )


def gather_facts(
    uow: UnitOfWork,
    *,
    signal: Signal,
    market: MarketFacts,
    policy: PolicyVersion | None,
    stage: Stage,
    now: datetime,
    order: Order | None = None,
) -> EntryFacts:
    """The facts of an entry, or of the chase of `order`; takes the locks that make the decision safe.

    Order of the locks: the account row FOR UPDATE (decisions take turns, so that two can never exceed a limit
    together), then the emergency stop FOR SHARE (a trip waits for us, or we read it). Only the decision whose turn it
    is holds the stop: a trip waits for that one and not for all that queue.
    """
    account = uow.ledger.lock_account()
    stop = uow.control.lock_ess_shared()
    exposure = uow.ledger.exposure(signal.symbol, market.marks)
    counts = _newest(uow, policy, stop, now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    facts = EntryFacts(
        now=now,
        stage=stage,
        signal=signal,
        policy=counts,
        emergency_stop=stop,
        rules=uow.control.symbol(signal.symbol),
        quote=market.quote,
        funding=market.funding,
        account=account,
        start_of_day_equity=uow.ledger.equity_at_or_after(midnight),
        exposure=exposure,
        last_same_side_entry_at=None if order else uow.orders.last_entry_at(signal.symbol, signal.side),
        entry_attempts_last_minute=uow.orders.attempts_since(now - timedelta(minutes=1)),
        quantity=None,
        limit_price=None,
        regime=uow.protection.regime(signal.symbol),
        strategy_use=_strategy_use(uow, signal, counts, now),
        results=read_results(uow.ledger.newest_closings(signal.symbol, limit=CLOSINGS_MAX)),
    )
    return with_size(facts if order is None else _as_chase(facts, order))


def _strategy_use(uow: UnitOfWork, signal: Signal, policy: PolicyVersion | None, now: datetime) -> StrategyUse | None:
    """Not known without a policy: it says how far back executions count. Decisions take turns, so none is missed."""
    if policy is None:
        return None
    throttle = uow.control.throttle(signal.strategy)
    since = now - timedelta(seconds=policy.policy.strategy_executions_window_seconds)
    if throttle is not None and throttle.enabled_at is not None:
        since = max(since, throttle.enabled_at)
    return StrategyUse(
        executions=uow.orders.executions_of(signal.strategy, signal.symbol, since=since),
        disabled_at=None if throttle is None else throttle.disabled_at,
    )


def _newest(
    uow: UnitOfWork, known: PolicyVersion | None, stop: EmergencyStop | None, now: datetime
) -> PolicyVersion | None:
    """The policy that counts at this moment: a change that was committed before we locked the stop's row is in it."""
    if stop is None or stop.policy_version is None or (known is not None and known.version == stop.policy_version):
        return known
    try:
        return uow.control.current_policy(now=now)
    except UnreadablePolicyError as error:
        log.error("policy_unreadable", error=str(error), version=stop.policy_version)  # noqa: TRY400
        return None


def _as_chase(facts: EntryFacts, order: Order) -> EntryFacts:
    """The facts of a chase: judged beside everything else that exists, but not beside its own reservation."""
    exposure = facts.exposure
    if exposure is not None:
        mark = order.limit_price if facts.quote is None else facts.quote.mark_price
        # What was executed but not booked yet is real exposure; only what is still asked for is its own.
        own = exactly(order.remaining_quantity, "*", mark) * order.side.sign
        exposure = exposure.without_reservation(own)
    return replace(
        facts,
        exposure=exposure,
        attempt_number=order.attempts_made + 1,
        first_reference_price=order.reference_price,
        remaining_quantity=order.remaining_quantity,
    )
