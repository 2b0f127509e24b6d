"""The throttle of repeated executions: how often a strategy was applied, and who has to let it go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyThrottle:
    """A strategy that was disabled at least once; it is while `disabled_at` is set.

    `symbol`, `executions`, `maximum` and `window_seconds` tell of the last time: what it was disabled for.
    `enabled_at`, `enabled_by` and `enabled_because` tell of the person who let it go on.
    """

    strategy: str
    disabled_at: datetime | None
    symbol: str
    executions: int
    maximum: int
    window_seconds: int
    times_disabled: int = 1
    enabled_at: datetime | None = None
    enabled_by: str | None = None
    enabled_because: str | None = None

    def disabled_again(self, fresh: StrategyThrottle) -> StrategyThrottle:
        """As `fresh`, with what is remembered of the times before."""
        return replace(
            fresh,
            times_disabled=self.times_disabled + 1,
            enabled_at=self.enabled_at,
            enabled_by=self.enabled_by,
            enabled_because=self.enabled_because,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyUse:
    """What the throttle judges an entry by: how often its strategy was executed in its symbol within the policy's
    window, since a person last let it go on; and since when it is disabled (None: it is not)."""

    executions: int
    disabled_at: datetime | None
