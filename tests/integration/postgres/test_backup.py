"""A backup holds the books, whole; a damaged one and a database that is in use are refused."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from app.adapters.embedded.postgres import PostgresCluster
from app.cli.__main__ import qt
from tests.support.servers import database_of_its_own

pytestmark = pytest.mark.integration


def run(state: Path, database_url: str, *arguments: str) -> Result:
    environment = {"QT_STATE_DIR": str(state), "QT_DATABASE_URL": database_url, "QT_REDIS_URL": "redis://127.0.0.1:1/0"}
    return CliRunner().invoke(qt, list(arguments), env=environment)


def books(database_url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database_url) as connection:
        lines = connection.execute("SELECT entry, account, asset, amount, at FROM ledger_lines ORDER BY line_id")
        stop = connection.execute("SELECT state, updated_at FROM ess")
        revision = connection.execute("SELECT version_num FROM alembic_version")
        return [*lines.fetchall(), *stop.fetchall(), *revision.fetchall()]


@pytest.fixture
def old(fresh_database: str, tmp_path: Path) -> Path:
    """A state directory with a promise on its disk, and books in its database."""
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "INSERT INTO ledger_lines (entry, account, asset, amount, at) SELECT 'e' || n, 'wallet', 'USDT', "
            "n * 0.000000000000000001, now() FROM generate_series(1, 100) AS n"
        )
    state = tmp_path / "old"
    (state / "buffer" / "signals").mkdir(parents=True)
    (state / "buffer" / "signals" / "segment").write_text("promised")
    return state


def test_a_restored_system_has_the_same_books_and_the_same_promises(
    old: Path, tmp_path: Path, fresh_database: str, postgres_cluster: PostgresCluster
) -> None:
    file, new = tmp_path / "backup.tar", tmp_path / "new"
    made = run(old, fresh_database, "backup", str(file))
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with database_of_its_own(postgres_cluster, template="template0") as empty:
        restored = run(new, empty, "restore", str(file))
        assert restored.exit_code == 0, restored.output
        assert books(empty) == books(fresh_database)
        assert (new / "buffer" / "signals" / "segment").read_text() == "promised"
        again = run(tmp_path / "third", empty, "restore", str(file))
    assert (again.exit_code, "not empty" in again.output) == (1, True)


def test_a_damaged_backup_is_refused_and_leaves_nothing(
    old: Path, tmp_path: Path, fresh_database: str, postgres_cluster: PostgresCluster
) -> None:
    file = tmp_path / "backup.tar"
    assert run(old, fresh_database, "backup", str(file)).exit_code == 0
    content = bytearray(file.read_bytes())
    middle = content.index(b"PGDMP") + 200
    content[middle] ^= 1
    file.write_bytes(content)
    with database_of_its_own(postgres_cluster, template="template0") as empty:
        result = run(tmp_path / "new", empty, "restore", str(file))
        assert (result.exit_code, "is damaged" in result.output) == (1, True)
    assert not (tmp_path / "new" / "buffer").exists()


def test_only_the_newest_backups_are_kept(old: Path, fresh_database: str) -> None:
    for index in range(3):
        made = old / "backups" / f"qt-20200101T00000{index}Z.tar"
        made.parent.mkdir(exist_ok=True)
        made.touch()
    assert run(old, fresh_database, "backup", "--keep", "2").exit_code == 0
    kept = sorted(path.name for path in (old / "backups").iterdir())
    assert len(kept) == 2
    assert kept[0] == "qt-20200101T000002Z.tar"
