"""The resting orders of everybody else: a finite ladder around the price that empties when taken and refills."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Final

from app.paper_exchange.market.draws import NOISE_MASK
from app.paper_exchange.market.interface import BOOK_LEVELS_MAX, Side

# What is taken comes back by a quarter of the rest each step of 250 ms: half in 0.6 s, 90 % in 2 s, 97 % in 3 s.
_REFILL_NUMERATOR: Final = 3
_REFILL_DENOMINATOR: Final = 4
# The ladder ends this far from the touch; beyond it nobody quotes.
_LADDER_FRACTION: Final = 0.10
# (up to this distance in ticks, grid in ticks, factor on the size): close to the touch every tick is quoted, far away
# only round prices are, and more is resting on each.
_GRIDS: Final = tuple(
    (reach, grid, sqrt(grid)) for reach, grid in ((40, 1), (400, 5), (4_000, 25), (40_000, 125), (400_000, 1_250))
)
# Size of a level in touches: drops behind the touch, then grows with the distance in basis points up to a bound.
_BEHIND_TOUCH: Final = 0.6
_GROWTH_PER_BASIS_POINT: Final = 0.12
_GROWTH_MAX: Final = 6.0


class Ladder:
    """Quantities are whole lot steps, prices whole ticks: nothing here can be off tick or off step."""

    __slots__ = ("_noise", "_taken", "ask", "bid", "touch_steps", "update_id")

    def __init__(self, *, noise: tuple[float, ...], bid: int, ask: int, touch_steps: float) -> None:
        self._noise = noise
        self._taken: dict[tuple[Side, int], int] = {}
        self.bid = bid
        self.ask = ask
        self.touch_steps = touch_steps
        self.update_id = 1

    def refill(self) -> None:
        """Give back a part of what was taken; called once a step."""
        if not self._taken:
            return
        remaining = {
            key: left
            for key, steps in self._taken.items()
            if (left := steps * _REFILL_NUMERATOR // _REFILL_DENOMINATOR) > 0
        }
        self._taken = remaining

    def levels(self, side: Side, epoch: int) -> Iterator[tuple[int, int]]:
        """Yield (price in ticks, quantity in steps) that a taker of `side` meets, best first, empty levels left out."""
        best, direction = (self.ask, 1) if side == "BUY" else (self.bid, -1)
        basis_points_per_tick = 10_000.0 / best
        end = max(int(best * _LADDER_FRACTION), 1)
        taken, noise, touch = self._taken, self._noise, self.touch_steps
        distance, grid_index, count = 0, 0, 0
        reach, grid, weight = _GRIDS[0]
        while distance <= end and count < BOOK_LEVELS_MAX:
            tick = best + direction * distance
            if tick < 1:
                return
            size = touch * weight
            if distance:
                growth = _BEHIND_TOUCH + distance * basis_points_per_tick * _GROWTH_PER_BASIS_POINT
                size *= growth if growth < _GROWTH_MAX else _GROWTH_MAX
            # Each level changes its size every two seconds of market time, not all of them at once.
            slot = (tick * 2_654_435_761 + ((epoch + tick * 5) >> 3) * 40_503 + direction) >> 3
            steps = int(size * noise[slot & NOISE_MASK]) or 1
            if taken:
                steps -= taken.get((side, tick), 0)
            if steps > 0:
                count += 1
                yield tick, steps
            distance += 1
            if distance >= reach and grid_index + 1 < len(_GRIDS):
                grid_index += 1
                reach, grid, weight = _GRIDS[grid_index]
            if grid > 1:
                # Round prices stay where they are while the touch moves, so what was taken there stays taken.
                remainder = (best + direction * distance) % grid
                distance += (grid - remainder) % grid if direction > 0 else remainder

    def take(self, side: Side, steps: int, limit_tick: int | None, epoch: int) -> list[tuple[int, int]]:
        """Remove up to `steps` from the levels a taker meets and return what was removed, level by level."""
        fills: list[tuple[int, int]] = []
        left = steps
        for tick, available in self.levels(side, epoch):
            if left == 0:
                break
            if limit_tick is not None and (tick > limit_tick if side == "BUY" else tick < limit_tick):
                break
            amount = min(available, left)
            fills.append((tick, amount))
            left -= amount
        for tick, amount in fills:
            self._taken[side, tick] = self._taken.get((side, tick), 0) + amount
        if fills:
            self.update_id += 1
        return fills
