"""What gunicorn loads in its worker: the application over the real system."""

from __future__ import annotations

import os

from app.bootstrap import open_system
from app.logs import configure_logging
from app.settings import Settings
from web.application import create_app

settings = Settings.from_environment(os.environ)
configure_logging(settings)
# Connections open when they are first used, so a database that is away delays no start.
system = open_system(settings)
app = create_app(system.console, settings)
# What an earlier web process took in and could not store has its 202 already.
system.carry_on()
app.extensions["close_system"] = system.close
