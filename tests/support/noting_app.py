"""A worker with our configuration and one task that notes when it ran, for a test of the broker alone."""

from __future__ import annotations

import os
import time

from celery import Celery

app = Celery("noting")
app.config_from_object("celeryconfig")


@app.task(name="signals.dispatch")
def dispatch(number: int = 0) -> None:
    with open(os.environ["QT_TEST_NOTES"], "a") as notes:  # noqa: PTH123 - one write of one line, from many threads
        notes.write(f"{number} {time.time()}\n")
