"""Structured logs: one line an event, JSON when not on a terminal, secrets never."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import orjson
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


class LineHandler(logging.StreamHandler[Any]):
    """Writes a line under its lock, and only that: made under it too, as the standard handler does, a line costs every
    other thread that has something to say the time in which it is made."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Whether the record was written."""
        if not self.filter(record):
            return False
        try:
            line = self.format(record) + self.terminator
            with self.lock or nullcontext():
                self.stream.write(line)
                self.flush()
        except Exception:  # noqa: BLE001 - as the standard handler: a line that cannot be made ends nothing
            self.handleError(record)
        return True


def as_json(fields: Any, default: Callable[[Any], Any]) -> str:
    """JSON text; what the quick encoder does not take (numbers beyond 64 bits) the standard one does."""
    try:
        return orjson.dumps(fields, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return json.dumps(fields, default=default)


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
    renderer: Any = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(as_json)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = LineHandler(sys.stderr)
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
