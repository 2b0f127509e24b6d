"""Comparing what the exchange says with all that our books may have been at the moment it spoke of.

An answer of the exchange belongs to a moment that nobody knows exactly: while a symbol trades, our books move on before
the answer is here, and may lag behind it. What is known is a stretch: whatever was traded up to `Reading.since` is in
the answer, whatever was traded after it came is not. So an answer is right if our books had that figure after some
trade of the stretch, and wrong only if they never had it. Nothing has to be quiet for that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.money import ZERO, exactly

WALLET = "wallet"
# The exchange rounds balances to eight decimals; a position must agree to the last digit.
WALLET_TOLERANCE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure that is not the same here and there; `subject` is a symbol's position or the wallet."""

    subject: str  # position:SYMBOL or wallet
    ours: Decimal  # when it was compared
    theirs: Decimal
    since: int = 0  # of the reading that differs

    @property
    def symbol(self) -> str | None:
        """The symbol of a position's difference."""
        return symbol_of(self.subject)

    @property
    def reading(self) -> Reading:
        """What the exchange said, to be compared once more with books that know more."""
        return Reading(subject=self.subject, theirs=self.theirs, since=self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A figure as the exchange told it. `since` is the last trade (of the wallet: the last line of the books) that the
    exchange had certainly counted when it answered; 0 when nothing is certain."""

    subject: str
    theirs: Decimal
    since: int

    @property
    def symbol(self) -> str | None:
        """The symbol of a position's reading."""
        return symbol_of(self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One look at both books: when, and which answers our books could not explain."""

    at: datetime
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMark:
    """A position of ours, and the newest trade of it that any answer of the exchange from now on has counted."""

    quantity: Decimal
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A figure of our books: now, and every stretch (lowest, highest) that it went through since some moment."""

    now: Decimal
    spans: Sequence[tuple[Decimal, Decimal]]

    def explains(self, theirs: Decimal, *, tolerance: Decimal = ZERO) -> bool:
        """Whether it was ever what the exchange says."""
        return any(low - tolerance <= theirs <= high + tolerance for low, high in self.spans)

    def offsets(self, theirs: Decimal) -> Sequence[tuple[Decimal, Decimal]]:
        """By how much our books may be wrong if the exchange is right, as stretches in ascending order."""
        return sorted((exactly(theirs, "-", high), exactly(theirs, "-", low)) for low, high in self.spans)


def symbol_of(subject: str) -> str | None:
    """The symbol in `position:SYMBOL`."""
    kind, _, symbol = subject.partition(":")
    return symbol if kind == "position" else None


def position_course(quantity: Decimal, *, newest_first: Sequence[Decimal]) -> Course:
    """What a position was after each of its newest trades. `newest_first` are their signed quantities.

    One symbol's trades have an order, so it had exactly these figures and none between them.
    """
    held, figures = quantity, {quantity}
    for change in newest_first:
        held = exactly(held, "-", change)
        figures.add(held)
    return Course(now=quantity, spans=[(each, each) for each in sorted(figures)])


def wallet_course(balance: Decimal, *, gained: Decimal, lost: Decimal) -> Course:
    """What the wallet may have been while it `gained` (0 or more) and `lost` (0 or less) by its newest lines.

    Trades of different symbols have no order that both sides would have to agree on: any part of them may have come
    first, so all that is known is how far down and up the balance can have been.
    """
    before = exactly(exactly(balance, "-", gained), "-", lost)
    return Course(now=balance, spans=[(exactly(before, "+", lost), exactly(before, "+", gained))])


def tolerance_of(subject: str) -> Decimal:
    """How far apart two figures may be and still be the same."""
    return WALLET_TOLERANCE if subject == WALLET else ZERO


def compare(reading: Reading, course: Course) -> Difference | None:
    """The difference, if our books never had that figure since then."""
    if course.explains(reading.theirs, tolerance=tolerance_of(reading.subject)):
        return None
    return Difference(subject=reading.subject, ours=course.now, theirs=reading.theirs, since=reading.since)


def have_one_cause(
    earlier: Sequence[tuple[Decimal, Decimal]], later: Sequence[tuple[Decimal, Decimal]], *, tolerance: Decimal
) -> bool:
    """Whether books that are wrong by one and the same amount explain both readings. Stretches in ascending order."""
    one, other = 0, 0
    while one < len(earlier) and other < len(later):
        (low, high), (lowest, highest) = earlier[one], later[other]
        if low - tolerance <= highest and lowest - tolerance <= high:
            return True
        if high < highest:
            one += 1
        else:
            other += 1
    return False


def lasting(
    confirmed: Sequence[tuple[Difference, Course]],
    current: Sequence[tuple[Difference, Course]],
    *,
    unsettled: Collection[str],
) -> Sequence[Difference]:
    """Differences of now that nothing explains.

    `confirmed` are those of the pass before, compared once more with books that meanwhile know every trade up to that
    answer. `unsettled` are symbols of which the exchange has not told all that it did before that pass: an attempt of
    then without an answer, an execution of then without its trades. They explain themselves, and the wallet.
    """
    before = {difference.subject: course.offsets(difference.theirs) for difference, course in confirmed}
    found = []
    for difference, course in current:
        explained = bool(unsettled) if difference.symbol is None else difference.symbol in unsettled
        offsets = before.get(difference.subject)
        if explained or offsets is None:
            continue
        if have_one_cause(offsets, course.offsets(difference.theirs), tolerance=tolerance_of(difference.subject)):
            found.append(difference)
    return found
