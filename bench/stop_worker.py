"""A worker for orders, as any further machine would run it, that can be told to freeze in the middle of a send.

Once the attempt is durable and before anything of it is on the wire, it takes the file `QT_FREEZE_FILE` away and stops
itself (SIGSTOP), with every thread it has. Whoever made the file wakes it up again.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.bootstrap import open_system
from app.bootstrap.system import Adapters
from app.domain.orders import Attempt
from app.ports import SubmitReply
from app.settings import Settings
from tasks.app import app


class FreezesInMidSend:
    """The real exchange client; entries pass the freezing point on their way."""

    def __init__(self, inner: Any, freeze_file: Path) -> None:
        self._inner = inner
        self._freeze_file = freeze_file

    def submit(self, attempt: Attempt) -> SubmitReply:
        """Freeze if told to, then send."""
        if not attempt.reduce_only:
            try:
                self._freeze_file.rename(self._freeze_file.with_suffix(".frozen"))
            except FileNotFoundError:
                pass
            else:
                self._freeze_file.with_suffix(".frozen").write_text(attempt.client_order_id)
                os.kill(os.getpid(), signal.SIGSTOP)
        return self._inner.submit(attempt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def main() -> None:
    freeze_file = Path(os.environ["QT_FREEZE_FILE"])

    def adapt(adapters: Adapters) -> Adapters:
        return replace(adapters, exchange=FreezesInMidSend(adapters.exchange, freeze_file))

    app.conf.system = open_system(Settings.from_environment(os.environ), celery=app, adapt=adapt)
    app.worker_main(sys.argv[1:])


if __name__ == "__main__":
    main()
