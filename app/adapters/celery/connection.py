"""Celery's connection to its broker, for processes that have to be back within seconds of it."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection

from app.adapters.celery.broker import is_rabbitmq

RECONNECT_SECONDS_FIRST = 0.5
RECONNECT_SECONDS_MAX = 1.0


class PromptConnection(Connection):  # type: ignore[misc]
    """Asks a broker that is away once a second. kombu waits 2 s longer each time, up to 30 s, and no setting says
    otherwise: after two minutes' absence a worker or beat came back half a minute late. Publishers are bounded by
    `task_publish_retry_policy`, which gives its own pauses."""

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: float = RECONNECT_SECONDS_FIRST,
        interval_step: float = RECONNECT_SECONDS_FIRST,
        interval_max: float = RECONNECT_SECONDS_MAX,
        *arguments: Any,
        **more: Any,
    ) -> Any:
        return super()._ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, *arguments, **more
        )


class PromptAmqp(AMQP):  # type: ignore[misc]
    """Makes such connections."""

    Connection = PromptConnection
    BrokerConnection = PromptConnection

    def TaskConsumer(self, channel: Any, *arguments: Any, **more: Any) -> Any:
        """On RabbitMQ a worker makes every queue, not its own alone: it binds them all to where delayed messages come
        from, right afterwards, and one that is missing would fail that."""
        if is_rabbitmq(self.app.conf.broker_url):
            for queue in self.queues.values():
                queue(channel.default_channel).declare()
        return super().TaskConsumer(channel, *arguments, **more)
