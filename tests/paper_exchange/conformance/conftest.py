"""One exchange process for each file of the suite, so that each has its own account and its own rate limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.paper_exchange.conformance.raw_client import RawClient
from tests.support.paper_exchange import PaperExchange, start_paper_exchange


def _running(factory: pytest.TempPathFactory, *arguments: str) -> Iterator[PaperExchange]:
    exchange = start_paper_exchange(factory.mktemp("exchange"), "--market", "seed:7", *arguments)
    try:
        yield exchange
    finally:
        exchange.stop()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    """Where a running exchange answers, and the one key it knows."""
    yield from _running(tmp_path_factory)


@pytest.fixture
def jumping_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    """One for a single test that moves the clock: afterwards everybody's timestamps are wrong there."""
    yield from _running(tmp_path_factory)


@pytest.fixture(scope="module")
def legacy_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    """One that also serves the retired stream forms."""
    yield from _running(tmp_path_factory, "--legacy-streams")


@pytest.fixture(scope="module")
def raw(endpoint: PaperExchange) -> Iterator[RawClient]:
    """Hand-made requests, with the same key as the client under test."""
    client = RawClient(url=endpoint.url, key=endpoint.key, secret=endpoint.secret)
    yield client
    client.close()
