"""The weather all symbols share: a regime that switches, a common factor and market-wide jumps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from app.paper_exchange.market.draws import DRAW_BITS, decision, normal, probability, signed_size, stream
from app.paper_exchange.market.parameters import STEP_MS


class Regime(IntEnum):
    """How nervous the market is."""

    CALM = 0
    NORMAL = 1
    STRESSED = 2


@dataclass(frozen=True, slots=True)
class RegimeTraits:
    """Factors on the normal level, and how often (per hour of market time) something breaks."""

    volatility: float
    spread: float
    depth: float
    volume: float
    jumps_per_hour: float


TRAITS: Final = {
    Regime.CALM: RegimeTraits(volatility=0.5, spread=0.8, depth=1.25, volume=0.6, jumps_per_hour=0.05),
    Regime.NORMAL: RegimeTraits(volatility=1.0, spread=1.0, depth=1.0, volume=1.0, jumps_per_hour=0.25),
    Regime.STRESSED: RegimeTraits(volatility=2.8, spread=6.0, depth=0.4, volume=3.0, jumps_per_hour=4.0),
}
# (from, to): mean minutes until this change. Stress is short and cools down through normal more often than not.
MEAN_MINUTES: Final = {
    (Regime.CALM, Regime.NORMAL): 25.0,
    (Regime.CALM, Regime.STRESSED): 400.0,
    (Regime.NORMAL, Regime.CALM): 40.0,
    (Regime.NORMAL, Regime.STRESSED): 90.0,
    (Regime.STRESSED, Regime.NORMAL): 9.0,
    (Regime.STRESSED, Regime.CALM): 60.0,
}
# A market-wide jump moves a symbol that follows the market fully by at most this fraction.
COMMON_JUMP_MAX: Final = 0.008
STEPS_PER_HOUR: Final = 3_600_000 // STEP_MS


def _leaving_thresholds(regime: Regime) -> tuple[tuple[int, Regime], ...]:
    """Cumulative thresholds of one step, to be compared with a decision."""
    thresholds: list[tuple[int, Regime]] = []
    reached = 0.0
    for (origin, target), minutes in MEAN_MINUTES.items():
        if origin is regime:
            reached += STEP_MS / (minutes * 60_000.0)
            thresholds.append((probability(reached), target))
    return tuple(thresholds)


_LEAVING: Final = {regime: _leaving_thresholds(regime) for regime in Regime}
_JUMP: Final = {regime: probability(traits.jumps_per_hour / STEPS_PER_HOUR) for regime, traits in TRAITS.items()}


class Environment:
    """State of the shared weather after the latest step."""

    __slots__ = ("_bits", "common", "jump", "regime", "traits")

    def __init__(self, seed: int) -> None:
        self._bits = stream(seed, "environment").getrandbits
        self.regime = Regime.NORMAL
        self.traits = TRAITS[Regime.NORMAL]
        self.common = 0.0
        self.jump = 0.0

    def step(self) -> None:
        """Draw the common move of the next step and decide whether the regime changes or the market jumps."""
        draw = self._bits(DRAW_BITS)
        self.common = normal(draw)
        self.jump = 0.0
        roll = decision(draw)
        for threshold, target in _LEAVING[self.regime]:
            if roll < threshold:
                self.regime, self.traits = target, TRAITS[target]
                return
        # The top of the same roll decides on a jump: a change of regime and a jump never share a step.
        if roll > 0xFFFF_FFFF - _JUMP[self.regime]:
            self.jump = signed_size(draw) * COMMON_JUMP_MAX
