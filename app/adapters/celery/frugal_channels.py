"""kombu's Redis channels, with one client for as long as its pool lasts."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class _OneClient:
    """kombu makes a client for every publish, every delivery and every acknowledgement, and redis-py fills a table of
    some hundred commands for each: an eighth of a busy worker's time. A client holds no connection, its pool does."""

    _plain_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # holds the one connection on which the channel waits for messages
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        client = self._plain_client
        # A lost connection throws the pool away; whoever publishes next gets a client of the new one.
        if client is None or client.connection_pool is not self.pool:  # type: ignore[attr-defined]
            client = self._plain_client = super()._create_client()  # type: ignore[misc]
        return client


class FrugalTransport(redis.Transport):  # type: ignore[misc]
    """To one server."""

    class Channel(_OneClient, redis.Channel):  # type: ignore[misc]
        """See `_OneClient`."""


class FrugalSentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """To the master that sentinels name."""

    class Channel(_OneClient, redis.SentinelChannel):  # type: ignore[misc]
        """See `_OneClient`."""


def use_frugal_channels() -> None:
    """Every connection of this process to Redis, pooled ones as well, is made by these from now on."""
    one, named = (f"{__name__}:{each.__name__}" for each in (FrugalTransport, FrugalSentinelTransport))
    TRANSPORT_ALIASES.update({"redis": one, "rediss": one, "sentinel": named})
