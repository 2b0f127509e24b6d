"""The exchange that the settings name, and what is refused before it is used."""

from __future__ import annotations

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.rest import RestExchange
from app.adapters.binance.start_check import Venue, refuse_withdrawal_key, venue_of
from app.domain.policy import Stage
from app.ports import (
    RateBudget,
)
from app.settings import Settings, SettingsError


def open_exchange(settings: Settings, budget: RateBudget) -> RestExchange:
    if settings.exchange_url is None:
        raise SettingsError("QT_EXCHANGE_URL: not set")
    if settings.stage is Stage.PAPER and venue_of(settings.exchange_url) is Venue.PRODUCTION:
        raise SettingsError("QT_STAGE: PAPER never sends to a real exchange; choose OBSERVATION or LIVE")
    return RestExchange(base_url=settings.exchange_url, credentials=_credentials(settings), budget=budget)


def _credentials(settings: Settings) -> Credentials:
    if settings.exchange_key is None or settings.exchange_secret is None:
        raise SettingsError("QT_EXCHANGE_KEY, QT_EXCHANGE_SECRET: both are needed")
    return Credentials(key=settings.exchange_key.get_secret_value(), secret=settings.exchange_secret.get_secret_value())


def refuse_unsafe_key(settings: Settings, exchange: RestExchange) -> None:
    if settings.exchange_url is not None:
        refuse_withdrawal_key(
            base_url=settings.exchange_url, credentials=_credentials(settings), now_ms=exchange.now_ms
        )
