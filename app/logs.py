"""Structured logs: one line an event, JSON when not on a terminal, secrets never."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from app.settings import Settings

CORRELATION_ID = "correlation_id"  # one value from the POST to the fill, in every process
QUIET = (
    "celery.beat",
    "httpx",
    "httpcore",
    "werkzeug",
    "kombu",
    "amqp",
    "celery.worker.strategy",
    "celery.app.trace",
    "websockets",
)


def configure_logging(settings: Settings) -> None:
    """Route structlog and the standard library's loggers into one format on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    on_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ]
            if not on_terminal
            else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
