"""Where a symbol's price goes: the seeded model, one step of market time after the other."""

from __future__ import annotations

from math import sqrt
from typing import Final, Protocol

from app.paper_exchange.market.draws import DRAW_BITS, decision, normal, probability, signed_size, stream
from app.paper_exchange.market.environment import STEPS_PER_HOUR, Environment
from app.paper_exchange.market.parameters import STEP_MS, STEPS_PER_MINUTE, ModelParameters

_STEPS_PER_YEAR: Final = 365 * 86_400_000 // STEP_MS
# A jump of the symbol's own about every six hours, at most this many times its volatility of an hour.
_OWN_JUMP: Final = probability(1.0 / (6 * STEPS_PER_HOUR))
_OWN_JUMP_HOURLY_DEVIATIONS: Final = 2.5
# Pulls towards the start with a time constant of four days, so that a market left alone for weeks stays plausible.
_PULL: Final = STEP_MS / (4 * 86_400_000.0)


class PricePath(Protocol):
    """A price in ticks (not yet rounded) and how wide and deep the book around it is; factors on the usual level."""

    price_ticks: float
    volume_steps: float
    spread: float
    depth: float

    def step(self, environment: Environment) -> float:
        """Move on by one step and return the new price in ticks."""


class SeededPath:
    """Geometric random walk: common factor, own noise, jumps; volatility follows the regime."""

    __slots__ = (
        "_bits",
        "_common_loading",
        "_deviation",
        "_inverse_reference",
        "_jump_loading",
        "_own_jump",
        "_own_loading",
        "_usual_volume",
        "depth",
        "price_ticks",
        "spread",
        "volume_steps",
    )

    def __init__(
        self, *, seed: int, symbol: str, parameters: ModelParameters, price_tick: float, quantity_step: float
    ) -> None:
        self._bits = stream(seed, symbol, "path").getrandbits
        self.price_ticks = float(round(parameters.reference_price / price_tick))
        self._inverse_reference = 1.0 / self.price_ticks
        self._deviation = parameters.annual_volatility / sqrt(_STEPS_PER_YEAR)
        self._common_loading = self._deviation * parameters.correlation
        self._own_loading = self._deviation * sqrt(1.0 - parameters.correlation * parameters.correlation)
        self._jump_loading = parameters.correlation * parameters.annual_volatility / 0.5
        self._own_jump = self._deviation * sqrt(STEPS_PER_HOUR) * _OWN_JUMP_HOURLY_DEVIATIONS
        usual_notional = parameters.minute_notional / STEPS_PER_MINUTE
        self._usual_volume = usual_notional / (parameters.reference_price * quantity_step)
        self.volume_steps = self._usual_volume
        self.spread = 1.0
        self.depth = 1.0

    def step(self, environment: Environment) -> float:
        """Move on by one step and return the new price in ticks."""
        draw = self._bits(DRAW_BITS)
        traits = environment.traits
        own = normal(draw)
        change = traits.volatility * (self._common_loading * environment.common + self._own_loading * own)
        change += self._jump_loading * environment.jump
        if decision(draw) < _OWN_JUMP:
            change += signed_size(draw) * self._own_jump
        price = self.price_ticks
        price *= 1.0 + change - _PULL * (price * self._inverse_reference - 1.0)
        self.price_ticks = price
        # People trade when the price moves.
        self.volume_steps = self._usual_volume * traits.volume * (0.4 + 0.75 * (own if own > 0.0 else -own))
        self.spread = traits.spread
        self.depth = traits.depth
        return price
