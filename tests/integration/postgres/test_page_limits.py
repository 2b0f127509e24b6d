"""What the web lets a caller ask for is what Postgres serves."""

from __future__ import annotations

from datetime import UTC, datetime

from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.read_models import PostgresReadModels
from web.limits import EQUITY_POINTS_MAX, PAGE_ITEMS_MAX


def test_the_largest_page_the_web_allows_is_served(fresh_database):
    engine = create_engine(fresh_database, application_name="test", pool_size=1)
    try:
        read = PostgresReadModels(engine)
        since = datetime(2026, 1, 1, tzinfo=UTC)
        assert read.equity(since=None, limit=EQUITY_POINTS_MAX).items == []
        assert read.equity(since=since, limit=EQUITY_POINTS_MAX).items == []
        assert read.signals(states=[], after=None, limit=PAGE_ITEMS_MAX).items == []
        assert read.orders(after=None, limit=PAGE_ITEMS_MAX).items == []
    finally:
        engine.dispose()
