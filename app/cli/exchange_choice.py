"""Which exchange a system trades on: the one named by the environment, else a paper exchange of its own."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlsplit

from app.adapters.embedded.private_file import write_private
from app.cli.failure import CommandFailure
from app.cli.processes import LOOPBACK, Exchange
from app.cli.state_directory import StateDirectory
from app.settings import Settings

# Binance serves streams from other hosts than REST; everybody else is expected to serve both from one.
STREAM_HOSTS = {
    "fapi.binance.com": "wss://fstream.binance.com",
    "demo-fapi.binance.com": "wss://fstream.binancefuture.com",
    "testnet.binancefuture.com": "wss://fstream.binancefuture.com",
}


def choose_exchange(settings: Settings, state: StateDirectory, *, market: str | None, speed: float | None) -> Exchange:
    """The exchange of this system; contradictory wishes end the command."""
    if settings.exchange_url is None:
        key, secret = _given_credentials(settings) or _paper_credentials(state)
        base = f"{LOOPBACK}:{settings.exchange_port}"
        return Exchange(f"http://{base}", f"ws://{base}", key, secret, is_paper=True, market=market, speed=speed)
    if market is not None or speed is not None:
        raise CommandFailure("--market and --speed are for the paper exchange; QT_EXCHANGE_URL names another one")
    credentials = _given_credentials(settings)
    if credentials is None:
        raise CommandFailure("QT_EXCHANGE_URL needs QT_EXCHANGE_KEY and QT_EXCHANGE_SECRET beside it")
    parts = urlsplit(settings.exchange_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandFailure("QT_EXCHANGE_URL: not an http(s) URL")
    stream_url = settings.exchange_ws_url or STREAM_HOSTS.get(parts.hostname)
    if stream_url is None:
        stream_url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return Exchange(
        settings.exchange_url.rstrip("/"),
        stream_url.rstrip("/"),
        *credentials,
        is_paper=False,
    )


def _given_credentials(settings: Settings) -> tuple[str, str] | None:
    if settings.exchange_key is None or settings.exchange_secret is None:
        return None
    return settings.exchange_key.get_secret_value(), settings.exchange_secret.get_secret_value()


def _paper_credentials(state: StateDirectory) -> tuple[str, str]:
    """Key and secret of this state directory's paper account, made once."""
    path = state.root / "paper-exchange.json"
    if not path.exists():
        write_private(path, json.dumps({"key": secrets.token_hex(32), "secret": secrets.token_hex(32)}))
    stored = json.loads(path.read_text())
    return stored["key"], stored["secret"]
