"""Gate: size."""

import pytest

from app.domain.gates.size import check_size
from tests.unit.domain.builders import D, denies, passes


def test_a_positive_quantity_passes() -> None:
    assert check_size(quantity=D("0.001"), refusal=None) == passes("size", quantity="0.001")


def test_sizings_own_refusal_is_the_reason() -> None:
    refusal = denies("sizing", "SIZE_BELOW_VENUE_MINIMUM", quantity="0", minimum="5")
    assert check_size(quantity=None, refusal=refusal) == denies(
        "size", "SIZE_BELOW_VENUE_MINIMUM", quantity="0", minimum="5"
    )
    assert check_size(quantity=D("1"), refusal=refusal).code == "SIZE_BELOW_VENUE_MINIMUM"


def test_a_refusal_that_names_no_code_still_denies() -> None:
    assert check_size(quantity=D("1"), refusal=passes("sizing")) == denies("size", "SIZE_UNKNOWN")


def test_an_unknown_quantity_denies() -> None:
    assert check_size(quantity=None, refusal=None) == denies("size", "SIZE_UNKNOWN", quantity="unknown")


@pytest.mark.parametrize("quantity", ["0", "-0.001"])
def test_nothing_and_less_than_nothing_deny(quantity: str) -> None:
    assert check_size(quantity=D(quantity), refusal=None) == denies("size", "SIZE_NOT_POSITIVE", quantity=quantity)
