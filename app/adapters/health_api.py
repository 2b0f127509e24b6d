"""What the health service says, asked with a short deadline and never by two at once, for pages wait for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import orjson

DEADLINE_SECONDS = 0.5  # for the whole answer
FRESH_SECONDS = 1.0  # an answer this young is given to others who ask
ANSWER_BYTES_MAX = 262_144


class HealthApi:
    """Calls give `status, at, components` as the service told them, or text that says why they are not known."""

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._transport = transport
        self._client: httpx.Client | None = None  # made when first used: most processes never ask
        self._monotonic = monotonic
        self._asking = threading.Lock()
        self._told: Mapping[str, Any] | str = "the health service was not asked yet"
        self._told_at = float("-inf")

    def __call__(self) -> Mapping[str, Any] | str:
        """At once while the last answer is fresh or somebody else is asking; else within `DEADLINE_SECONDS`."""
        if self._monotonic() - self._told_at >= FRESH_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._told = self._ask(self._client or self._open())
                self._told_at = self._monotonic()
            finally:
                self._asking.release()
        return self._told

    def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            self._client.close()

    def _open(self) -> httpx.Client:
        self._client = httpx.Client(
            base_url=self._url,
            timeout=DEADLINE_SECONDS,
            trust_env=False,  # the health service is not behind the machine's proxy
            transport=self._transport,
        )
        return self._client

    def _ask(self, client: httpx.Client) -> Mapping[str, Any] | str:
        gone_by = self._monotonic() + DEADLINE_SECONDS
        try:
            with client.stream("GET", "/health") as response:
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if self._monotonic() > gone_by:
                        return _late()
                    if len(body) > ANSWER_BYTES_MAX:
                        return f"the health service's answer is longer than {ANSWER_BYTES_MAX} bytes"
        except httpx.TimeoutException:
            return _late()
        except httpx.HTTPError as error:
            return f"the health service does not answer: {type(error).__name__}"
        if response.status_code != 200:
            return f"the health service answers {response.status_code}"
        try:
            told = orjson.loads(body)
            return {name: told[name] for name in ("status", "at", "components")}
        except (ValueError, TypeError, KeyError):
            return "the health service's answer is not one of health"


def _late() -> str:
    return f"the health service does not answer within {DEADLINE_SECONDS:g} s"
