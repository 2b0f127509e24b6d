"""Changing keys and passwords as docs/upkeep.md says, on real servers: what was under way is found with the new one."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from app.adapters.embedded import postgres
from app.adapters.processes.spawn import spawn
from tests.support.paper_exchange import start_paper_exchange
from tests.support.servers import running, server_home

pytestmark = pytest.mark.integration


def test_the_password_of_the_embedded_postgres_is_what_its_file_says_at_the_next_start() -> None:
    with server_home("qt-test-pg-") as home:
        before = postgres.prepare_postgres(home, throwaway=True)

        def start():
            return spawn(
                before.command,
                environment=os.environ,
                log_path=home / "postgres.log",
                working_directory=Path("/"),
                user=before.user,
                death_signal=postgres.DEATH_SIGNAL,
            )

        def answers() -> bool:
            try:
                psycopg.connect(before.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        with running(start, answers, home / "postgres.log", postgres.STOP_SIGNAL):
            with psycopg.connect(before.url(), autocommit=True) as at_work:
                at_work.execute("ALTER ROLE quantum_trader PASSWORD 'another-word'")
                (home / "postgres.password").write_text("another-word\n")
                row = at_work.execute("SELECT 1").fetchone()
                assert row == (1,), "who is connected stays connected"
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(before.url(), connect_timeout=2)
            after = postgres.prepare_postgres(home, throwaway=True)
            psycopg.connect(after.url(), connect_timeout=2).close()


def test_an_order_sent_with_the_old_exchange_key_is_found_with_the_new_one(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"), "--market", "seed:3")
    old = start_paper_exchange(tmp_path, *state, "--key", "old-key", "--secret", "old-secret")
    sent = old.order("BTCUSDT", "BUY", "0.01", newClientOrderId="sent-with-the-old-key")
    assert sent.status_code == 200, sent.text
    old.stop()
    new = start_paper_exchange(tmp_path, *state, "--key", "new-key", "--secret", "new-secret")
    try:
        found = new.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="sent-with-the-old-key")
        assert (found.status_code, found.json()["status"]) == (200, "FILLED")
        new.http.headers["X-MBX-APIKEY"] = "old-key"
        refused = new.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="sent-with-the-old-key")
        assert refused.status_code in (400, 401)
        assert refused.json()["code"] in (-2014, -2015)
    finally:
        new.stop()
