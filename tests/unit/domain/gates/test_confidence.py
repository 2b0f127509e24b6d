"""Gate: confidence."""

from app.domain.gates.confidence import check_confidence
from tests.unit.domain.builders import D, denies, passes


def test_exactly_the_minimum_passes() -> None:
    assert check_confidence(confidence=D("0.50"), minimum=D("0.5")) == passes(
        "confidence", confidence="0.5", minimum="0.5"
    )


def test_one_unit_below_the_minimum_denies() -> None:
    assert check_confidence(confidence=D("0.499999999999999999999999999999999"), minimum=D("0.5")) == denies(
        "confidence",
        "CONFIDENCE_BELOW_MINIMUM",
        confidence="0.499999999999999999999999999999999",
        minimum="0.5",
    )


def test_without_a_policy_there_is_no_minimum_to_pass() -> None:
    assert check_confidence(confidence=D("1"), minimum=None) == denies(
        "confidence", "POLICY_UNKNOWN", confidence="1", minimum="unknown"
    )
