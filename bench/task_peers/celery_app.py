"""Celery as the product has it: its broker settings, late acknowledgement, prefetch 1, no results."""

from __future__ import annotations

import os

from celery import Celery

from app.adapters.celery.broker import transport_options
from bench.task_peers.reply import REDIS_VARIABLE, reply

QUEUE = "bench"
app = Celery("bench")
app.config_from_object("celeryconfig")
url = os.environ[REDIS_VARIABLE]
app.conf.update(broker_url=url, broker_transport_options=transport_options(url))
app.conf.update(beat_schedule={}, task_routes={}, task_default_queue=QUEUE)
empty = app.task(name="bench.empty")(reply)


def publish(number: int) -> None:
    """One message."""
    empty.apply_async((number,))
