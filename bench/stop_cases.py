"""Which trip comes with which fault: cases drawn from a seed, each by its own number, so that any can be run again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong while the stop is tripped."""

    NOTHING = "nothing"
    SLOW_EXCHANGE = "exchange slow"  # entries are on the wire, or in the exchange's own queue
    REDIS_DEAD = "Redis dead"  # from before the trip until after its acknowledgement
    POSTGRES_DEAD = "Postgres dead"  # killed around the trip and held down for seconds
    FROZEN_MID_SEND = "worker frozen in mid-send"  # between the durable attempt and the wire
    FROZEN = "worker frozen"  # wherever it was
    RESTART = "restart of everything"  # all processes killed after the trip


# Out of twenty cases in a row; their order within the twenty is drawn.
SHARES: Mapping[Kind, int] = {
    Kind.NOTHING: 5,
    Kind.SLOW_EXCHANGE: 4,
    Kind.REDIS_DEAD: 3,
    Kind.POSTGRES_DEAD: 3,
    Kind.FROZEN_MID_SEND: 2,
    Kind.FROZEN: 2,
    Kind.RESTART: 1,
}
BLOCK = sum(SHARES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One trip. `flow_seconds`: how long entries flow before it. `lead_seconds`: the fault before the trip (or after,
    when negative). `held_seconds`: how long a server stays down. `draw` chooses among what the kind has."""

    number: int
    kind: Kind
    flatten: bool
    flow_seconds: float
    lead_seconds: float
    held_seconds: float
    draw: int


def case_of(seed: int, number: int, *, with_restart: bool = True) -> Case:
    """The case of that number; the same seed and number give the same one, whatever ran before."""
    deck = [kind for kind, share in SHARES.items() for _ in range(share)]
    random.Random(f"stop deck {seed} {number // BLOCK}").shuffle(deck)
    kind = deck[number % BLOCK]
    generator = random.Random(f"stop case {seed} {number}")
    return Case(
        number=number,
        kind=Kind.NOTHING if kind is Kind.RESTART and not with_restart else kind,
        flatten=generator.random() < 0.5,
        flow_seconds=round(generator.uniform(0.2, 1.5), 3),
        lead_seconds=round(generator.uniform(-0.3, 0.6), 3),
        held_seconds=round(generator.uniform(0.5, 3.0), 3),
        draw=generator.randrange(2**31),
    )
