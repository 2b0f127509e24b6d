"""A few trips of the long proof: sixteen workers under a flood, things dying, and nothing that enters afterwards."""

from __future__ import annotations

import pytest

from bench.stop_cases import Kind, case_of
from bench.stop_proof import prove

pytestmark = [pytest.mark.timeout(400)]

# A slow exchange, a worker frozen in mid-send, Postgres killed; two of them closing every position.
SEED, CASES = 250, range(3)


@pytest.mark.long
def test_after_an_acknowledged_trip_nothing_enters_whatever_is_broken() -> None:
    proof = prove(seed=SEED, numbers=CASES, per_second=15.0, with_restart=False, keep=False, tell=print)
    assert (proof.problem, proof.broken) == (None, {})
    assert [trip.late + trip.not_flat for trip in proof.trips] == [[]] * len(CASES)
    assert {each.name: each.violations for each in proof.promises if not each.holds} == {}
    frozen = next(trip for trip in proof.trips if trip.case.kind is Kind.FROZEN_MID_SEND)
    assert frozen.mid_send is not None  # it really held an attempt while the stop was acknowledged


def test_a_case_is_the_same_whatever_ran_before_and_every_kind_comes_in_twenty() -> None:
    assert case_of(7, 45) == case_of(7, 45) != case_of(8, 45)
    assert {case_of(7, number).kind for number in range(40, 60)} == set(Kind)
