"""The test servers keep tests apart from each other."""

from __future__ import annotations

import psycopg
import pytest
import redis

pytestmark = pytest.mark.integration


def test_a_fresh_redis_is_empty_whatever_the_last_test_left(fresh_redis: str) -> None:
    with redis.Redis.from_url(fresh_redis) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


def test_a_fresh_redis_is_empty_again(fresh_redis: str) -> None:
    with redis.Redis.from_url(fresh_redis) as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize("turn", [1, 2])
def test_an_empty_database_holds_no_table_whatever_the_last_test_made(empty_database: str, turn: int) -> None:
    with psycopg.connect(empty_database) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert found == (0,)
        connection.execute("CREATE TABLE left_over (id int)")


def test_the_server_asks_for_its_password(postgres_url: str) -> None:
    before, _, after = postgres_url.partition("://")
    without_password = f"{before}://quantum_trader:wrong@{after.split('@', 1)[1]}"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without_password).close()
