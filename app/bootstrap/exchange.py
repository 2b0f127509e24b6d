"""The exchange that the settings name, and what is refused before it is used."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.rest import RestExchange
from app.adapters.binance.start_check import Venue, refuse_withdrawal_key, venue_of
from app.domain.policy import Stage
from app.ports import (
    RateBudget,
)
from app.settings import Settings, SettingsError


def open_exchange(settings: Settings, budget: RateBudget) -> RestExchange:
    """For whoever may send entries: PAPER never at a real exchange, LIVE only with the word for that very host."""
    exchange = connect_exchange(settings, budget)
    try:
        _refuse_by_stage(settings)
    except SettingsError:
        exchange.close()
        raise
    return exchange


def connect_exchange(settings: Settings, budget: RateBudget) -> RestExchange:
    """For what only cancels and closes: no stage keeps anybody from that."""
    if settings.exchange_url is None:
        raise SettingsError("QT_EXCHANGE_URL: not set")
    return RestExchange(base_url=settings.exchange_url, credentials=credentials_of(settings), budget=budget)


def live_word(exchange_url: str) -> str:
    """What has to be said before anything is sent in stage LIVE; it names the host, so that it holds for no other."""
    return f"LIVE {(urlsplit(exchange_url).hostname or '').lower()}"


def _refuse_by_stage(settings: Settings) -> None:
    url = settings.exchange_url or ""
    if settings.stage is Stage.PAPER and venue_of(url) is Venue.PRODUCTION:
        raise SettingsError("QT_STAGE: PAPER never sends to a real exchange; choose OBSERVATION or LIVE")
    word = live_word(url)
    if settings.stage is Stage.LIVE and settings.live_word != word:
        said = "not set" if settings.live_word is None else "not the word for this exchange"
        raise SettingsError(f"QT_LIVE_WORD: {said}; stage LIVE sends orders only after {word!r}")


def credentials_of(settings: Settings) -> Credentials:
    """The key and secret that the settings hold; both or `SettingsError`."""
    if settings.exchange_key is None or settings.exchange_secret is None:
        raise SettingsError("QT_EXCHANGE_KEY, QT_EXCHANGE_SECRET: both are needed")
    return Credentials(key=settings.exchange_key.get_secret_value(), secret=settings.exchange_secret.get_secret_value())


def refuse_unsafe_key(settings: Settings, exchange: RestExchange) -> None:
    """Raises when the key of a real exchange may withdraw."""
    if settings.exchange_url is not None:
        refuse_withdrawal_key(
            base_url=settings.exchange_url, credentials=credentials_of(settings), now_ms=exchange.now_ms
        )
