"""What every unit of work does with alerts, the one on Postgres and the fake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.alerts import Alert, AlertChange
from app.domain.health import Status
from app.ports import InvalidCursorError, UnitOfWorkFactory
from tests.contract.unit_of_work_values import NOW, later


def alert(number: int = 1) -> Alert:
    return Alert(
        alert_id=f"alert-{number}",
        component="redis",
        status=Status.CRITICAL,
        cause="no answer within 1.5 s",
        raised_at=NOW,
        changed_at=NOW,
    )


def cleared(one: Alert) -> Alert:
    change = {"last_change": AlertChange.CLEARED, "revision": 2, "changed_at": later(5), "cleared_at": later(5)}
    return replace(one, **change)


def save(begin: UnitOfWorkFactory, *alerts: Alert) -> None:
    with begin() as uow:
        for each in alerts:
            uow.alerts.save(each)
        uow.commit()


def test_an_open_alert_comes_back_as_it_was_saved(begin: UnitOfWorkFactory) -> None:
    save(begin, alert())
    with begin() as uow:
        assert uow.alerts.open() == [alert()]


def test_the_newest_revision_wins_in_whatever_order_they_come(begin: UnitOfWorkFactory) -> None:
    save(begin, cleared(alert()), alert())
    with begin() as uow:
        assert uow.alerts.open() == []
        (item,) = uow.alerts.page(only_open=False, after=None, limit=5).items
    assert (item["open"], item["revision"], item["last_change"]) == (False, 2, "CLEARED")


def test_deliveries_add_up_and_survive_the_next_change(begin: UnitOfWorkFactory) -> None:
    one = alert()
    save(begin, one, replace(one, delivered={"webhook": 1}), replace(one, delivered={"email": 1}), cleared(one))
    with begin() as uow:
        (item,) = uow.alerts.page(only_open=False, after=None, limit=5).items
    assert item["delivered"] == {"webhook": 1, "email": 1}


def test_pages_are_newest_first_and_may_leave_out_what_is_over(begin: UnitOfWorkFactory) -> None:
    alerts = [alert(number) for number in range(1, 6)]
    save(begin, *alerts, *(cleared(each) for each in alerts[::2]))
    with begin() as uow:
        first = uow.alerts.page(only_open=False, after=None, limit=3)
        second = uow.alerts.page(only_open=False, after=first.next, limit=3)
        still = uow.alerts.page(only_open=True, after=None, limit=3)
        with pytest.raises(InvalidCursorError):
            uow.alerts.page(only_open=False, after="not-ours", limit=3)
    assert [item["alert_id"] for item in (*first.items, *second.items)] == [f"alert-{n}" for n in (5, 4, 3, 2, 1)]
    assert second.next is None
    assert [item["alert_id"] for item in still.items] == ["alert-4", "alert-2"]
