"""Which signal the log lines of this thread are about, from here on."""

from __future__ import annotations

from structlog.contextvars import bind_contextvars

CORRELATION_ID = "correlation_id"  # one value from the POST to the fill, in every process


def speak_of(correlation_id: str | None) -> None:
    """Every log line, and every message that is sent, carries it until the task or request ends."""
    if correlation_id is not None:
        bind_contextvars(**{CORRELATION_ID: correlation_id})
