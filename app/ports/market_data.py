"""The newest prices, as the listener heard them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.domain.market import FundingRate, Quote


class MarketData(Protocol):
    """The newest market facts; None means not known, which denies entries."""

    def quote(self, symbol: str) -> Quote | None:
        """Best bid, best ask, mark price."""
        ...

    def funding(self, symbol: str) -> FundingRate | None:
        """The coming funding rate."""
        ...

    def quotes(self) -> Mapping[str, Quote]:
        """All quotes known, by symbol."""
        ...


class MarketDataSink(Protocol):
    """Where the listener puts what the streams say."""

    def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
        """Replace what is known of these symbols."""
        ...
