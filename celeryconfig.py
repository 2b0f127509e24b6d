"""Celery, set on purpose: every setting that matters is written out, with its reason beside it."""

from __future__ import annotations

import os

from app.adapters.celery.broker import (
    EXCHANGE,
    HEARTBEAT_SECONDS,
    celery_url,
    is_rabbitmq,
    quorum_queues,
    transport_options,
    wire_priority,
)
from app.adapters.celery.frugal_channels import use_frugal_channels
from app.flow import ENGINE_SWEEPS, QUEUES, SWEEPS, Queue

# --- broker -----------------------------------------------------------------------------------------------------
# Redis unless another one is given: window, budget and events stay in Redis whatever carries the hints.
_given_url = os.environ.get("QT_BROKER_URL") or os.environ.get("QT_REDIS_URL", "")
broker_url = celery_url(_given_url)
_has_rabbitmq = is_rabbitmq(_given_url)
use_frugal_channels()
# Keep trying for ever: workers must outlive any outage of the broker without a restart of their own.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_connection_timeout = 2.0
# A task that a lost connection took away is found by the sweep; cancelling it half way would only add an UNKNOWN.
worker_cancel_long_running_tasks_on_connection_loss = False
broker_pool_limit = 10
broker_transport_options = transport_options(_given_url)
if _has_rabbitmq:
    broker_heartbeat = HEARTBEAT_SECONDS
    task_queues = quorum_queues()
    task_default_queue_type = "quorum"
    task_default_exchange = EXCHANGE
    task_default_exchange_type = "topic"
    task_default_routing_key = Queue.DEFAULT.value
    # Quorum queues refuse a prefetch count for a whole channel: each consumer has its own, which stays as it is.
    worker_detect_quorum_queues = True
    # After a lost connection Celery lowers the count and raises it again from the threads that end tasks, while its
    # main thread does the same: two read from one socket, and neither hears until the server hangs up after 30 s.
    worker_enable_prefetch_count_reduction = False
    # Queues of remote control and events expire by themselves. Not exclusive: a worker that was cut off comes back
    # before RabbitMQ has missed its old connection, and would find its own queue locked.
    control_queue_durable = True
    event_queue_durable = True
# A publisher gives up in well under a second: the row is committed, the hint may wait for the sweep. (retry=False
# would be slower: kombu then falls back to its own connection retry of 6 s.)
task_publish_retry = True
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0.0, "interval_step": 0.05, "interval_max": 0.05}

# --- tasks ------------------------------------------------------------------------------------------------------
task_default_queue = Queue.DEFAULT.value
task_create_missing_queues = not _has_rabbitmq
task_routes = {task: {"queue": queue.value} for task, queue in QUEUES.items()}
task_default_priority = wire_priority(5, rabbitmq=_has_rabbitmq)
# Only after it ran: a worker that dies leaves the message to be delivered again; tasks are idempotent by row state.
task_acks_late = True
task_reject_on_worker_lost = True
# Nothing reads results, and a backend costs a fifth of the throughput.
task_ignore_result = True
result_backend = None
task_serializer = "json"
accept_content = ["json"]
# Started-events are needed by nobody; Flower switches the rest on, and what runs many times a second tells none
# (`send_events` of the tasks).
task_track_started = False
task_send_sent_event = False

# --- workers ----------------------------------------------------------------------------------------------------
# One message at a time per thread, or priorities mean nothing and a dying worker takes many messages with it.
worker_prefetch_multiplier = 1
# Pools are threads (see docs/decisions): Celery's time limits do not reach threads, so every wait inside a task
# (Postgres statement and lock, Redis socket, exchange connect and read) has its own limit instead.
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_send_task_events = False
# SIGTERM: running tasks get this long to end, then the worker goes; what was cut off is found by the sweeps.
worker_soft_shutdown_timeout = 5.0
worker_enable_soft_shutdown_on_idle = False
worker_enable_remote_control = True
worker_proc_alive_timeout = 10.0
enable_utc = True
timezone = "UTC"

# --- beat -------------------------------------------------------------------------------------------------------
# A sweep that could not run in time is worthless: the next one is due. That a backlog costs little is seen to where it
# is taken up (tasks/sweep.py: a sweep runs once a period); expiry only keeps it from growing for ever. It is judged by
# the worker's clock against beat's, so it is longer than machines with broken clocks may differ.
SWEEP_EXPIRES_SECONDS = 120.0
_has_engine = os.environ.get("QT_ENGINE", "") in {"1", "true"}
_sweeps = {**SWEEPS, **(ENGINE_SWEEPS if _has_engine else {})}
beat_schedule = {
    step.task: {
        "task": step.task,
        "schedule": seconds,
        "options": {
            "queue": step.queue.value,
            "expires": max(SWEEP_EXPIRES_SECONDS, 2 * seconds),
            "priority": wire_priority(1, rabbitmq=_has_rabbitmq),
        },
    }
    for step, seconds in _sweeps.items()
}
beat_max_loop_interval = 1.0
