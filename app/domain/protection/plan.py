"""What has to be done next for a position and its protective orders; a pure function of what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from app.domain.market import SymbolRules
from app.domain.money import ZERO, exactly, floor_to_step
from app.domain.policy import Policy
from app.domain.positions import Position
from app.domain.protection.levels import Guard, follow, is_past, open_guard, with_more
from app.domain.protection.orders import Leg, ProtectionState, ProtectiveOrder, standing_quantity
from app.domain.regimes import MarketRegime
from app.domain.signals import Side

PROTECT_SECONDS_MAX = 10.0  # a position that has no stop at the exchange for longer is closed
REFUSED_PAUSE_SECONDS = 1.0  # after a refusal, before the same is asked for again
SLICES_MAX = 10  # of one leg; the exchange takes 200 open conditional orders in all
WOULD_TRIGGER_AT_ONCE = "-2021"

UNPROTECTED = "UNPROTECTED"
STOP_PASSED = "STOP_PASSED"
TARGET_PASSED = "TARGET_PASSED"
HOLDING_TIME_OVER = "HOLDING_TIME_OVER"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionFacts:
    """Everything the next step follows from; read in one transaction, under the position's lock when it is to be taken.

    `live` are the symbol's protective orders that exist at the exchange or may. `is_exiting`: an exit was sent whose
    outcome or fills are not booked yet.
    """

    now: datetime
    position: Position
    guard: Guard | None
    live: Sequence[ProtectiveOrder]
    is_exiting: bool
    mark_price: Decimal | None
    regime: MarketRegime | None
    confidence: Decimal | None  # of the newest entry on the position's side; None: no entry of ours made it
    policy: Policy
    rules: SymbolRules


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLeg:
    """A protective order to be sent."""

    leg: Leg
    side: Side
    quantity: Decimal
    trigger_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done; `guard` None means that there is nothing to guard (any more)."""

    guard: Guard | None
    place: Sequence[NewLeg] = ()
    cancel: Sequence[ProtectiveOrder] = ()
    close_because: str | None = None

    def changes(self, facts: ProtectionFacts) -> bool:
        """Whether there is anything to do or to write down."""
        return bool(self.guard != facts.guard or self.place or self.cancel or self.close_because)


def next_step(facts: ProtectionFacts) -> Step:
    """Levels first, then the orders that stand for them; closes what cannot be or need not be protected any more.

    A replacement is confirmed before what it replaces is taken away: both are reduce-only, so two at a time can close
    a position and never turn it.
    """
    position = facts.position
    if not position.quantity:
        return Step(guard=None, cancel=[each for each in facts.live if _may_be_canceled(each)])
    side = Side.BUY if position.quantity > ZERO else Side.SELL
    guard = _guard(facts, side)
    quantity = position.quantity.copy_abs()
    covered = standing_quantity(list(facts.live), leg=Leg.STOP, side=side.opposite) >= quantity
    if covered:
        guard = replace(guard, uncovered_since=None, refused_at=None, refusal=None) if guard.uncovered_since else guard
    elif guard.uncovered_since is None:
        guard = replace(guard, uncovered_since=facts.now)
    because = guard.closing_because or _why_close(facts, guard, covered=covered)
    guard = replace(guard, closing_because=because) if because != guard.closing_because else guard
    if because is not None:
        # What stands stays until the position is gone: an exit may still fail.
        return Step(guard=guard, close_because=None if facts.is_exiting else because)
    wanted = [
        NewLeg(leg=leg, side=side.opposite, quantity=each, trigger_price=price)
        for leg, price in ((Leg.STOP, guard.stop_price), (Leg.TARGET, guard.target_price))
        for each in _slices(quantity, facts.rules)
    ]
    missing, kept = _missing(wanted, facts.live)
    if missing and (facts.is_exiting or _was_just_refused(guard, facts.now)):
        missing = []
    stands = not missing and all(each.is_standing for each in kept) and len(kept) == len(wanted)
    superseded = [
        each
        for each in facts.live
        if each not in kept and _may_be_canceled(each) and (stands or each.side is not side.opposite)
    ]
    return Step(guard=guard, place=missing, cancel=superseded)


