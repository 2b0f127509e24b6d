"""Gathers what the next step of a position's protection follows from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app.domain.ess import EssState
from app.domain.market import SymbolRules
from app.domain.money import ZERO
from app.domain.orders import OrderPurpose, OrderState
from app.domain.policy import Policy, RiskMode, default_policy
from app.domain.positions import Position
from app.domain.protection.plan import ProtectionFacts
from app.domain.signals import Side
from app.ports import MarketData, UnitOfWork
from app.services.policy_cache import PolicyCache

ROWS_MAX = 1_000
# A flatten has everything of a position's exit for itself for so long: neither orders nor weight are spent on the
# protection of what is about to be closed. What then is still open has waited too long to stay bare.
FLATTEN_FIRST_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What lies outside the database: the marks that are fresh, and the policy in force."""

    marks: Mapping[str, Decimal]
    policy: Policy

    @classmethod
    def of(cls, market: MarketData, cache: PolicyCache, *, now: datetime) -> Surroundings:
        """As of now. A stale mark is none; without any policy the most careful one of ours stands in: exits go on."""
        version = cache.current()
        policy = default_policy(RiskMode.DEFENSIVE) if version is None else version.policy
        age_max = policy.stale_market_seconds_max
        marks = {
            symbol: quote.mark_price
            for symbol, quote in market.quotes().items()
            if (now - quote.observed_at).total_seconds() <= age_max
        }
        return cls(marks=marks, policy=policy)


def is_left_to_the_flatten(uow: UnitOfWork, now: datetime) -> bool:
    """Whether the emergency stop is closing every position at this moment."""
    stop = uow.control.ess()
    if stop is None or stop.state is not EssState.TRIPPED or not stop.flatten_requested or stop.safe_at is not None:
        return False
    return stop.tripped_at is not None and now - stop.tripped_at < timedelta(seconds=FLATTEN_FIRST_SECONDS)


def exiting_symbols(uow: UnitOfWork) -> frozenset[str]:
    """Symbols with an exit on its way, or one whose fills are not booked yet."""
    running = [*uow.orders.in_state([OrderState.SUBMITTED], limit=ROWS_MAX), *uow.orders.unbooked(limit=ROWS_MAX)]
    return frozenset(order.symbol for order in running if order.purpose is OrderPurpose.EXIT)


def protection_facts(
    uow: UnitOfWork,
    position: Position,
    surroundings: Surroundings,
    *,
    rules: SymbolRules | None,
    exiting: Collection[str],
    now: datetime,
) -> ProtectionFacts:
    """The facts of one symbol; trading rules that are not known leave the price as it is computed."""
    symbol = position.symbol
    side = Side.BUY if position.quantity > ZERO else Side.SELL
    guard = uow.protection.guard(symbol)
    return ProtectionFacts(
        now=now,
        position=position,
        guard=guard,
        live=uow.protection.live(symbol, limit=ROWS_MAX),
        is_exiting=symbol in exiting,
        mark_price=surroundings.marks.get(symbol),
        regime=uow.protection.regime(symbol),
        confidence=uow.protection.last_entry_confidence(symbol, side) if position.quantity else None,
        policy=surroundings.policy,
        rules=rules or no_rules(symbol),
    )


def no_rules(symbol: str) -> SymbolRules:
    """Trading rules of a symbol that nobody knows: a zero switches a rule off."""
    return SymbolRules(
        symbol=symbol,
        status="UNKNOWN",
        base_asset="",
        quote_asset="",
        tick_size=ZERO,
        price_minimum=ZERO,
        price_maximum=ZERO,
        step_size=ZERO,
        quantity_minimum=ZERO,
        quantity_maximum=ZERO,
        market_quantity_maximum=ZERO,
        notional_minimum=ZERO,
        price_multiplier_up=ZERO,
        price_multiplier_down=ZERO,
    )
