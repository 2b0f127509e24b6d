"""Sends Celery hints; a broker that is away costs milliseconds and one log line, never an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from app.flow import QUEUES

log = structlog.get_logger(__name__)

COUNTDOWN_SECONDS_MAX = 30.0  # far below the broker's visibility timeout, which would multiply the task
PAUSE_AFTER_FAILURE_SECONDS = 1.0
PUBLISH_ANSWER_SECONDS_MAX = 0.25


class CeleryTaskQueue:
    """Implements `app.ports.TaskQueue` on a Celery application configured by `celeryconfig`.

    After a failed publish nothing is tried for `PAUSE_AFTER_FAILURE_SECONDS`: the sweeps carry on meanwhile, and no
    caller pays the broker's time-outs in series.
    """

    def __init__(self, application: Celery, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._application = application
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._paused_until = 0.0

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        """Publish a hint; False when the broker is away. `LookupError` for a task that the flow does not name."""
        queue = QUEUES[task].value
        with self._lock:
            if self._monotonic() < self._paused_until:
                return False
        options: dict[str, Any] = {"queue": queue, "priority": priority}
        if countdown_seconds > 0:
            options["countdown"] = min(countdown_seconds, COUNTDOWN_SECONDS_MAX)
        try:
            registered = self._application.tasks.get(task)
            if registered is not None:
                registered.apply_async(kwargs=arguments, **options)
            else:
                self._application.send_task(task, kwargs=arguments, **options)
        except (OperationalError, OSError) as error:
            with self._lock:
                self._paused_until = self._monotonic() + PAUSE_AFTER_FAILURE_SECONDS
            log.warning("hint_not_sent", task=task, error=str(error))
            return False
        return True


def producer() -> Celery:
    """A Celery application that only publishes (for processes that run no tasks)."""
    application = Celery("quantum-trader")
    application.config_from_object("celeryconfig")
    # A worker may wait for its broker; whoever answers a request may not: the row is durable, the hint can wait.
    application.conf.broker_transport_options = {
        **application.conf.broker_transport_options,
        "socket_timeout": PUBLISH_ANSWER_SECONDS_MAX,
        "socket_connect_timeout": PUBLISH_ANSWER_SECONDS_MAX,
    }
    application.conf.broker_connection_timeout = PUBLISH_ANSWER_SECONDS_MAX
    application.conf.task_publish_retry_policy = {"max_retries": 0}
    return application
