"""Structured logs: one line an event, JSON when not on a terminal, secrets never."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from app.settings import Settings

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


_URL_PASSWORD = re.compile(r"(\w://[^/\s:@]*):[^@\s/]+@")
SECRET_CHARACTERS_MIN = 6  # shorter ones are words


def redactor(settings: Settings) -> Callable[[str], str]:
    """Takes every secret that the settings hold, and every password in a URL, out of a text."""
    values = [value.get_secret_value() for value in settings.__dict__.values() if isinstance(value, SecretStr)]
    parts = {each for value in values for each in (value, urlsplit(value).password or "")}
    secrets = sorted((each for each in parts if len(each) >= SECRET_CHARACTERS_MIN), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return _URL_PASSWORD.sub(r"\1:***@", text)

    return redact


def configure_logging(settings: Settings) -> None:
    """Route structlog and the standard library's loggers into one format on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    redact = redactor(settings)

    def without_secrets(_logger: Any, _method: str, rendered: Any) -> str:
        return redact(str(rendered))

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
                without_secrets,
            ]
            if not on_terminal
            else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, without_secrets],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
