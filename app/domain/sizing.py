"""How much an entry may ask for, at which limit, and what a chase of its remainder may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal, localcontext

from app.domain.exposure import entry_notional
from app.domain.gates import size
from app.domain.gates.deviation import touch_price
from app.domain.gates.verdicts import Verdict, denied
from app.domain.market import Quote, SymbolRules
from app.domain.money import ONE, ZERO, ceil_to_step, exactly, floor_to_step, plain
from app.domain.policy import Policy
from app.domain.signals import Side

SIZE_INPUT_NOT_POSITIVE = "SIZE_INPUT_NOT_POSITIVE"
SIZE_BELOW_VENUE_MINIMUM = "SIZE_BELOW_VENUE_MINIMUM"

# At the policy's minimum confidence an entry risks half of the budget, at certainty all of it.
CONFIDENCE_SCALE_LOWEST = Decimal("0.5")

REMAINDER_ATTEMPTS_MAX = 3  # after the first attempt
REMAINDER_DELAY_SECONDS = Decimal("0.5")  # before the first chase; doubles with every further one
REMAINDER_JITTER_SHARE = Decimal("0.25")  # up to this share of a delay is added, so that chases do not march in step
REMAINDER_BELOW_VENUE_MINIMUM = "REMAINDER_BELOW_VENUE_MINIMUM"
REMAINDER_ATTEMPTS_EXHAUSTED = "REMAINDER_ATTEMPTS_EXHAUSTED"

# Quotients are cut, never rounded up: no digit of a size may exceed what its budget pays for.
_CAUTIOUS = Context(prec=50, rounding=ROUND_DOWN)
# The other way round for a minimum: no digit short of what the venue demands.
_SUFFICIENT = Context(prec=50, rounding=ROUND_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedEntry:
    """A size and where it comes from. Money is USDT; `bound_by` names what kept it from being larger.

    `risk` is what the stop would cost, `risk_budget` what it was allowed to cost after scaling by confidence.
    """

    quantity: Decimal
    notional: Decimal
    risk: Decimal
    risk_budget: Decimal
    confidence_scale: Decimal
    bound_by: str  # risk_budget | position_notional_max | leverage_max | venue_maximum | venue_minimum


def confidence_scale(*, confidence: Decimal, minimum: Decimal) -> Decimal:
    """Share of the risk budget a confidence earns: 0.5 at the policy's minimum and below, linear to 1 at certainty."""
    if confidence >= ONE:
        return ONE
    if confidence <= minimum:
        return CONFIDENCE_SCALE_LOWEST
    with localcontext(_CAUTIOUS):
        progress = (confidence - minimum) / (ONE - minimum)
        return CONFIDENCE_SCALE_LOWEST + (ONE - CONFIDENCE_SCALE_LOWEST) * progress


def size_entry(
    *,
    policy: Policy,
    equity: Decimal,
    limit_price: Decimal,
    mark_price: Decimal,
    confidence: Decimal,
    rules: SymbolRules,
    stop_distance_share: Decimal,
    regime_factor: Decimal = ONE,
) -> SizedEntry | Verdict:
    """The quantity whose loss at the stop equals the risk budget, within every cap, cut down to the symbol's step.

    The budget is equity times risk per trade times size factor times `regime_factor` (what regime and results leave of
    it, at most 1) times `confidence_scale`; prices, equity and caps are USDT, the stop distance a share of the price.
    Caps are held at the dearer of limit and mark, as exposure is counted, and with room for the price to drift as far
    as a chase may follow it.
    A quantity below the venue's minimum is raised to it only if that stays within every cap and within the budget that
    full confidence would have; otherwise a denied `Verdict` of the size gate says what was missing.
    """
    if min(equity, limit_price, mark_price, stop_distance_share) <= ZERO:
        return denied(
            size.GATE,
            SIZE_INPUT_NOT_POSITIVE,
            equity=equity,
            limit=limit_price,
            mark=mark_price,
            stop_distance_share=stop_distance_share,
        )
    scale = confidence_scale(confidence=confidence, minimum=policy.confidence_minimum)
    with localcontext(_CAUTIOUS):
        budget_full = equity * policy.risk_per_trade_share * policy.size_factor * min(regime_factor, ONE)
        budget = budget_full * scale
        price = max(limit_price, mark_price)
        # A chase may pay this much more for the remainder; without the room its own cap would deny it.
        dearest = price * (ONE + policy.price_drift_share_max)
        caps = {
            "position_notional_max": policy.position_notional_max / dearest,
            "leverage_max": equity * policy.leverage_max / dearest,
        }
        if rules.quantity_maximum:
            caps["venue_maximum"] = rules.quantity_maximum
        by_risk = budget / (price * stop_distance_share)
        by_full_risk = budget_full / (price * stop_distance_share)
    bound_by, wanted = min({"risk_budget": by_risk, **caps}.items(), key=lambda item: item[1])
    quantity = _on_quantity_grid(wanted, rules)
    minimum = venue_minimum_quantity(rules, price=limit_price)
    if quantity < minimum:
        largest = min(by_full_risk, *caps.values())
        if minimum > largest:
            return denied(
                size.GATE,
                SIZE_BELOW_VENUE_MINIMUM,
                quantity=quantity,
                minimum_quantity=minimum,
                largest_quantity=_on_quantity_grid(largest, rules),
                limit=limit_price,
                minimum_notional=rules.notional_minimum,
                risk_budget=budget,
                bound_by=bound_by,
            )
        quantity, bound_by = minimum, "venue_minimum"
    notional = entry_notional(quantity=quantity, limit_price=limit_price, mark_price=mark_price)
    return SizedEntry(
        quantity=quantity,
        notional=notional,
        risk=exactly(notional, "*", stop_distance_share),
        risk_budget=budget,
        confidence_scale=scale,
        bound_by=bound_by,
    )


