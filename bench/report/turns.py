"""Contenders take turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bench.report.rows import Series

ROUNDS_MIN = 3


def in_turn(
    contenders: Mapping[str, Callable[[], float]], *, rounds: int, warm: int = 1, seconds_max: float = float("inf")
) -> dict[str, Series]:
    """A B C A B C: each contender answers its figure of one round; the first `warm` rounds are thrown away.

    On a machine so slow that `seconds_max` have passed it ends with fewer rounds, but with `ROUNDS_MIN` if so many were
    asked for.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.monotonic()
    for number in range(warm + rounds):
        if number >= warm + ROUNDS_MIN and time.monotonic() - began > seconds_max:
            break
        for name, measure in contenders.items():
            figure = measure()
            if number >= warm:
                taken[name].append(figure)
    return {name: Series(name, figures) for name, figures in taken.items()}


def calls_per_second(call: Callable[[], object], calls: int) -> Callable[[], float]:
    """A contender for `in_turn`: how many calls one after the other a second takes."""

    def measure() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            call()
        return calls / (time.perf_counter() - began)

    return measure
