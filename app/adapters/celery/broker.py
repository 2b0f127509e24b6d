"""Which broker carries the hints, Redis or RabbitMQ, and which of Celery's settings follow from it."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import kombu

from app.adapters.redis.sentinels import celery_broker
from app.flow import Queue

RABBITMQ_SCHEMES = ("amqp", "amqps", "pyamqp")
# One exchange for all queues. Of type topic, or delayed messages could not come through it (Celery delays them in
# queues of the broker, by their routing key; held in a worker instead, eight of them would stop a worker of eight).
EXCHANGE = "quantum-trader"
HEARTBEAT_SECONDS = 10
# Redis knows ten levels, 0 first. Quorum queues know two, the higher first, and only since RabbitMQ 4: what is at most
# this goes ahead. (Up to 3.13 they are first in, first out; what is critical has a queue of its own on any broker.)
AHEAD_PRIORITY_MAX = 1
RABBITMQ_AHEAD, RABBITMQ_USUAL = 9, 0

REDIS_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "global_keyprefix": "qt:celery:",
        # Messages are hints: a hung broker must cost a moment, not a worker. It is also how long one attempt to connect
        # into silence takes.
        "socket_timeout": 3.0,
        "socket_connect_timeout": 1.0,
        "socket_keepalive": True,
        # An unanswered BRPOP is dropped when it is this much overdue, looked at as often: a worker behind a connection
        # that died without a word is deaf for twice this and a second.
        "health_check_interval": 2,
        "retry_on_timeout": False,
        # Well above the longest task and the longest countdown: an ETA beyond it multiplies the task. Recovery is the
        # sweeps' business, within seconds.
        "visibility_timeout": 300,
        # Ten lists a queue, 0 first. Ranking by confidence happens in the admission window; this is the coarse rest.
        "priority_steps": list(range(10)),
        "queue_order_strategy": "priority",
        "sep": ":",
    }
)
RABBITMQ_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        # A hint counts as sent once the broker has it on the disks of a majority, not once it left our socket.
        "confirm_publish": True,
        "read_timeout": 5.0,
        "write_timeout": 5.0,
        # A peer that vanished without a word: noticed after 5 s with data on its way, by heartbeats otherwise.
        "socket_settings": {socket.TCP_USER_TIMEOUT: 5_000} if hasattr(socket, "TCP_USER_TIMEOUT") else {},
    }
)

_ASKING = ("socket_timeout", "socket_connect_timeout")
_WAITS = (*_ASKING, "read_timeout", "write_timeout")


def is_rabbitmq(broker_url: str | None) -> bool:
    """Whether the URL leads to RabbitMQ; everything else is Redis."""
    return (broker_url or "").partition("://")[0] in RABBITMQ_SCHEMES


def transport_options(broker_url: str) -> dict[str, Any]:
    """What a worker's connection to it is made with."""
    if is_rabbitmq(broker_url):
        return dict(RABBITMQ_OPTIONS)
    return {**REDIS_OPTIONS, **celery_broker(broker_url)[1]}


def celery_url(broker_url: str) -> str:
    """The URL in Celery's words, which has its own for sentinels."""
    return broker_url if is_rabbitmq(broker_url) else celery_broker(broker_url)[0]


def impatient_options(options: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
    """The same for whoever answers a request: no single wait longer than `seconds`."""
    waits = {name: seconds for name in options if name in _WAITS}
    if "sentinel_kwargs" in options:
        return {
            **options,
            **waits,
            "sentinel_kwargs": {**options["sentinel_kwargs"], **dict.fromkeys(_ASKING, seconds)},
        }
    return {**options, **waits}


def quorum_queues() -> list[kombu.Queue]:
    """Every queue of the flow as RabbitMQ keeps it: on the disks of a majority of its nodes."""
    exchange = kombu.Exchange(EXCHANGE, type="topic", durable=True)
    return [
        kombu.Queue(
            queue.value, exchange, routing_key=queue.value, durable=True, queue_arguments={"x-queue-type": "quorum"}
        )
        for queue in Queue
    ]


def wire_priority(priority: int, *, rabbitmq: bool) -> int:
    """Ours (0 most urgent, to 9) as the broker understands it."""
    if not rabbitmq:
        return priority
    return RABBITMQ_AHEAD if priority <= AHEAD_PRIORITY_MAX else RABBITMQ_USUAL


def wire_countdown(seconds: float, *, rabbitmq: bool) -> float:
    """RabbitMQ delays by whole seconds; less than one would be refused by Celery (5.6: `calculate_routing_key(0)`)."""
    return math.ceil(seconds) if rabbitmq else seconds
