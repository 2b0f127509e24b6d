"""What every admission window does, the one in Redis and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.redis.admission_window import OFFERS_MAX, RedisAdmissionWindow
from app.adapters.redis.client import connect
from app.ports import AdmissionWindow, Offer, OfferResult, OfferVerdict

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MakeWindow = Callable[[int], AdmissionWindow]


@pytest.fixture(params=["redis", "fake"])
def make_window(request: pytest.FixtureRequest) -> Iterator[MakeWindow]:
    """Makes empty windows of a capacity; every call is a new window with nothing in it."""
    if request.param == "fake":
        from tests.fakes.redis import FakeAdmissionWindow

        yield lambda capacity: FakeAdmissionWindow(capacity=capacity)
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    made = 0

    def make(capacity: int) -> AdmissionWindow:
        nonlocal made
        made += 1
        return RedisAdmissionWindow(link, capacity=capacity, prefix=f"test:{{window-{made}}}")

    yield make
    link.close()


def offer(signal_id: str, confidence: str, *, age_us: int = 0, ttl_seconds: float = 30) -> Offer:
    return Offer(
        signal_id=signal_id,
        confidence=Decimal(confidence),
        received_at=NOW - timedelta(microseconds=age_us),
        expires_at=NOW + timedelta(seconds=ttl_seconds),
    )


def verdicts(results: Sequence[OfferResult]) -> list[OfferVerdict]:
    return [result.verdict for result in results]


def test_the_best_come_out_first(make_window: MakeWindow) -> None:
    window = make_window(10)
    window.offer([offer("low", "0.2"), offer("high", "0.9"), offer("middle", "0.5")], now=NOW)
    assert list(window.members()) == ["high", "middle", "low"]
    assert list(window.pop_best(2, now=NOW).signal_ids) == ["high", "middle"]
    assert list(window.pop_best(5, now=NOW).signal_ids) == ["low"]
    assert list(window.pop_best(5, now=NOW).signal_ids) == []


def test_on_a_tie_the_one_received_earlier_is_better_to_the_microsecond(make_window: MakeWindow) -> None:
    window = make_window(10)
    window.offer([offer("younger", "0.7", age_us=1), offer("older", "0.7", age_us=2)], now=NOW)
    assert list(window.members()) == ["older", "younger"]


def test_of_twins_the_one_offered_first_is_better(make_window: MakeWindow) -> None:
    window = make_window(2)
    results = window.offer([offer("zz", "0.7"), offer("mm", "0.7"), offer("aa", "0.7")], now=NOW)
    assert verdicts(results) == [OfferVerdict.QUEUED, OfferVerdict.QUEUED, OfferVerdict.DROPPED]
    assert list(window.members()) == ["zz", "mm"]


def test_confidences_that_differ_in_the_eighteenth_digit_are_told_apart(make_window: MakeWindow) -> None:
    window = make_window(1)
    results = window.offer([offer("a", "0.700000000000000001"), offer("b", "0.700000000000000002")], now=NOW)
    assert results[1] == OfferResult(signal_id="b", verdict=OfferVerdict.REPLACED, evicted="a")


@pytest.mark.parametrize("spelling", ["0.5", "0.50", "5E-1", "0.500000000000000000"])
def test_the_spelling_of_a_confidence_does_not_rank(make_window: MakeWindow, spelling: str) -> None:
    window = make_window(2)
    window.offer([offer("first", "0.5", age_us=1), offer("second", spelling)], now=NOW)
    assert list(window.members()) == ["first", "second"]


def test_a_full_window_evicts_the_worst_for_a_better_one_and_drops_a_worse_one(make_window: MakeWindow) -> None:
    window = make_window(2)
    results = window.offer(
        [offer("a", "0.5"), offer("b", "0.6"), offer("worse", "0.4"), offer("better", "0.7")], now=NOW
    )
    assert list(results) == [
        OfferResult(signal_id="a", verdict=OfferVerdict.QUEUED),
        OfferResult(signal_id="b", verdict=OfferVerdict.QUEUED),
        OfferResult(signal_id="worse", verdict=OfferVerdict.DROPPED),
        OfferResult(signal_id="better", verdict=OfferVerdict.REPLACED, evicted="a"),
    ]
    assert list(window.members()) == ["better", "b"]


def test_offering_an_id_that_is_in_the_window_changes_nothing(make_window: MakeWindow) -> None:
    window = make_window(1)
    window.offer([offer("a", "0.5")], now=NOW)
    before = window.status()
    results = window.offer([offer("a", "0.9"), offer("a", "0.1")], now=NOW)
    assert verdicts(results) == [OfferVerdict.ALREADY_QUEUED] * 2
    assert window.status() == before
    window.offer([offer("b", "0.6")], now=NOW)
    assert list(window.members()) == ["b"]  # it still had its first confidence


def test_what_a_call_queued_or_evicted_counts_for_the_rest_of_it(make_window: MakeWindow) -> None:
    window = make_window(1)
    window.offer([offer("a", "0.5")], now=NOW)
    offered = [offer("b", "0.6"), offer("b", "0.9"), offer("a", "0.7"), offer("b", "0.8"), offer("a", "0.9")]
    assert list(window.offer(offered, now=NOW)) == [
        OfferResult(signal_id="b", verdict=OfferVerdict.REPLACED, evicted="a"),
        OfferResult(signal_id="b", verdict=OfferVerdict.ALREADY_QUEUED),
        OfferResult(signal_id="a", verdict=OfferVerdict.REPLACED, evicted="b"),
        OfferResult(signal_id="b", verdict=OfferVerdict.REPLACED, evicted="a"),
        OfferResult(signal_id="a", verdict=OfferVerdict.REPLACED, evicted="b"),
    ]
    assert list(window.members()) == ["a"]


def test_an_id_may_come_back_after_it_was_popped(make_window: MakeWindow) -> None:
    window = make_window(2)
    window.offer([offer("a", "0.5")], now=NOW)
    window.pop_best(1, now=NOW)
    assert verdicts(window.offer([offer("a", "0.5")], now=NOW)) == [OfferVerdict.QUEUED]


def test_an_offer_past_its_time_is_expired_and_takes_no_place(make_window: MakeWindow) -> None:
    window = make_window(1)
    results = window.offer([offer("late", "0.9", ttl_seconds=0), offer("in time", "0.1")], now=NOW)
    assert verdicts(results) == [OfferVerdict.EXPIRED, OfferVerdict.QUEUED]
    assert list(window.pop_best(5, now=NOW).expired) == []  # its caller was told already


def test_entries_expire_by_the_time_passed_in(make_window: MakeWindow) -> None:
    window = make_window(5)
    window.offer([offer("short", "0.9", ttl_seconds=1), offer("long", "0.1", ttl_seconds=9)], now=NOW)
    just_before = NOW + timedelta(microseconds=999_999)
    assert verdicts(window.offer([offer("short", "0.5")], now=just_before)) == [OfferVerdict.ALREADY_QUEUED]
    popped = window.pop_best(5, now=NOW + timedelta(seconds=1))
    assert (list(popped.signal_ids), list(popped.expired)) == (["long"], ["short"])


def test_what_expired_makes_room_for_an_offer_and_is_told_at_the_next_pop(make_window: MakeWindow) -> None:
    window = make_window(1)
    window.offer([offer("good but old", "0.9", ttl_seconds=1)], now=NOW)
    later = NOW + timedelta(seconds=2)
    assert verdicts(window.offer([offer("new", "0.1")], now=later)) == [OfferVerdict.QUEUED]
    popped = window.pop_best(1, now=later)
    assert (list(popped.signal_ids), list(popped.expired)) == (["new"], ["good but old"])
    assert list(window.pop_best(1, now=later).expired) == []


def test_removed_entries_are_gone_and_unknown_ids_are_ignored(make_window: MakeWindow) -> None:
    window = make_window(5)
    window.offer([offer("a", "0.5"), offer("b", "0.6")], now=NOW)
    window.remove(["b", "never seen"])
    window.remove([])
    assert list(window.members()) == ["a"]
    assert verdicts(window.offer([offer("b", "0.6")], now=NOW)) == [OfferVerdict.QUEUED]


def test_the_counters_tell_what_happened(make_window: MakeWindow) -> None:
    window = make_window(2)
    assert window.status().counters == dict.fromkeys(
        ["received", "queued", "evicted", "dropped", "expired", "dispatched"], 0
    )
    window.offer([offer("a", "0.5"), offer("b", "0.6"), offer("c", "0.7"), offer("d", "0.1")], now=NOW)
    window.offer([offer("e", "0.9", ttl_seconds=-1), offer("b", "0.6")], now=NOW)
    window.pop_best(1, now=NOW)
    window.pop_best(1, now=NOW + timedelta(minutes=5))
    status = window.status()
    assert (status.occupancy, status.capacity) == (0, 2)
    assert status.counters == {
        "received": 5,
        "queued": 3,
        "evicted": 1,
        "dropped": 1,
        "expired": 2,
        "dispatched": 1,
    }


def test_no_offers_are_no_answers(make_window: MakeWindow) -> None:
    assert list(make_window(1).offer([], now=NOW)) == []


def test_a_full_request_is_answered_in_order(make_window: MakeWindow) -> None:
    window = make_window(100)
    offers = [offer(f"s{number}", f"0.{number:03d}") for number in range(OFFERS_MAX)]
    results = window.offer(offers, now=NOW)
    assert [result.signal_id for result in results] == [one.signal_id for one in offers]
    assert list(window.members()) == [f"s{number}" for number in range(499, 399, -1)]


offered = st.tuples(
    st.decimals(min_value=0, max_value=1, places=18) | st.sampled_from([Decimal("0.5"), Decimal(1), Decimal(0)]),
    st.integers(min_value=0, max_value=3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(st.lists(offered, max_size=25), max_size=5), capacity=st.integers(min_value=1, max_value=12))
def test_the_window_holds_what_a_sort_would_keep(
    make_window: MakeWindow, arrivals: list[list[tuple[Decimal, int]]], capacity: int
) -> None:
    window = make_window(capacity)
    offers: list[Offer] = []
    for batch in arrivals:
        first = len(offers)
        made = [
            Offer(
                signal_id=f"{first + index}",
                confidence=confidence,
                received_at=NOW - timedelta(microseconds=age),
                expires_at=NOW + timedelta(minutes=1),
            )
            for index, (confidence, age) in enumerate(batch)
        ]
        results = window.offer(made, now=NOW)
        offers += made
        assert [result.signal_id for result in results] == [one.signal_id for one in made]
    best = sorted(offers, key=lambda one: (-one.confidence, one.received_at))[:capacity]  # a stable sort
    assert list(window.members()) == [one.signal_id for one in best]
    counters = window.status().counters
    assert counters["received"] == len(offers) == counters["queued"] + counters["dropped"]
    assert counters["queued"] - counters["evicted"] == len(best)
    assert list(window.pop_best(capacity, now=NOW).signal_ids) == [one.signal_id for one in best]
