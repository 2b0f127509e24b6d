"""Sends signals to the public HTTP API, with a token, as any producer does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from app.ports.forecasting import SignalsNotTakenError

CONNECT_SECONDS_MAX = 2.0
ANSWER_SECONDS_MAX = 10.0
SIGNALS_MAX = 500  # the API takes no more at once


class SignalApi:
    """`app.ports.forecasting.SignalOutlet`."""

    def __init__(self, *, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            trust_env=False,  # the web process is not behind the machine's proxy
            transport=transport,
        )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def send(self, signals: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """The verdict of each by `signal_id`."""
        try:
            response = self._client.post("/api/signals", json=list(signals[:SIGNALS_MAX]))
        except httpx.HTTPError as error:
            raise SignalsNotTakenError(f"{type(error).__name__}: {error}") from error
        if response.status_code != 202:
            raise SignalsNotTakenError(f"the API answers {response.status_code}: {response.text[:300]}")
        results = response.json()["results"]
        return {result["signal_id"]: result["verdict"] for result in results}
