"""Real Postgres and Valkey servers as fixtures: one of each per pytest process, started when first asked for.

With pytest-xdist every worker has its own pair, so nothing is shared and nothing is left behind when one is killed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.adapters.embedded import postgres, valkey
from tests.support.servers import administer, database_of_its_own, postgres_server, valkey_server

# One numbered Valkey database per test would run out; tests of one process run one after another, so one is enough.
REDIS_DATABASE = 0


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.PostgresCluster]:
    """One Postgres cluster for this pytest process."""
    with postgres_server() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_url(postgres_cluster: postgres.PostgresCluster) -> str:
    """`postgresql://` URL of the cluster's own, empty database; tests that write take `fresh_database` instead."""
    return postgres_cluster.url()


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: postgres.PostgresCluster) -> str:
    """The name of a database with every migration applied, to be copied, never written to."""
    from app.adapters.postgres import migrate

    name = "migrated_template"
    administer(postgres_cluster, f"CREATE DATABASE {name}")
    migrate(postgres_cluster.url(name))
    return name


@pytest.fixture
def fresh_database(postgres_cluster: postgres.PostgresCluster, migrated_template: str) -> Iterator[str]:
    """URL of a migrated database for this test alone (a file copy of the template), dropped afterwards."""
    with database_of_its_own(postgres_cluster, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database(postgres_cluster: postgres.PostgresCluster) -> Iterator[str]:
    """URL of an empty database for this test alone, for tests of the migrations themselves; dropped afterwards."""
    with database_of_its_own(postgres_cluster, template="template0") as url:
        yield url


@pytest.fixture(scope="session")
def valkey_session_server() -> Iterator[valkey.ValkeyServer]:
    """One Valkey server for this pytest process."""
    with valkey_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey_session_server: valkey.ValkeyServer) -> str:
    """`redis://` URL of this pytest process' own Valkey server."""
    return valkey_session_server.url(REDIS_DATABASE)


@pytest.fixture
def fresh_redis(redis_url: str) -> Iterator[str]:
    """URL of a Valkey server without keys, scripts or other clients, left that way before each test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    yield redis_url
    with redis.Redis.from_url(redis_url) as client:
        # A client that a test left behind must not write into the next one.
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
