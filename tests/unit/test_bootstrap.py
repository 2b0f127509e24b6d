"""Joining the parts: what must never be joined is refused with the name of the variable."""

from __future__ import annotations

import pytest
from click import Abort
from click.testing import CliRunner

from app.bootstrap import open_panic, open_system
from app.bootstrap.wiring import BUDGET_SHARE_OF_OTHERS, BUDGET_SHARES, EXIT_SHARES, SAFETY_SHARES
from app.cli.failure import CommandFailure
from app.cli.live_word import with_live_word
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


LIVE = {**COMPLETE, "QT_STAGE": "LIVE", "QT_EXCHANGE_URL": "https://fapi.binance.com"}


@pytest.mark.parametrize("word", ["", "LIVE", "live fapi.binance.com", "LIVE testnet.binancefuture.com", "yes"])
def test_stage_live_opens_nothing_without_the_word_for_that_very_host(word):
    with pytest.raises(SettingsError, match=r"QT_LIVE_WORD: .*'LIVE fapi\.binance\.com'"):
        open_system(Settings.from_environment({**LIVE, "QT_LIVE_WORD": word}))


def test_with_the_word_stage_live_opens():
    with open_system(Settings.from_environment({**LIVE, "QT_LIVE_WORD": "LIVE fapi.binance.com"})) as system:
        assert system.settings.stage.value == "LIVE"


@pytest.mark.parametrize("stage", ["OBSERVATION", "PAPER", "LIVE"])
def test_no_stage_and_no_missing_word_keeps_panic_from_a_real_exchange(stage):
    settings = Settings.from_environment({**LIVE, "QT_STAGE": stage})
    with open_panic(settings, say=print, seconds_max=1.0) as panic:
        assert panic is not None


@pytest.mark.parametrize(
    ("typed", "opens"), [("LIVE fapi.binance.com\n", True), ("LIVE\n", False), ("yes\n", False), ("", False)]
)
def test_up_in_stage_live_asks_for_the_word_and_takes_no_other(typed, opens):
    settings = Settings.from_environment(LIVE)
    with CliRunner().isolation(input=typed):
        if opens:
            assert with_live_word(settings).live_word == "LIVE fapi.binance.com"
        else:
            with pytest.raises((CommandFailure, Abort)):
                with_live_word(settings)


def test_a_word_of_the_environment_is_not_asked_for_again_and_a_wrong_one_is_no_question():
    settings = Settings.from_environment({**LIVE, "QT_LIVE_WORD": "LIVE fapi.binance.com"})
    assert with_live_word(settings) == settings
    with pytest.raises(CommandFailure, match="QT_LIVE_WORD"):
        with_live_word(Settings.from_environment({**LIVE, "QT_LIVE_WORD": "LIVE elsewhere"}))


@pytest.mark.parametrize("stage", ["OBSERVATION", "PAPER"])
def test_no_other_stage_asks(stage):
    settings = Settings.from_environment({**COMPLETE, "QT_STAGE": stage})
    assert with_live_word(settings) == settings


@pytest.mark.parametrize("variable", ["QT_DATABASE_URL", "QT_REDIS_URL", "QT_EXCHANGE_URL", "QT_EXCHANGE_KEY"])
def test_what_is_missing_is_named(variable):
    environment = {name: value for name, value in COMPLETE.items() if name != variable}
    with pytest.raises(SettingsError, match=variable):
        open_system(Settings.from_environment(environment))


def test_the_shares_of_one_machine_never_add_up_to_more_than_the_limit():
    assert sum(BUDGET_SHARES.values()) + 4 * BUDGET_SHARE_OF_OTHERS <= 1
    assert sum(SAFETY_SHARES.values()) + 4 * BUDGET_SHARE_OF_OTHERS <= 1
    assert BUDGET_SHARES.keys() == SAFETY_SHARES.keys()
    others = len(BUDGET_SHARES.keys() - EXIT_SHARES.keys()) + 4
    assert sum(EXIT_SHARES.values()) + others * BUDGET_SHARE_OF_OTHERS <= 1
