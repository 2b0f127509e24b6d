"""A web that spools: posts to itself without a pause and says each id that got its 202, until it is killed.

Run as `python -m tests.integration.outages.doomed_web STATE_DIR DATABASE_URL REDIS_URL PREFIX` with Postgres away.
"""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import structlog

from app.domain.signals import IntakeVerdict
from tests.integration.outages.door import open_door
from tests.unit.domain.builders import make_signal


def main(state_dir: str, database_url: str, redis_url: str, prefix: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    door = open_door(Path(state_dir), database_url=database_url, redis_url=redis_url, token="unknown to anybody")
    for number in itertools.count():
        now = datetime.now(UTC)
        signal = make_signal(
            signal_id=f"{prefix}-{number}",
            confidence=Decimal("0.9"),
            generated_at=now,
            received_at=now,
            expires_at=now.replace(year=now.year + 1),
        )
        (admission,) = door.system.console.admit_signals([signal])
        assert admission.verdict is IntakeVerdict.SPOOLED
        print(signal.signal_id, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
