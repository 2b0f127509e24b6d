"""How each symbol of the model behaves: where it starts, how it moves with the market, how deep its book is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# The market moves in steps of this much market time, so that the path does not depend on how often it is advanced.
STEP_MS: Final = 250
STEPS_PER_MINUTE: Final = 60_000 // STEP_MS


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """Binary floats are right here: they describe random motion; prices become Decimal when they are rounded to tick.

    `correlation` is the loading on the common factor, `touch_notional` the usual size of the best level and
    `minute_notional` the usual turnover of a minute, both in quote; `spread_fraction` is relative to the price.
    """

    reference_price: float
    annual_volatility: float
    correlation: float
    touch_notional: float
    minute_notional: float
    spread_fraction: float
    funding_interval_hours: int = 8
    # How often a funding period is a hot one. The deepest markets are arbitraged before that: at the venue their rate
    # has stayed within a few hundredths of a percent for years, and a paper market that bars them teaches nothing.
    funding_hot_share: float = 0.04


MODEL_PARAMETERS: Final[Mapping[str, ModelParameters]] = MappingProxyType(
    {
        "BTCUSDT": ModelParameters(90_150.9, 0.45, 0.90, 14_000, 6_000_000, 0.000002, funding_hot_share=0.0),
        "ETHUSDT": ModelParameters(3_105.97, 0.65, 0.88, 10_000, 4_000_000, 0.000005, funding_hot_share=0.0),
        "BNBUSDT": ModelParameters(895.48, 0.60, 0.75, 6_000, 400_000, 0.00002, funding_hot_share=0.0),
        "SOLUSDT": ModelParameters(132.34, 0.80, 0.82, 7_000, 900_000, 0.00008, funding_hot_share=0.0),
        "XRPUSDT": ModelParameters(2.0200, 0.80, 0.78, 7_000, 700_000, 0.00006, funding_hot_share=0.0),
        "ADAUSDT": ModelParameters(0.4109, 0.90, 0.76, 5_000, 120_000, 0.0002),
        "DOGEUSDT": ModelParameters(0.13918, 0.95, 0.78, 6_000, 300_000, 0.00009),
        "AVAXUSDT": ModelParameters(13.352, 0.95, 0.76, 4_500, 120_000, 0.00012),
        "LINKUSDT": ModelParameters(13.730, 0.90, 0.76, 4_500, 100_000, 0.00012),
        "SUIUSDT": ModelParameters(1.6072, 1.05, 0.74, 4_500, 140_000, 0.00012),
        "NEARUSDT": ModelParameters(1.657, 1.00, 0.72, 4_000, 60_000, 0.0005, 4),
        "UNIUSDT": ModelParameters(5.444, 1.00, 0.70, 4_000, 50_000, 0.00025),
        "ARBUSDT": ModelParameters(0.2148, 1.05, 0.72, 4_000, 50_000, 0.0004),
        "HBARUSDT": ModelParameters(0.12249, 1.05, 0.68, 4_000, 50_000, 0.00012, 4),
        "ALGOUSDT": ModelParameters(0.1225, 1.00, 0.68, 4_000, 30_000, 0.0006),
        "APTUSDT": ModelParameters(1.645, 1.05, 0.70, 4_000, 40_000, 0.0005),
        "LTCUSDT": ModelParameters(79.80, 0.75, 0.68, 4_500, 80_000, 0.00012),
        "DOTUSDT": ModelParameters(1.985, 0.90, 0.74, 4_000, 50_000, 0.0004),
        "TRXUSDT": ModelParameters(0.27600, 0.45, 0.45, 5_000, 60_000, 0.00005),
        "OPUSDT": ModelParameters(0.3127, 1.10, 0.70, 4_000, 40_000, 0.0002, 4),
    }
)
"""Parameters of every symbol of the catalogue; prices are those of December 2025."""
