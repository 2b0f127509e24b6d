"""Alerts by webhook: one POST of JSON, signed when a secret is set."""

from __future__ import annotations

import hashlib
import hmac

import httpx
import orjson

from app.adapters.alerts.wording import headline
from app.adapters.postgres.alerts import alert_item
from app.domain.alerts import Alert
from app.ports import AlertNotDeliveredError

ANSWER_SECONDS_MAX = 5.0
SIGNATURE_HEADER = "X-QT-Signature"


class WebhookChannel:
    """`app.ports.AlertChannel`. The body has `text` (for chat systems) and `alert` (for programs)."""

    name = "webhook"

    def __init__(self, url: str, *, secret: str | None) -> None:
        self._url = url
        self._secret = None if secret is None else secret.encode()

    def deliver(self, alert: Alert) -> None:
        """POST it; any answer but 2xx is a failure. The address may be a secret: it is in no error's text."""
        body = orjson.dumps({"text": headline(alert), "alert": alert_item(alert)})
        headers = {"Content-Type": "application/json", "User-Agent": "quantum-trader"}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        try:
            answer = httpx.post(
                self._url, content=body, headers=headers, timeout=ANSWER_SECONDS_MAX, follow_redirects=False
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AlertNotDeliveredError(f"no answer: {type(error).__name__}") from None
        if not answer.is_success:
            raise AlertNotDeliveredError(f"answered {answer.status_code}")
