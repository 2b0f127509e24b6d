"""A Celery worker with the settings of ours and one task of its own, which appends its argument to a file."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from app.adapters.celery.connection import PromptAmqp

app = Celery("noting", broker=os.environ["QT_REDIS_URL"], amqp=PromptAmqp)
app.config_from_object("celeryconfig")
app.conf.beat_schedule = {}


@app.task(name="note", queue="noted")
def note(word: str) -> None:
    """Durable before it is acknowledged."""
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{word}\n")
