"""Gathers, inside the deciding transaction, everything an entry is judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from app.domain.ess import EmergencyStop
from app.domain.gates import size
from app.domain.gates.deviation import touch_price
from app.domain.gates.facts import EntryFacts
from app.domain.gates.verdicts import Verdict
from app.domain.market import FundingRate, Quote
from app.domain.money import ZERO, exactly
from app.domain.orders import Order
from app.domain.policy import PolicyVersion, Stage
from app.domain.signals import Signal
from app.domain.sizing import ChaseEnd, SizedEntry, chase_limit_price, entry_limit_price, remainder_attempt, size_entry
from app.ports import MarketData, UnitOfWork, UnreadablePolicyError

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

    Order of the locks: emergency stop FOR SHARE (a trip waits for us, or we read it), then the account row FOR UPDATE
    (decisions take turns, so that two can never exceed a limit together).
    """
    stop = uow.control.lock_ess_shared()
    account = uow.ledger.lock_account()
    exposure = uow.ledger.exposure(signal.symbol, market.marks)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    facts = EntryFacts(
        now=now,
        stage=stage,
        signal=signal,
        policy=_newest(uow, policy, stop, now),
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
    )
    return _sized(facts) if order is None else _sized_remainder(facts, order)


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


def _sized(facts: EntryFacts) -> EntryFacts:
    """The facts with quantity and limit price, or with the reason why there are none."""
    limits, quote, rules, account = facts.limits, facts.quote, facts.rules, facts.account
    if limits is None or quote is None or rules is None:
        return facts
    touch = touch_price(quote, side=facts.signal.side)
    limit_price = entry_limit_price(
        side=facts.signal.side,
        quote=quote,
        reference_price=facts.signal.reference_price or touch,
        slippage_share=limits.slippage_share_max,
        rules=rules,
    )
    if account is None:
        return replace(facts, limit_price=limit_price)
    sized = size_entry(
        policy=limits,
        equity=account.equity,
        limit_price=limit_price,
        mark_price=quote.mark_price,
        confidence=facts.signal.confidence,
        rules=rules,
        stop_distance_share=limits.stop_distance_share,
    )
    if isinstance(sized, SizedEntry):
        return replace(facts, quantity=sized.quantity, limit_price=limit_price)
    return replace(facts, limit_price=limit_price, sizing_refusal=sized)


def _sized_remainder(facts: EntryFacts, order: Order) -> EntryFacts:
    """The facts of a chase: judged beside everything else that exists, but not beside its own reservation."""
    facts = replace(facts, attempt_number=order.attempts_made + 1, first_reference_price=order.reference_price)
    limits, quote, rules = facts.limits, facts.quote, facts.rules
    if facts.exposure is not None:
        mark = order.limit_price if quote is None else quote.mark_price
        # What was executed but not booked yet is real exposure; only what is still asked for is its own.
        own = exactly(order.remaining_quantity, "*", mark) * order.side.sign
        facts = replace(facts, exposure=facts.exposure.without_reservation(own))
    if limits is None or quote is None or rules is None:
        return facts
    limit_price = chase_limit_price(
        side=order.side,
        quote=quote,
        first_reference_price=order.reference_price,
        slippage_share=limits.slippage_share_max,
        drift_share=limits.price_drift_share_max,
        rules=rules,
    )
    remainder = remainder_attempt(
        remaining_quantity=order.remaining_quantity,
        chases_made=order.attempts_made - 1,
        price=limit_price,
        rules=rules,
        jitter=ZERO,  # the delay was spent before this attempt was due
    )
    if isinstance(remainder, ChaseEnd):
        refusal = Verdict(gate=size.GATE, code=remainder.code, numbers={"chase": remainder.reason})
        return replace(facts, limit_price=limit_price, sizing_refusal=refusal)
    return replace(facts, quantity=remainder.quantity, limit_price=limit_price)
