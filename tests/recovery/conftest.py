"""One trading floor for all recovery tests, on a migrated database of its own, with a healthy worker and beat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.adapters.embedded.postgres import PostgresCluster
from tests.recovery.floor import Child, Floor, open_floor
from tests.support.servers import database_of_its_own


@pytest.fixture(scope="package")
def floor(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster, migrated_template: str, redis_url: str
) -> Iterator[Floor]:
    with (
        database_of_its_own(postgres_cluster, template=migrated_template) as database_url,
        open_floor(tmp_path_factory.mktemp("floor"), database_url=database_url, redis_url=redis_url) as floor,
    ):
        yield floor


@pytest.fixture(scope="package")
def beat(floor: Floor) -> Child:
    beat = floor.beat()
    floor.wait_ready(beat)
    return beat


@pytest.fixture(scope="package")
def healthy(floor: Floor, beat: Child) -> Child:
    """A worker of every queue that nobody kills."""
    worker = floor.worker("healthy", "critical", "orders", "default")
    floor.wait_ready(worker)
    return worker
