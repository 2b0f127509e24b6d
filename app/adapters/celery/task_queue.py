"""Sends Celery hints; a broker that is away costs milliseconds and one log line, never an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu.exceptions import OperationalError

from app.adapters.celery.broker import impatient_options, is_rabbitmq, wire_countdown, wire_priority
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
        self._has_rabbitmq = is_rabbitmq(application.conf.broker_url)

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        """Publish a hint; False when the broker is away. `LookupError` for a task that the flow does not name."""
        queue = QUEUES[task].value
        with self._lock:
            if self._monotonic() < self._paused_until:
                return False
        rabbitmq = self._has_rabbitmq
        options: dict[str, Any] = {"queue": queue, "priority": wire_priority(priority, rabbitmq=rabbitmq)}
        if countdown_seconds > 0:
            seconds = min(countdown_seconds, COUNTDOWN_SECONDS_MAX)
            options["countdown"] = wire_countdown(seconds, rabbitmq=rabbitmq)
        try:
            if rabbitmq:
                self._publish_confirmed(task, arguments, options)
            else:
                self._publish(task, arguments, options)
        except (OperationalError, OSError, AMQPError, MessageNacked) as error:
            with self._lock:
                self._paused_until = self._monotonic() + PAUSE_AFTER_FAILURE_SECONDS
            log.warning("hint_not_sent", task=task, error=str(error) or type(error).__name__)
            return False
        return True

    def _publish(self, task: str, arguments: dict[str, Any], options: dict[str, Any]) -> None:
        registered = self._application.tasks.get(task)
        if registered is not None:
            registered.apply_async(kwargs=arguments, **options)
        else:
            self._application.send_task(task, kwargs=arguments, **options)

    def _publish_confirmed(self, task: str, arguments: dict[str, Any], options: dict[str, Any]) -> None:
        """Wait until RabbitMQ says that it has the message, but not for long."""
        with self._application.producer_or_acquire() as producer:
            try:
                wait = {"producer": producer, "confirm_timeout": PUBLISH_ANSWER_SECONDS_MAX}
                self._publish(task, arguments, options | wait)
            except BaseException:
                # A confirmation may still come: the next publisher may not take it for its own.
                producer.connection.collect()
                raise


def producer() -> Celery:
    """A Celery application that only publishes (for processes that run no tasks)."""
    # Whoever runs a task checks its arguments. Tasks are shared by all applications of a process, so that otherwise it
    # would depend on what else was imported whether they are checked here.
    application = Celery("quantum-trader", strict_typing=False)
    application.config_from_object("celeryconfig")
    # A worker may wait for its broker; whoever answers a request may not: the row is durable, the hint can wait.
    application.conf.broker_transport_options = impatient_options(
        application.conf.broker_transport_options, seconds=PUBLISH_ANSWER_SECONDS_MAX
    )
    application.conf.broker_connection_timeout = PUBLISH_ANSWER_SECONDS_MAX
    application.conf.task_publish_retry_policy = {"max_retries": 0}
    return application
