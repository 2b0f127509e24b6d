"""What gunicorn serves as the health process."""

from __future__ import annotations

import os

from app.bootstrap import open_system
from app.health.application import create_app
from app.logs import configure_logging
from app.settings import Settings

settings = Settings.from_environment(os.environ)
configure_logging(settings)
app = create_app(open_system(settings))
