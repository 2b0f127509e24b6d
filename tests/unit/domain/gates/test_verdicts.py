"""Verdicts say what they saw as text that a person and a JSON column can hold."""

from app.domain.gates.ages import age_seconds
from app.domain.gates.verdicts import denied, passed
from tests.unit.domain.builders import MICROSECOND, NOW, D, ago


def test_numbers_become_plain_text() -> None:
    verdict = denied(
        "gate",
        "CODE",
        amount=D("1E+3"),
        small=D("0.000000010"),
        at=NOW,
        count=3,
        word="yes",
        names=frozenset({"b", "a"}),
        nothing=None,
    )
    assert verdict.numbers == {
        "amount": "1000",
        "small": "0.00000001",
        "at": "2026-11-22T12:00:00+00:00",
        "count": "3",
        "word": "yes",
        "names": "a b",
        "nothing": "unknown",
    }
    assert (verdict.gate, verdict.code, verdict.passed) == ("gate", "CODE", False)


def test_the_reason_lists_the_numbers_in_the_order_they_were_given() -> None:
    assert denied("gate", "CODE", rate=D("0.002"), maximum=D("0.001")).reason == "rate=0.002, maximum=0.001"
    verdict = passed("gate")
    assert (verdict.passed, verdict.code, verdict.reason) == (True, None, "")


def test_an_age_is_exact_to_the_microsecond_in_both_directions() -> None:
    assert age_seconds(ago("0.1") - MICROSECOND, now=NOW) == D("0.100001")
    assert age_seconds(NOW + MICROSECOND, now=NOW) == D("-0.000001")
    assert age_seconds(ago(86_400 * 400), now=NOW) == D(34_560_000)
