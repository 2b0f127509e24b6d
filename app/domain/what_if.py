"""What if: recorded decisions taken again under another policy, and what would have been different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.entry_size import with_size
from app.domain.gates.facts import EntryFacts
from app.domain.gates.rule_book import Judgement, Outcome, judge_entry
from app.domain.gates.verdicts import Verdict
from app.domain.money import ZERO, exactly
from app.domain.policy import Policy
from app.domain.signals import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A decision: what every gate said, what followed, and what would enter the market (zero unless it may).

    `notional` is USDT, as exposure counts it.
    """

    outcome: Outcome
    code: str | None
    verdicts: Sequence[Verdict]
    quantity: Decimal
    notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One decision, as it was recorded and under the other policy."""

    facts: EntryFacts
    before: Taken
    after: Taken

    @property
    def gates_changed(self) -> Sequence[tuple[str, str | None, str | None]]:
        """Each gate that passes now or did before, or denies for another reason: gate, code before, code after."""
        after = {verdict.gate: verdict.code for verdict in self.after.verdicts}
        return [
            (verdict.gate, verdict.code, after[verdict.gate])
            for verdict in self.before.verdicts
            if verdict.code != after[verdict.gate]
        ]

    @property
    def is_changed(self) -> bool:
        """Whether anything that matters is different: what follows, why, or how much."""
        before, after = self.before, self.after
        return (before.outcome, before.code, before.quantity) != (after.outcome, after.code, after.quantity)


def decide_again(facts: EntryFacts, policy: Policy, *, gates: Container[str] | None = None) -> Taken:
    """The decision that these facts lead to under `policy`: sized anew, every gate asked (or those of `gates` alone).

    How old the policy was, and the exposure that earlier decisions had left, stay as they were recorded.
    """
    if facts.policy is None:
        # Nothing was known of any policy: none that is tried now can have been known then.
        return taken(facts, judge_entry(facts, gates=gates))
    under = replace(facts, policy=replace(facts.policy, policy=policy))
    sized = with_size(under)
    return taken(sized, judge_entry(sized, gates=gates))


def taken(facts: EntryFacts, judgement: Judgement) -> Taken:
    """A judgement with what it would send; what an OBSERVATION only watched counts as if it had been sent."""
    enters = judgement.outcome is not Outcome.DENIED
    return Taken(
        outcome=judgement.outcome,
        code=None if judgement.denial is None else judgement.denial.code,
        verdicts=judgement.verdicts,
        quantity=facts.quantity or ZERO if enters else ZERO,
        notional=facts.notional or ZERO if enters else ZERO,
    )


class Entered:
    """What decisions let into the market, in USDT; chases ask again for what their entry had asked for, and are left
    out of the sums."""

    __slots__ = ("bought", "entries", "sold")

    def __init__(self) -> None:
        self.entries = 0
        self.bought = ZERO
        self.sold = ZERO

    @property
    def gross(self) -> Decimal:
        """Both sides."""
        return exactly(self.bought, "+", self.sold)

    @property
    def net(self) -> Decimal:
        """Bought less sold."""
        return exactly(self.bought, "-", self.sold)

    def add(self, facts: EntryFacts, decision: Taken) -> None:
        """Count one decision."""
        if facts.is_chase or decision.outcome is Outcome.DENIED:
            return
        self.entries += 1
        if facts.signal.side is Side.BUY:
            self.bought = exactly(self.bought, "+", decision.notional)
        else:
            self.sold = exactly(self.sold, "+", decision.notional)


class Gate:
    """How often a gate denied, before and after; how often it began and how often it ceased to."""

    __slots__ = ("denied_after", "denied_before", "denies_now", "passes_now")

    def __init__(self) -> None:
        self.denied_before = 0
        self.denied_after = 0
        self.denies_now = 0
        self.passes_now = 0


class Comparison:
    """The sums over many decisions, filled one by one; `symbols` and `gates` are by name."""

    __slots__ = ("after", "before", "changed", "compared", "gates", "outcomes_after", "outcomes_before", "symbols")

    def __init__(self) -> None:
        self.compared = 0
        self.changed = 0
        self.outcomes_before: Counter[Outcome] = Counter()
        self.outcomes_after: Counter[Outcome] = Counter()
        self.gates: dict[str, Gate] = {}
        self.before = Entered()
        self.after = Entered()
        self.symbols: dict[str, tuple[Entered, Entered]] = {}

    def add(self, one: Compared) -> None:
        """Count one decision."""
        self.compared += 1
        self.changed += one.is_changed
        self.outcomes_before[one.before.outcome] += 1
        self.outcomes_after[one.after.outcome] += 1
        for before, after in zip(one.before.verdicts, one.after.verdicts, strict=True):
            gate = self.gates.setdefault(before.gate, Gate())
            gate.denied_before += not before.passed
            gate.denied_after += not after.passed
            gate.denies_now += before.passed and not after.passed
            gate.passes_now += after.passed and not before.passed
        of_symbol = self.symbols.setdefault(one.facts.signal.symbol, (Entered(), Entered()))
        for sums in (self.before, of_symbol[0]):
            sums.add(one.facts, one.before)
        for sums in (self.after, of_symbol[1]):
            sums.add(one.facts, one.after)
