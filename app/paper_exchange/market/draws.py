"""Random numbers that are the same on every machine.

Only integer operations and the correctly rounded + - * / and square root are used: the transcendental functions
behind random.gauss differ between C libraries in the last bit, and one bit is enough to round to another tick.
"""

from __future__ import annotations

from math import sqrt
from random import Random
from typing import Final

# A draw is one integer: 192 bits whose population count is nearly normal, 16 bits that fill the gaps of that lattice,
# 32 bits that decide and 32 that size an event.
DRAW_BITS: Final = 192 + 16 + 32 + 32
_COUNT_MASK: Final = (1 << 192) - 1
_UNIT_16: Final = 1.0 / (1 << 16)
# One over the standard deviation of 192 fair bits.
_SCALE: Final = 1.0 / sqrt(48.0)
_MASK_32: Final = (1 << 32) - 1
UNIT_32: Final = 1.0 / (1 << 32)

NOISE_SIZE: Final = 4_096
NOISE_MASK: Final = NOISE_SIZE - 1


def stream(*parts: object) -> Random:
    """Give the generator that belongs to these parts (seed, symbol, purpose), whatever else was drawn before."""
    # A string seed goes through SHA-512, so neither hash randomisation nor the platform's word size matters.
    return Random("/".join(str(part) for part in parts))


def normal(draw: int) -> float:
    """Standard normal to within 0.1 % of variance; bounded by +-13.9."""
    return ((draw & _COUNT_MASK).bit_count() - 96 + ((draw >> 192) & 0xFFFF) * _UNIT_16 - 0.5) * _SCALE


def decision(draw: int) -> int:
    """Uniform integer in [0, 2**32), independent of normal()."""
    return (draw >> 208) & _MASK_32


def signed_size(draw: int) -> float:
    """Uniform in (-1, 1), independent of normal() and decision()."""
    return ((draw >> 240) & _MASK_32) * UNIT_32 * 2.0 - 1.0


def probability(value: float) -> int:
    """Turn a probability into the threshold that decision() is compared with."""
    return int(value * (1 << 32))


def noise_table(generator: Random, low: float, high: float) -> tuple[float, ...]:
    """Factors between low and high that are looked up by a hash of price and time instead of being drawn."""
    return tuple(low + (high - low) * generator.random() for _ in range(NOISE_SIZE))
