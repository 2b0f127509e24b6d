"""How gunicorn serves the web: one process, many threads; every limit and wait written out.

One process, because the hub that feeds the dashboards and its history live in it: with two, two clients of one page
would be fed from two clocks, and the limit of clients would double. What intake costs the interpreter is shared by all
that arrive together (docs/decisions/0022); a machine that needs more runs a second web with its own port.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from app.ready_file import keep_touching
from app.settings import Settings
from web.live.limits import CLIENTS_MAX

REQUEST_THREADS = 64
STOP_CHECK_SECONDS = 0.1

_settings = Settings.from_environment(os.environ)
_host = f"[{_settings.bind_host}]" if ":" in _settings.bind_host else _settings.bind_host

wsgi_app = "web.wsgi:app"
bind = f"{_host}:{_settings.web_port}"
backlog = 512
worker_class = "gthread"
workers = 1
# An open dashboard holds a thread: as many as dashboards are let in, and these on top, so that no number of
# dashboards ever keeps a signal waiting.
threads = CLIENTS_MAX + REQUEST_THREADS
worker_connections = 1_024
keepalive = 75  # producers post again and again over one connection
timeout = 30  # a worker whose main loop says nothing for so long is replaced
graceful_timeout = 5
max_requests = 0  # a restart would drop every dashboard for nothing
preload_app = False  # connections, threads and the hub belong to the worker: they do not survive a fork
forwarded_allow_ips = ""  # whom of the proxies to believe is said by QT_TRUSTED_PROXIES alone
limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190
accesslog = None  # the application writes one structured line per request
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # by default every gunicorn of a user shares one in the home directory
worker_tmp_dir = None if _settings.ready_file is None else str(_settings.ready_file.parent)
proc_name = "quantum-trader-web"


def post_worker_init(worker: Any) -> None:
    """The application is loaded: say so, and watch for the end."""
    keep_touching(_settings.ready_file)
    threading.Thread(target=_part_with_dashboards, args=(worker,), name="goodbye", daemon=True).start()


def _part_with_dashboards(worker: Any) -> None:
    # A stopping worker waits for its threads; those of dashboards end only when somebody ends them.
    pause = threading.Event()
    while worker.alive:
        pause.wait(STOP_CHECK_SECONDS)
    worker.wsgi.extensions["dashboard_hub"].stop()


def worker_exit(server: Any, worker: Any) -> None:
    """Close what the use cases hold open."""
    application = getattr(worker, "wsgi", None)  # missing when loading it failed
    close = None if application is None else application.extensions.get("close_system")
    if close is not None:
        close()
