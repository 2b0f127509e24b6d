"""Celery, set on purpose: every setting that matters is written out, with its reason beside it."""

from __future__ import annotations

import os

from app.flow import ENGINE_SWEEPS, QUEUES, SWEEPS, Queue

# --- broker -----------------------------------------------------------------------------------------------------
broker_url = os.environ.get("QT_REDIS_URL", "")
# Keep trying for ever: workers must outlive any outage of the broker without a restart of their own.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_connection_timeout = 2.0
# A task that a lost connection took away is found by the sweep; cancelling it half way would only add an UNKNOWN.
worker_cancel_long_running_tasks_on_connection_loss = False
broker_pool_limit = 10
broker_transport_options = {
    "global_keyprefix": "qt:celery:",
    # Messages are hints: a hung broker must cost a second, not a worker.
    "socket_timeout": 5.0,
    "socket_connect_timeout": 1.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": False,
    # Well above the longest task and the longest countdown: an ETA beyond it multiplies the task. Recovery is the
    # sweeps' business, within seconds.
    "visibility_timeout": 300,
    # Ten lists a queue, 0 first. Ranking by confidence happens in the admission window; this is the coarse remainder.
    "priority_steps": list(range(10)),
    "queue_order_strategy": "priority",
    "sep": ":",
}
# A publisher gives up in well under a second: the row is committed, the hint may wait for the sweep. (retry=False
# would be slower: kombu then falls back to its own connection retry of 6 s.)
task_publish_retry = True
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0.0, "interval_step": 0.05, "interval_max": 0.05}

# --- tasks ------------------------------------------------------------------------------------------------------
task_default_queue = Queue.DEFAULT.value
task_create_missing_queues = True
task_routes = {task: {"queue": queue.value} for task, queue in QUEUES.items()}
task_default_priority = 5
# Only after it ran: a worker that dies leaves the message to be delivered again; tasks are idempotent by row state.
task_acks_late = True
task_reject_on_worker_lost = True
# Nothing reads results, and a backend costs a fifth of the throughput.
task_ignore_result = True
result_backend = None
task_serializer = "json"
accept_content = ["json"]
# Started-events are needed by nobody; Flower sees the rest where events are switched on by the worker's command.
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
        "options": {"queue": step.queue.value, "expires": max(SWEEP_EXPIRES_SECONDS, 2 * seconds), "priority": 1},
    }
    for step, seconds in _sweeps.items()
}
beat_max_loop_interval = 1.0
