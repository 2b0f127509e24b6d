"""Every trigger in order, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.triggers.daily_drawdown import read_daily_drawdown
from app.domain.triggers.execution_errors import read_execution_errors
from app.domain.triggers.facts import WatchFacts
from app.domain.triggers.ledger_mismatch import read_ledger_mismatch
from app.domain.triggers.open_loss import read_open_loss
from app.domain.triggers.readings import Reading, Sight
from app.domain.triggers.repeated_rejections import read_repeated_rejections
from app.domain.triggers.stale_market import read_stale_market
from app.domain.triggers.unknown_attempts import read_unknown_attempts


def read_triggers(facts: WatchFacts) -> Sequence[Reading]:
    """Every trigger's reading, always all of them; a missing fact never raises."""
    policy, now = facts.policy, facts.now
    return (
        read_daily_drawdown(
            account=facts.account, start_of_day_equity=facts.start_of_day_equity, policy=policy, now=now
        ),
        read_open_loss(account=facts.account, policy=policy, now=now),
        read_execution_errors(troubled_attempts=facts.troubled_attempts, policy=policy),
        read_unknown_attempts(open_attempts=facts.open_attempts, policy=policy, now=now),
        read_ledger_mismatch(differences=facts.differences, reconciled_at=facts.reconciled_at, now=now),
        read_stale_market(held=facts.held, policy=policy, now=now),
        read_repeated_rejections(newest_ended_entries=facts.newest_ended_entries, policy=policy),
    )


def fired(readings: Sequence[Reading]) -> Sequence[Reading]:
    """Those that are a reason to stop."""
    return [each for each in readings if each.sight is Sight.FIRED]


def unhealthy(readings: Sequence[Reading]) -> Sequence[Reading]:
    """Those that keep a stop from being armed again: fired, or not known."""
    return [each for each in readings if each.sight is not Sight.CLEAR]
