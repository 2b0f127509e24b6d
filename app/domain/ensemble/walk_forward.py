"""Walk-forward validation: learn from the past, be tested on what follows, move on; nothing ever looks ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.ensemble.samples import Samples
from app.domain.ensemble.series import Booleans

FOLDS = 5  # the last is the holdout: it tests the very model that will serve
LEARN_FIRST_SHARE = 0.4  # of the samples, before the first test


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Learn from what was known at `from_ms`, be tested on moments in [from_ms, until_ms)."""

    number: int
    from_ms: int
    until_ms: int

    def to_learn(self, samples: Samples) -> Booleans:
        """Moments whose outcome had come before the test begins: a horizon that reaches into it would leak."""
        return samples.known_ms <= self.from_ms

    def to_test(self, samples: Samples) -> Booleans:
        return (samples.at_ms >= self.from_ms) & (samples.at_ms < self.until_ms)


def folds_of(samples: Samples) -> Iterator[Fold]:
    """`FOLDS` tests one after another, with as many samples each, over what follows the first 40 %.

    By samples, not by time: a recording may have gaps of days. A moment that many symbols share is never split.
    """
    count = len(samples)
    first = round(count * LEARN_FIRST_SHARE)
    starts = [first + (count - first) * number // FOLDS for number in range(FOLDS)]
    edges = [*(int(samples.at_ms[start]) for start in starts), int(samples.at_ms[-1]) + 1]
    for number in range(FOLDS):
        yield Fold(number=number, from_ms=edges[number], until_ms=edges[number + 1])
