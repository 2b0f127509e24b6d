"""When a state is told, and whose fault a failure is."""

from __future__ import annotations

from datetime import timedelta

from app.checks.attribution import RECOVERY, Attribution
from app.domain.health import CONFIRM, Confirmation, Finding, Status, worst
from tests.fakes.clock import FIRST_MOMENT as NOW

WELL = Finding(component="redis", status=Status.OK)
ILL = Finding(component="redis", status=Status.CRITICAL, cause="away")


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_one_bad_look_between_good_ones_is_not_told():
    state = Confirmation(told=WELL)
    for second, seen in enumerate([WELL, ILL, WELL, ILL, WELL]):
        state = state.next(seen, now=after(second / 2))
        assert state.told.status is Status.OK


def test_a_state_that_lasts_is_told_both_ways():
    state = Confirmation(told=WELL).next(ILL, now=NOW)
    assert state.told is WELL
    state = state.next(ILL, now=NOW + CONFIRM)
    assert state.told is ILL
    state = state.next(WELL, now=after(2)).next(WELL, now=after(2) + CONFIRM)
    assert state.told is WELL


def test_a_cause_that_changes_is_told_at_once_when_the_status_stays():
    worse = Finding(component="redis", status=Status.CRITICAL, cause="away for 2 s")
    assert Confirmation(told=ILL).next(worse, now=NOW).told is worse


def test_a_failure_is_laid_to_what_it_cannot_work_without_until_that_had_time_to_recover():
    attribute = Attribution({"beat": ("redis",)})
    silent = Finding(component="beat", status=Status.CRITICAL, cause="silent")
    assert attribute([ILL, silent], now=NOW)[1].because_of == "redis"
    assert attribute([WELL, silent], now=NOW + RECOVERY)[1].because_of == "redis"
    assert attribute([WELL, silent], now=NOW + RECOVERY + timedelta(seconds=1))[1].because_of is None
    assert attribute([WELL, Finding(component="beat", status=Status.OK)], now=NOW)[1].because_of is None


def test_the_whole_is_as_bad_as_its_worst_part():
    degraded = Finding(component="disk", status=Status.DEGRADED)
    assert [worst([]), worst([WELL]), worst([WELL, degraded]), worst([degraded, ILL, WELL])] == [
        Status.OK, Status.OK, Status.DEGRADED, Status.CRITICAL,
    ]  # fmt: skip
