"""The rule book: every gate in order, and the judgement of an entry by all of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.gates import (
    account_age,
    confidence,
    daily_loss,
    duplicate,
    emergency_stop,
    funding_rate,
    gross_exposure,
    liquidity,
    margin,
    market_data_age,
    message_rate,
    net_exposure,
    open_positions,
    policy_age,
    price_collar,
    price_drift,
    regime,
    repeated_execution,
    signal_age,
    size,
    stage,
    symbol_exposure,
    symbol_selection,
    venue_filters,
)
from app.domain.gates.facts import EntryFacts
from app.domain.gates.verdicts import Verdict
from app.domain.policy import Stage


def _stage(facts: EntryFacts) -> Verdict:
    return stage.check_stage(stage=facts.stage)


def _emergency_stop(facts: EntryFacts) -> Verdict:
    return emergency_stop.check_emergency_stop(emergency_stop=facts.emergency_stop)


def _signal_age(facts: EntryFacts) -> Verdict:
    return signal_age.check_signal_age(
        generated_at=facts.signal.generated_at,
        expires_at=facts.signal.expires_at,
        now=facts.now,
        age_seconds_max=facts.limits.signal_age_seconds_max if facts.limits else None,
        attempt_number=facts.attempt_number,
    )


def _policy_age(facts: EntryFacts) -> Verdict:
    return policy_age.check_policy_age(policy=facts.policy, now=facts.now)


def _symbol_selection(facts: EntryFacts) -> Verdict:
    return symbol_selection.check_symbol_selection(
        symbol=facts.signal.symbol,
        rules=facts.rules,
        symbols_denied=facts.limits.symbols_denied if facts.limits else None,
        results=facts.results,
        losses_max=facts.limits.symbol_losses_max if facts.limits else None,
        pause_seconds=facts.limits.symbol_pause_seconds if facts.limits else None,
        now=facts.now,
    )


def _confidence(facts: EntryFacts) -> Verdict:
    return confidence.check_confidence(
        confidence=facts.signal.confidence,
        minimum=facts.limits.confidence_minimum if facts.limits else None,
    )


def _duplicate(facts: EntryFacts) -> Verdict:
    return duplicate.check_duplicate(
        last_same_side_entry_at=facts.last_same_side_entry_at,
        now=facts.now,
        cool_off_seconds=facts.limits.duplicate_cool_off_seconds if facts.limits else None,
        attempt_number=facts.attempt_number,
    )


def _market_data_age(facts: EntryFacts) -> Verdict:
    return market_data_age.check_market_data_age(
        quote=facts.quote,
        now=facts.now,
        age_seconds_max=facts.limits.market_data_age_seconds_max if facts.limits else None,
    )


def _price_collar(facts: EntryFacts) -> Verdict:
    return price_collar.check_price_collar(
        side=facts.signal.side,
        quote=facts.quote,
        # A chase may follow the price; how far from where it began is the drift gate's business.
        signal_reference_price=None if facts.is_chase else facts.signal.reference_price,
        limit_price=facts.limit_price,
        slippage_share_max=facts.limits.slippage_share_max if facts.limits else None,
    )


def _price_drift(facts: EntryFacts) -> Verdict:
    return price_drift.check_price_drift(
        side=facts.signal.side,
        quote=facts.quote,
        limit_price=facts.limit_price,
        first_reference_price=facts.first_reference_price,
        drift_share_max=facts.limits.price_drift_share_max if facts.limits else None,
        attempt_number=facts.attempt_number,
    )


def _liquidity(facts: EntryFacts) -> Verdict:
    return liquidity.check_liquidity(
        side=facts.signal.side,
        quote=facts.quote,
        spread_share_max=facts.limits.spread_share_max if facts.limits else None,
    )


def _funding_rate(facts: EntryFacts) -> Verdict:
    return funding_rate.check_funding_rate(
        funding=facts.funding,
        now=facts.now,
        maximum=facts.limits.funding_rate_share_max if facts.limits else None,
    )


def _regime(facts: EntryFacts) -> Verdict:
    return regime.check_regime(regime=facts.regime, now=facts.now)


def _account_age(facts: EntryFacts) -> Verdict:
    return account_age.check_account_age(
        account=facts.account,
        now=facts.now,
        age_seconds_max=facts.limits.account_age_seconds_max if facts.limits else None,
    )


def _daily_loss(facts: EntryFacts) -> Verdict:
    return daily_loss.check_daily_loss(
        equity=facts.equity,
        start_of_day_equity=facts.start_of_day_equity,
        drawdown_share_max=facts.limits.daily_drawdown_share_max if facts.limits else None,
    )


def _open_positions(facts: EntryFacts) -> Verdict:
    return open_positions.check_open_positions(
        symbol=facts.signal.symbol,
        exposure=facts.exposure,
        maximum=facts.limits.open_positions_max if facts.limits else None,
    )


def _size(facts: EntryFacts) -> Verdict:
    return size.check_size(quantity=facts.quantity, refusal=facts.sizing_refusal)


def _symbol_exposure(facts: EntryFacts) -> Verdict:
    return symbol_exposure.check_symbol_exposure(
        side=facts.signal.side,
        notional=facts.notional,
        exposure=facts.exposure,
        maximum=facts.limits.position_notional_max if facts.limits else None,
    )


def _net_exposure(facts: EntryFacts) -> Verdict:
    return net_exposure.check_net_exposure(
        side=facts.signal.side,
        notional=facts.notional,
        exposure=facts.exposure,
        equity=facts.equity,
        share_max=facts.limits.net_exposure_share_max if facts.limits else None,
    )


def _gross_exposure(facts: EntryFacts) -> Verdict:
    return gross_exposure.check_gross_exposure(
        notional=facts.notional,
        exposure=facts.exposure,
        equity=facts.equity,
        share_max=facts.limits.gross_exposure_share_max if facts.limits else None,
    )


def _message_rate(facts: EntryFacts) -> Verdict:
    return message_rate.check_message_rate(
        entry_attempts_last_minute=facts.entry_attempts_last_minute,
        maximum=facts.limits.orders_per_minute_max if facts.limits else None,
    )


def _repeated_execution(facts: EntryFacts) -> Verdict:
    return repeated_execution.check_repeated_execution(
        use=facts.strategy_use,
        maximum=facts.limits.strategy_executions_max if facts.limits else None,
        window_seconds=facts.limits.strategy_executions_window_seconds if facts.limits else None,
        attempt_number=facts.attempt_number,
    )


def _venue_filters(facts: EntryFacts) -> Verdict:
    return venue_filters.check_venue_filters(
        side=facts.signal.side,
        rules=facts.rules,
        quantity=facts.quantity,
        limit_price=facts.limit_price,
        mark_price=facts.quote.mark_price if facts.quote else None,
    )


def _margin(facts: EntryFacts) -> Verdict:
    return margin.check_margin(
        notional=facts.notional,
        available_balance=facts.account.available_balance if facts.account else None,
        leverage_max=facts.limits.leverage_max if facts.limits else None,
    )


# The order is the order in which a denial is named as the reason: first what stops everything, last what is only about
# this order's size.
RULE_BOOK: tuple[tuple[str, Callable[[EntryFacts], Verdict]], ...] = (
    (stage.GATE, _stage),
    (emergency_stop.GATE, _emergency_stop),
    (signal_age.GATE, _signal_age),
    (policy_age.GATE, _policy_age),
    (symbol_selection.GATE, _symbol_selection),
    (confidence.GATE, _confidence),
    (duplicate.GATE, _duplicate),
    (market_data_age.GATE, _market_data_age),
    (price_collar.GATE, _price_collar),
    (price_drift.GATE, _price_drift),
    (liquidity.GATE, _liquidity),
    (funding_rate.GATE, _funding_rate),
    (regime.GATE, _regime),
    (account_age.GATE, _account_age),
    (daily_loss.GATE, _daily_loss),
    (open_positions.GATE, _open_positions),
    (size.GATE, _size),
    (symbol_exposure.GATE, _symbol_exposure),
    (net_exposure.GATE, _net_exposure),
    (gross_exposure.GATE, _gross_exposure),
    (message_rate.GATE, _message_rate),
    (repeated_execution.GATE, _repeated_execution),
    (venue_filters.GATE, _venue_filters),
    (margin.GATE, _margin),
)


class Outcome(StrEnum):
    """What the rule book decided."""

    APPROVED = "APPROVED"  # to be sent
    OBSERVED = "OBSERVED"  # every gate passed, and the stage sends nothing
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Every gate's verdict in the order of the rule book, the first denial (None: none), and what follows."""

    verdicts: Sequence[Verdict]
    denial: Verdict | None
    outcome: Outcome


def judge_entry(facts: EntryFacts, *, gates: Container[str] | None = None) -> Judgement:
    """Ask every gate, always all of them; the first denial in order is the reason. A missing fact never raises.

    `gates` are those that a recorded decision was taken by: one that came into being later did not judge it.
    """
    verdicts = tuple(judge(facts) for name, judge in RULE_BOOK if gates is None or name in gates)
    denial = next((verdict for verdict in verdicts if not verdict.passed), None)
    if denial is not None:
        outcome = Outcome.DENIED
    elif facts.stage is Stage.OBSERVATION:
        outcome = Outcome.OBSERVED
    else:
        outcome = Outcome.APPROVED
    return Judgement(verdicts=verdicts, denial=denial, outcome=outcome)
