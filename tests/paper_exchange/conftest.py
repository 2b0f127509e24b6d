"""Fixtures of the paper exchange's tests: an engine on a small fixed market, and a real process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paper_exchange.fixed_market import FixedMarket, Table
from tests.support.paper_exchange import PaperExchange, start_paper_exchange


@pytest.fixture
def market() -> FixedMarket:
    return FixedMarket()


@pytest.fixture
def table(market: FixedMarket) -> Table:
    """An engine with 10,000 USDT and a clock moved by hand."""
    return Table(market)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    """A running exchange shared by a module; its limits are wide, its faults cleared by whoever sets them."""
    directory: Path = tmp_path_factory.mktemp("exchange")
    running = start_paper_exchange(directory, "--market", "seed:7", "--wallet", "1000000")
    running.limits(weight_per_minute=1_000_000, orders_per_ten_seconds=1_000_000, orders_per_minute=1_000_000)
    yield running
    running.stop()
