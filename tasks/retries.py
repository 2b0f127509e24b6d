"""The one list of errors after which a task is worth running again, and how."""

from __future__ import annotations

from typing import Any

from app.ports import DatabaseUnavailableError, ExchangeError

# Nothing was decided or sent when one of these comes up: running again is safe. After the last retry the row stays as
# it is and the sweep finds it.
TRANSIENT = (DatabaseUnavailableError, ExchangeError)

RETRY: dict[str, Any] = {
    "autoretry_for": TRANSIENT,
    "max_retries": 3,
    "retry_backoff": 1,  # seconds, doubling
    "retry_backoff_max": 8,
    "retry_jitter": True,
}