def venue_minimum_quantity(rules: SymbolRules, *, price: Decimal) -> Decimal:
    """The smallest quantity on the symbol's grid that LOT_SIZE and MIN_NOTIONAL take at this price."""
    with localcontext(_SUFFICIENT):
        by_notional = rules.notional_minimum / price
    lowest = max(rules.quantity_minimum, by_notional)
    if not rules.step_size:
        return lowest
    offset = ceil_to_step(exactly(lowest, "-", rules.quantity_minimum), rules.step_size)
    return exactly(rules.quantity_minimum, "+", offset)


def _on_quantity_grid(quantity: Decimal, rules: SymbolRules) -> Decimal:
    """Cut down to the grid that starts at the symbol's minimum; zero below that minimum."""
    if quantity < rules.quantity_minimum:
        return ZERO
    if not rules.step_size:
        return quantity
    offset = floor_to_step(exactly(quantity, "-", rules.quantity_minimum), rules.step_size)
    return exactly(rules.quantity_minimum, "+", offset)


def entry_limit_price(
    *, side: Side, quote: Quote, reference_price: Decimal | None, slippage_share: Decimal, rules: SymbolRules
) -> Decimal:
    """The worst price an entry accepts: the slippage beyond the signal's reference price or beyond the touch,
    whichever is better for us; beyond the touch when the signal gave no price.

    Rounded to the tick towards safety: down to buy, up to sell.
    """
    touch = touch_price(quote, side=side)
    nearer = min if side is Side.BUY else max
    anchor = touch if reference_price is None else nearer(reference_price, touch)
    return _on_tick_grid(_worse_by(anchor, slippage_share, side=side), side=side, rules=rules)


def chase_limit_price(
    *,
    side: Side,
    quote: Quote,
    first_reference_price: Decimal,
    slippage_share: Decimal,
    drift_share: Decimal,
    rules: SymbolRules,
) -> Decimal:
    """The worst price a chase accepts: the slippage beyond today's touch, but never beyond the drift from the first
    reference price. Rounded to the tick towards safety."""
    beyond_touch = _worse_by(touch_price(quote, side=side), slippage_share, side=side)
    beyond_first = _worse_by(first_reference_price, drift_share, side=side)
    worst = min(beyond_touch, beyond_first) if side is Side.BUY else max(beyond_touch, beyond_first)
    return _on_tick_grid(worst, side=side, rules=rules)


def _worse_by(price: Decimal, share: Decimal, *, side: Side) -> Decimal:
    return exactly(price, "*", exactly(ONE, "+", exactly(share, "*", Decimal(side.sign))))


def _on_tick_grid(price: Decimal, *, side: Side, rules: SymbolRules) -> Decimal:
    if not rules.tick_size:
        return price
    to_grid = floor_to_step if side is Side.BUY else ceil_to_step
    offset = to_grid(exactly(price, "-", rules.price_minimum), rules.tick_size)
    return exactly(rules.price_minimum, "+", offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainderAttempt:
    """The next attempt of a chase: how much, and how long to wait before it."""

    quantity: Decimal
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaseEnd:
    """Why nothing more is asked for."""

    code: str
    reason: str


def remainder_attempt(
    *, remaining_quantity: Decimal, chases_made: int, price: Decimal, rules: SymbolRules, jitter: Decimal
) -> RemainderAttempt | ChaseEnd:
    """What a chase may still ask for after `chases_made` earlier ones, or why it ends.

    At most `REMAINDER_ATTEMPTS_MAX` chases, each after its `remainder_delay`. The remainder is cut down to the step and
    never raised: a chase asks for no more than was approved. `price` (USDT) is what the minimum notional is judged at.
    """
    if chases_made >= REMAINDER_ATTEMPTS_MAX:
        return ChaseEnd(
            code=REMAINDER_ATTEMPTS_EXHAUSTED, reason=f"chases={chases_made}, maximum={REMAINDER_ATTEMPTS_MAX}"
        )
    quantity = _on_quantity_grid(remaining_quantity, rules)
    notional = exactly(quantity, "*", price)
    if quantity <= ZERO or notional < rules.notional_minimum:
        return ChaseEnd(
            code=REMAINDER_BELOW_VENUE_MINIMUM,
            reason=(
                f"remaining={plain(remaining_quantity)}, quantity={plain(quantity)}, "
                f"minimum={plain(rules.quantity_minimum)}, notional={plain(notional)}, "
                f"minimum_notional={plain(rules.notional_minimum)}"
            ),
        )
    return RemainderAttempt(quantity=quantity, delay=remainder_delay(chases_made=chases_made, jitter=jitter))


def remainder_delay(*, chases_made: int, jitter: Decimal) -> timedelta:
    """How long to wait before the next chase: half a second, doubling with every chase made, plus up to a quarter.

    `jitter` (0 <= jitter < 1) says how much of that quarter; `ValueError` outside. To the microsecond.
    """
    if not ZERO <= jitter < ONE:
        raise ValueError(f"jitter must lie in [0, 1), not {jitter}")
    seconds = REMAINDER_DELAY_SECONDS * 2**chases_made * (ONE + REMAINDER_JITTER_SHARE * jitter)
    return timedelta(microseconds=int(seconds * 1_000_000))
