"""Joining the parts: what must never be joined is refused with the name of the variable."""

from __future__ import annotations

import pytest

from app.bootstrap import open_system
from app.bootstrap.system import BUDGET_SHARE_OF_OTHERS, BUDGET_SHARES, SAFETY_SHARES
from app.settings import Settings, SettingsError

COMPLETE = {
    "QT_STATE_DIR": "/tmp/never-used",
    "QT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "QT_REDIS_URL": "redis://127.0.0.1:1/0",
    "QT_EXCHANGE_URL": "http://127.0.0.1:1",
    "QT_EXCHANGE_KEY": "key",
    "QT_EXCHANGE_SECRET": "secret",
}


def test_a_system_opens_without_talking_to_anybody():
    with open_system(Settings.from_environment(COMPLETE)) as system:
        assert system.settings.stage.value == "PAPER"


def test_stage_paper_never_opens_a_real_exchange():
    with pytest.raises(SettingsError, match="QT_STAGE: PAPER never sends to a real exchange"):
        open_system(Settings.from_environment({**COMPLETE, "QT_EXCHANGE_URL": "https://fapi.binance.com"}))


@pytest.mark.parametrize("variable", ["QT_DATABASE_URL", "QT_REDIS_URL", "QT_EXCHANGE_URL", "QT_EXCHANGE_KEY"])
def test_what_is_missing_is_named(variable):
    environment = {name: value for name, value in COMPLETE.items() if name != variable}
    with pytest.raises(SettingsError, match=variable):
        open_system(Settings.from_environment(environment))


def test_the_shares_of_one_machine_never_add_up_to_more_than_the_limit():
    assert sum(BUDGET_SHARES.values()) + 4 * BUDGET_SHARE_OF_OTHERS <= 1
    assert sum(SAFETY_SHARES.values()) + 4 * BUDGET_SHARE_OF_OTHERS <= 1
    assert BUDGET_SHARES.keys() == SAFETY_SHARES.keys()
