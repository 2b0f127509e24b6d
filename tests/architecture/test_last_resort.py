"""`./qt panic` is for when everything else is gone: it waits for nothing that it does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOADS = """
import sys
from app.bootstrap import open_panic
import app.cli.panic
heavy = {'alembic', 'celery', 'flask', 'psycopg', 'sqlalchemy'}
print(*sorted(heavy & {name.partition('.')[0] for name in sys.modules}))
print(*sorted(name for name in sys.modules if name.startswith(('app.adapters.postgres', 'app.adapters.celery'))))
"""


def test_panic_loads_neither_the_database_nor_the_tasks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