def _guard(facts: ProtectionFacts, side: Side) -> Guard:
    """The levels in force now; of a position that turned, or that nobody guarded, new ones."""
    known, position = facts.guard, facts.position
    if known is not None and known.side is side and not _has_moved(known, position.entry_price, facts.rules):
        if facts.mark_price is None:
            return known
        return follow(known, mark_price=facts.mark_price, rules=facts.rules, now=facts.now)
    fresh = open_guard(
        symbol=position.symbol,
        side=side,
        entry_price=position.entry_price,
        regime=facts.regime,
        # A position that no entry of ours made earns no room: as little as the policy's least confidence.
        confidence=facts.policy.confidence_minimum if facts.confidence is None else facts.confidence,
        policy=facts.policy,
        rules=facts.rules,
        now=facts.now,
    )
    return fresh if known is None or known.side is not side else with_more(known, fresh)


def _has_moved(guard: Guard, entry_price: Decimal, rules: SymbolRules) -> bool:
    """Whether the average is another one: by less than a tick no level of it changes."""
    return exactly(entry_price, "-", guard.entry_price).copy_abs() > rules.tick_size


def _why_close(facts: ProtectionFacts, guard: Guard, *, covered: bool) -> str | None:
    if facts.now >= guard.expires_at:
        return HOLDING_TIME_OVER
    if guard.refusal == f"{Leg.STOP}:{WOULD_TRIGGER_AT_ONCE}":
        return STOP_PASSED
    if guard.refusal == f"{Leg.TARGET}:{WOULD_TRIGGER_AT_ONCE}":
        return TARGET_PASSED
    if covered:
        return None
    if facts.mark_price is not None and is_past(guard, facts.mark_price):
        return STOP_PASSED
    since = guard.uncovered_since
    if since is not None and facts.now - since > timedelta(seconds=PROTECT_SECONDS_MAX):
        return UNPROTECTED
    return None


def _was_just_refused(guard: Guard, now: datetime) -> bool:
    return guard.refused_at is not None and now - guard.refused_at < timedelta(seconds=REFUSED_PAUSE_SECONDS)


def _slices(quantity: Decimal, rules: SymbolRules) -> list[Decimal]:
    """The quantity in pieces that one market order may have; what does not fit into the last is left unprotected."""
    largest = rules.market_quantity_maximum
    if largest and rules.step_size:
        largest = floor_to_step(largest, rules.step_size)
    if not largest or quantity <= largest:
        return [quantity]
    pieces: list[Decimal] = []
    left = quantity
    while left > ZERO and len(pieces) < SLICES_MAX:
        pieces.append(min(left, largest))
        left = exactly(left, "-", pieces[-1])
    return pieces


def _missing(wanted: Sequence[NewLeg], live: Sequence[ProtectiveOrder]) -> tuple[list[NewLeg], list[ProtectiveOrder]]:
    """What no live order stands for, and the orders that stand for the rest, one each."""
    free = [each for each in live if each.is_to_stay]
    missing: list[NewLeg] = []
    kept: list[ProtectiveOrder] = []
    for each in wanted:
        fitting = next((order for order in free if _stands_for(order, each)), None)
        if fitting is None:
            missing.append(each)
        else:
            free.remove(fitting)
            kept.append(fitting)
    return missing, kept


def _stands_for(order: ProtectiveOrder, leg: NewLeg) -> bool:
    return (order.leg, order.side, order.quantity, order.trigger_price) == (
        leg.leg,
        leg.side,
        leg.quantity,
        leg.trigger_price,
    )


def _may_be_canceled(order: ProtectiveOrder) -> bool:
    """One whose arrival is not known is asked about first: a cancel that overtakes it would cancel nothing."""
    return order.state is ProtectionState.WORKING and order.cancel_requested_at is None
