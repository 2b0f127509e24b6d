"""Gate: duplicate."""

import pytest

from app.domain.gates.duplicate import check_duplicate
from tests.unit.domain.builders import MICROSECOND, NOW, ago, denies, passes


def test_a_first_entry_passes() -> None:
    assert check_duplicate(last_same_side_entry_at=None, now=NOW, cool_off_seconds=60, attempt_number=1) == passes(
        "duplicate", last_entry_at="none", cool_off_seconds="60"
    )


def test_exactly_the_cool_off_later_passes_and_a_microsecond_earlier_denies() -> None:
    assert check_duplicate(last_same_side_entry_at=ago(60), now=NOW, cool_off_seconds=60, attempt_number=1) == passes(
        "duplicate", last_entry_at="2026-11-22T11:59:00+00:00", elapsed_seconds="60", cool_off_seconds="60"
    )
    assert check_duplicate(
        last_same_side_entry_at=ago(60) + MICROSECOND, now=NOW, cool_off_seconds=60, attempt_number=1
    ) == denies(
        "duplicate",
        "DUPLICATE_WITHIN_COOL_OFF",
        last_entry_at="2026-11-22T11:59:00.000001+00:00",
        elapsed_seconds="59.999999",
        cool_off_seconds="60",
    )


@pytest.mark.parametrize("attempt_number", [2, 3])
def test_a_chase_is_no_duplicate_of_its_own_entry(attempt_number: int) -> None:
    assert check_duplicate(
        last_same_side_entry_at=ago(1), now=NOW, cool_off_seconds=60, attempt_number=attempt_number
    ) == passes("duplicate", attempt_number=str(attempt_number), cool_off_seconds="60")


def test_without_a_policy_there_is_no_cool_off_to_compare_with() -> None:
    assert check_duplicate(last_same_side_entry_at=None, now=NOW, cool_off_seconds=None, attempt_number=1) == denies(
        "duplicate", "POLICY_UNKNOWN", cool_off_seconds="unknown"
    )
