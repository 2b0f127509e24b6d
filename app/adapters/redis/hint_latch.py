"""Keeps one hint pending at a time: a key that the first caller sets and the one who takes the hint up deletes."""

from __future__ import annotations

from app.adapters.redis.client import RedisLink, RedisUnavailableError


class RedisHintLatch:
    """`app.ports.HintLatch`. Without Redis every claim succeeds: a hint too many is harmless, one too few is not."""

    def __init__(self, link: RedisLink, *, prefix: str = "qt:hint") -> None:
        self._link = link
        self._prefix = prefix

    def claim_hint(self, name: str, ttl_ms: int) -> bool:
        """True for the caller who is to send the hint; the claim lapses after `ttl_ms`."""
        try:
            claimed = self._link.call(lambda client: client.set(f"{self._prefix}:{name}", 1, nx=True, px=ttl_ms))
        except RedisUnavailableError:
            return True
        return bool(claimed)

    def release_hint(self, name: str) -> None:
        """The hint was taken up: the next caller may send again."""
        try:
            self._link.call(lambda client: client.delete(f"{self._prefix}:{name}"))
        except RedisUnavailableError:
            return  # the claim lapses by itself
