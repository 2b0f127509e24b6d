"""The Celery application, and the one System a worker process works with."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import Any

from celery import Celery, signals
from celery.signals import setup_logging

from app.adapters.celery.connection import PromptAmqp
from app.bootstrap import System, open_system
from app.flow import Queue
from app.logs import configure_logging
from app.ready_file import keep_touching
from app.settings import Settings
from tasks.guard import keep_guarding

app = Celery(
    "quantum-trader",
    amqp=PromptAmqp,
    include=[
        "tasks.signals",
        "tasks.orders",
        "tasks.account",
        "tasks.ess",
        "tasks.events",
        "tasks.observed",
        "tasks.protections",
        "tasks.engine",
    ],
)
app.config_from_object("celeryconfig")


@lru_cache(maxsize=1)
def system() -> System:
    """Opened when first used: after the pool has started, so that no connection is shared across a fork."""
    opened: System | None = app.conf.get("system")  # given by tests that run tasks eagerly
    return opened if opened is not None else open_system(Settings.from_environment(os.environ), celery=app)


@setup_logging.connect
def _logging(**_: Any) -> None:
    configure_logging(Settings.from_environment(os.environ))


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    keep_touching(Settings.from_environment(os.environ).ready_file)
    if Queue.CRITICAL.value in app.amqp.queues.consume_from:
        works = (lambda: system().acknowledge_trip(), lambda: system().watch_account())
        keep_guarding(works, stop=threading.Event())  # until the process ends
        # A thread of its own: the stop never waits for a position that is being protected.
        keep_guarding((lambda: system().sweep_protections(),), stop=threading.Event())


@signals.beat_init.connect
def _beating(**_: Any) -> None:
    keep_touching(Settings.from_environment(os.environ).ready_file)
