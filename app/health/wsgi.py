"""What gunicorn serves as the health process."""

from __future__ import annotations

import os

from app.bootstrap import open_system
from app.checks.check_list import all_checks
from app.health.application import HealthService, create_app
from app.logs import configure_logging
from app.settings import Settings

settings = Settings.from_environment(os.environ)
configure_logging(settings)
service = HealthService(open_system(settings), all_checks())
service.start()
app = create_app(service)
