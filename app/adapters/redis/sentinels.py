"""Redis behind sentinels: an address that names them, and a pool whose connections lead to whoever is master now.

Sentinels promote a replica when the master is gone. What the master had not passed on is lost then: the newest entries
of window, budget and events. Nothing here is the truth; the sweeps bring back from Postgres what mattered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

SCHEME = "sentinel"
DEFAULT_PORT = 26379


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """`sentinel://[user]:password@host1:26379,host2:26379/SERVICE/0[?sentinel_password=WORD]`.

    User and password are those of Redis itself; sentinels that want one have their own.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None
    password: str | None = field(repr=False)
    sentinel_password: str | None = field(repr=False)

    def sentinel_options(self, *, connect_seconds_max: float, answer_seconds_max: float) -> dict[str, Any]:
        """How to talk to a sentinel: briefly, and once; the next one is asked instead."""
        return {
            "socket_connect_timeout": connect_seconds_max,
            "socket_timeout": answer_seconds_max,
            "retry": Retry(NoBackoff(), 0),
            "password": self.sentinel_password,
        }

    def broker_url(self, credentials: str) -> str:
        """The same in Celery's words; `credentials` as they stood in the URL, with their @."""
        return ";".join(f"{SCHEME}://{credentials}{host}:{port}/{self.database}" for host, port in self.sentinels)


def sentinel_address(redis_url: str) -> SentinelAddress | None:
    """What a `sentinel://` URL names; None for any other. Raises `ValueError` for one that is not whole."""
    parts = urlsplit(redis_url)
    if parts.scheme != SCHEME:
        return None
    credentials, _, places = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    sentinels = tuple(_place(place) for place in places.split(",") if place)
    if not sentinels or not service or not (database or "0").isdigit():
        raise ValueError("sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE: something is missing")
    given = parse_qs(parts.query)
    return SentinelAddress(
        sentinels=sentinels,
        service=unquote(service),
        database=int(database or "0"),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=given.get("sentinel_password", [None])[0],
    )


def celery_broker(redis_url: str) -> tuple[str, Mapping[str, Any]]:
    """A Redis URL as Celery wants it, and the transport options that come with it."""
    address = sentinel_address(redis_url)
    if address is None:
        return redis_url, {}
    credentials, at, _ = urlsplit(redis_url).netloc.rpartition("@")
    options = address.sentinel_options(connect_seconds_max=1.0, answer_seconds_max=1.0)
    return address.broker_url(credentials + at), {"master_name": address.service, "sentinel_kwargs": options}


class FailOverPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """A bounded pool of connections to the master; each new one asks the sentinels who that is."""


def fail_over_pool(
    address: SentinelAddress, *, connect_seconds_max: float, answer_seconds_max: float, **options: Any
) -> FailOverPool:
    """A pool for `redis.Redis`; connects when first used."""
    asking = address.sentinel_options(connect_seconds_max=connect_seconds_max, answer_seconds_max=answer_seconds_max)
    return FailOverPool(  # type: ignore[no-untyped-call]
        address.service,
        Sentinel(address.sentinels, sentinel_kwargs=asking),  # type: ignore[no-untyped-call]
        db=address.database,
        username=address.username,
        password=address.password,
        socket_connect_timeout=connect_seconds_max,
        socket_timeout=answer_seconds_max,
        **options,
    )


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if port and not port.isdigit():
        raise ValueError(f"sentinel://...: no port: {text}")
    return host, int(port or DEFAULT_PORT)
