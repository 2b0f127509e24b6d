"""Dumps a database and loads a dump, with the tools of Postgres itself; one moment, while everything goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg

from app.adapters.postgres.address import without_password

DUMP_SECONDS_MAX = 4 * 3600


class DumpError(Exception):
    """The tool failed; the text is the first thing that it complained of, without the password."""


def dump_database(database_url: str, path: Path, *, tools: Path) -> None:
    """The whole database as of one moment into `path`, in Postgres' own compressed format. `tools`: its binaries."""
    _run([str(tools / "pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"], database_url)


def load_database(database_url: str, path: Path, *, tools: Path) -> None:
    """A dump into a database without tables, all of it or nothing; raises `DumpError` for one that has some."""
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if row is None or row[0] != 0:
        raise DumpError("the database is not empty; restore into a new one")
    _run(
        [
            str(tools / "pg_restore"),
            "--no-owner",
            "--no-privileges",
            "--single-transaction",
            "--exit-on-error",
            str(path),
        ],
        database_url,
    )


def _run(command: list[str], database_url: str) -> None:
    # Command lines are public: the password goes by the environment.
    address, password = without_password(database_url)
    environment = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run(
        [*command, f"--dbname={address}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DUMP_SECONDS_MAX,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DumpError(f"{Path(command[0]).name}: {lines[0] if lines else f'code {done.returncode}'}")
