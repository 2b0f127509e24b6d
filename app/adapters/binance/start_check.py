"""Before the first order: which exchange is this, and may the key do more than trade?"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

import httpx
import structlog

from app.adapters.binance import weights, wire
from app.adapters.binance.conversation import Conversation, Silence
from app.adapters.binance.credentials import Credentials
from app.adapters.binance.error_table import classify
from app.adapters.binance.signing import Parameter
from app.adapters.binance.wire import MalformedAnswerError
from app.ports import Unknown

log = structlog.get_logger(__name__)

SPOT_URL = "https://api.binance.com"  # key restrictions are told by the spot host only
RECV_WINDOW_MS = 5_000
# Keys of these hosts hold play money; the restrictions endpoint does not know them.
TEST_HOSTS = frozenset({"demo-fapi.binance.com", "testnet.binancefuture.com"})
# Other ways to move funds away: told to the operator, not refused.
TRANSFER_FLAGS = ("enableInternalTransfer", "permitsUniversalTransfer")


class Venue(StrEnum):
    """Whose money is at stake behind a REST base URL."""

    PAPER = "PAPER"  # a private address: our own paper exchange
    TEST = "TEST"  # the exchange's test hosts
    PRODUCTION = "PRODUCTION"  # everything else, so that a proxy in front of the exchange counts as the exchange


class UnsafeKeyError(Exception):
    """The key must not be used here; the message says why and what to do, and never shows the key."""


def venue_of(base_url: str) -> Venue:
    """Tell paper, test and production by the host alone; what cannot be told is PRODUCTION."""
    host = (urlsplit(base_url).hostname or "").lower().rstrip(".")
    if host in TEST_HOSTS:
        return Venue.TEST
    if host == "localhost" or (host and "." not in host and ":" not in host and not host.isdigit()):
        return Venue.PAPER  # a name without a dot is this machine or a neighbour in a container network
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Venue.PRODUCTION
    return Venue.PAPER if address.is_loopback or address.is_private else Venue.PRODUCTION


def refuse_withdrawal_key(
    *,
    base_url: str,
    credentials: Credentials,
    now_ms: Callable[[], int],
    spot_url: str = SPOT_URL,
    transport: httpx.BaseTransport | None = None,
    wall_seconds: Callable[[], float] = time.time,
) -> None:
    """Raise `UnsafeKeyError` unless the exchange confirms that the key may not withdraw.

    Only production is asked. A key whose restrictions cannot be read is refused as well: not knowing means no.
    """
    venue = venue_of(base_url)
    if venue is not Venue.PRODUCTION:
        log.info("exchange_key_not_checked", venue=venue.value)
        return
    if urlsplit(base_url).scheme != "https":
        raise UnsafeKeyError(f"{_host(base_url)} is no private address: a real key may travel by https only")
    conversation = Conversation(
        base_url=spot_url, credentials=credentials, budget=None, transport=transport, wall_seconds=wall_seconds
    )
    try:
        flags = _read_flags(conversation, now_ms())
    finally:
        if transport is None:  # a transport that was given belongs to the giver
            conversation.close()
    if flags["enableWithdrawals"]:
        raise UnsafeKeyError(
            "this API key may withdraw funds, which this product never needs: use a key without that permission"
        )
    warnings = [name for name in TRANSFER_FLAGS if flags.get(name)]
    if not flags.get("ipRestrict", False):
        warnings.append("no ipRestrict")
    log.info("exchange_key_checked", venue=venue.value, warnings=warnings)


def _read_flags(conversation: Conversation, timestamp_ms: int) -> dict[str, bool]:
    parameters: list[Parameter] = [("recvWindow", str(RECV_WINDOW_MS)), ("timestamp", str(timestamp_ms))]
    outcome = conversation.ask(weights.API_RESTRICTIONS, parameters)
    refused = "the permissions of this API key could not be read, so it is not used"
    if isinstance(outcome, Silence):
        raise UnsafeKeyError(f"{refused}: {outcome.fault}") from outcome.fault
    if outcome.is_success:
        try:
            return dict(wire.parse_key_restrictions(outcome.body))
        except MalformedAnswerError as error:
            raise UnsafeKeyError(f"{refused}: {error}") from error.with_traceback(None)
    reply = classify(conversation.without_secrets(outcome), now_ms=conversation.wall_ms())
    said = reply.reason if isinstance(reply, Unknown) else f"{reply.code} {reply.message}"
    raise UnsafeKeyError(f"{refused}: {said}")


def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or "the exchange URL"
