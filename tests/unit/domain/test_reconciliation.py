"""Comparing with the exchange: every difference is seen, and only what lasts while nothing moves is unexplained."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from app.domain.reconciliation import Difference, Pass, at_rest, compare, lasting

D = Decimal


def position(symbol: str, ours: str, theirs: str) -> Difference:
    return Difference(subject=f"position:{symbol}", ours=D(ours), theirs=D(theirs))


def wallet(ours: str, theirs: str) -> Difference:
    return Difference(subject="wallet", ours=D(ours), theirs=D(theirs))


def test_equal_books_differ_in_nothing():
    both = {"BTCUSDT": D("0.5"), "ETHUSDT": D(0)}
    assert (
        compare(our_positions=both, their_positions={"BTCUSDT": D("0.500")}, our_wallet=D(7), their_wallet=D(7)) == []
    )


def test_a_position_that_only_one_side_knows_is_a_difference():
    found = compare(our_positions={"A": D(1)}, their_positions={"B": D(2)}, our_wallet=None, their_wallet=D(9))
    assert found == [position("A", "1", "0"), position("B", "0", "2")]


def test_the_wallet_may_differ_by_the_exchanges_rounding_and_no_more():
    def of(theirs: str):
        return compare(our_positions={}, their_positions={}, our_wallet=D("1"), their_wallet=D(theirs))

    assert of("1.00000001") == []
    assert of("1.000000011") == [wallet("1", "1.000000011")]
    assert of("0.99999998") == [wallet("1", "0.99999998")]


def seen(*differences: Difference) -> Pass:
    return Pass(at=datetime(2026, 11, 22, tzinfo=UTC), differences=list(differences))


def test_what_was_seen_once_does_not_last():
    assert lasting(None, [position("A", "1", "0")]) == []
    assert lasting(seen(), [position("A", "1", "0")]) == []


def test_what_is_seen_again_with_the_same_figures_lasts():
    difference = position("A", "1", "0")
    assert lasting(seen(difference), [difference]) == [difference]
    assert lasting(seen(position("A", "2", "0")), [difference]) == []


def test_what_moves_explains_its_symbol_and_the_wallet_but_no_other_symbol():
    a, b, money = position("A", "1", "0"), position("B", "1", "0"), wallet("1", "2")
    assert at_rest([a, b, money], moving={"A"}) == [b]
    assert at_rest([a, b, money], moving=()) == [a, b, money]
    assert at_rest([a, money], moving={"*"}) == [a]
