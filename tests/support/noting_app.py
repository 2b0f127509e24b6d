"""A worker with our configuration and one task that notes when it ran, for a test of the broker alone."""

from __future__ import annotations

import os
import time

from celery import Celery

from app.adapters.celery.connection import PromptAmqp

app = Celery("noting", amqp=PromptAmqp)
app.config_from_object("celeryconfig")


@app.task(name="signals.dispatch")
def dispatch(number: int = 0, seconds: float = 0.0) -> None:
    time.sleep(seconds)  # as long as a slow exchange
    with open(os.environ["QT_TEST_NOTES"], "a") as notes:  # noqa: PTH123 - one write of one line, from many threads
        notes.write(f"{number} {time.time()}\n")
