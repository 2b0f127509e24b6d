"""Closed one-minute candles over the public REST endpoint, within the shared rate budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from app.adapters.binance import wire
from app.adapters.binance.conversation import Conversation, Silence
from app.adapters.binance.signing import Parameter
from app.adapters.binance.weights import Endpoint, Security
from app.adapters.binance.wire import MalformedAnswerError, safe_text
from app.domain.ensemble.outcomes import MINUTE_MS, Candle
from app.domain.money import ZERO, NotADecimalError, parse_decimal
from app.ports import ExchangeError, Lane, RateBudget
from app.ports.forecasting import CandlesUnavailableError

ROWS_MAX = 1_000  # 1,500 would be allowed and costs twice as much
# Rows asked for -> request weight.
_WEIGHTS = ((99, 1), (499, 2), (ROWS_MAX, 5))
# Candles can wait for budget, and do: entries may not wait for candles.
BUDGET_WAIT_SECONDS_MAX = 30.0
COLUMNS = 6


class MinuteCandles:
    """`app.ports.forecasting.Candles`. `clock_ms` is the exchange's clock; may raise `ExchangeError`."""

    def __init__(
        self,
        *,
        conversation: Conversation,
        budget: RateBudget,
        clock_ms: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._conversation = conversation
        self._budget = budget
        self._clock_ms = clock_ms
        self._sleep = sleep

    def close(self) -> None:
        """Close every connection."""
        self._conversation.close()

    def now_ms(self) -> int:
        try:
            return self._clock_ms()
        except ExchangeError as error:
            raise CandlesUnavailableError(f"the exchange's time is not known: {error}") from error

    def candles(self, symbol: str, *, from_ms: int, until_ms: int) -> Sequence[Candle]:
        """As many requests as it takes, one after another; a candle that has not closed yet is never among them."""
        until_ms = min(until_ms, self.now_ms() // MINUTE_MS * MINUTE_MS)
        found: list[Candle] = []
        while from_ms < until_ms:
            rows = min(ROWS_MAX, (until_ms - from_ms) // MINUTE_MS)
            portion = self._ask(symbol, from_ms=from_ms, until_ms=min(until_ms, from_ms + rows * MINUTE_MS), rows=rows)
            found += portion
            from_ms += rows * MINUTE_MS
        return found

    def _ask(self, symbol: str, *, from_ms: int, until_ms: int, rows: int) -> Sequence[Candle]:
        weight = next(weight for limit, weight in _WEIGHTS if rows <= limit)
        self._take_budget(weight)
        parameters: tuple[Parameter, ...] = (
            ("symbol", symbol),
            ("interval", "1m"),
            ("startTime", str(from_ms)),
            ("endTime", str(until_ms - 1)),
            ("limit", str(rows)),
        )
        endpoint = Endpoint(method="GET", path="/fapi/v1/klines", security=Security.NONE, weight=weight)
        outcome = self._conversation.ask(endpoint, parameters)
        if isinstance(outcome, Silence):
            raise CandlesUnavailableError(f"{symbol}: {outcome.fault}") from outcome.fault
        if not outcome.is_success:
            said = safe_text(outcome.body.decode(errors="replace"))
            raise CandlesUnavailableError(f"{symbol}: the exchange answers {outcome.status}: {said}")
        try:
            candles = parse_minutes(outcome.body)
        except MalformedAnswerError as error:
            raise CandlesUnavailableError(f"{symbol}: {error}") from error
        return [candle for candle in candles if from_ms <= candle.open_ms < until_ms]

    def _take_budget(self, weight: int) -> None:
        left = BUDGET_WAIT_SECONDS_MAX
        while (wait := self._budget.acquire(weight=weight, orders=0, lane=Lane.ENTRY)) is not None:
            if wait.seconds > left:
                raise CandlesUnavailableError(f"no rate budget: {wait.reason}")
            pause = max(wait.seconds, 0.05)
            self._sleep(pause)
            left -= pause


def parse_minutes(body: bytes) -> Sequence[Candle]:
    """The answer of `/fapi/v1/klines` in order of time; `MalformedAnswerError` for anything else."""
    rows = wire.parse_json(body)
    if not isinstance(rows, list):
        raise MalformedAnswerError("klines is no list")
    candles = [_candle(row) for row in rows]
    if any(later.open_ms <= earlier.open_ms for earlier, later in pairwise(candles)):
        raise MalformedAnswerError("klines are out of order")
    return candles


def _candle(row: object) -> Candle:
    if not isinstance(row, list) or len(row) < COLUMNS or type(row[0]) is not int:
        raise MalformedAnswerError("a kline is not a list that begins with its time")
    if not all(isinstance(text, str) for text in row[1:COLUMNS]):
        raise MalformedAnswerError("a kline's prices are not text")
    try:
        opened, high, low, close, volume = (parse_decimal(text) for text in row[1:COLUMNS])
    except NotADecimalError as error:
        raise MalformedAnswerError(f"a kline: {error}") from error
    if min(opened, high, low, close) <= ZERO or volume < ZERO:
        raise MalformedAnswerError("a kline has a price that is not positive")
    return Candle(open_ms=row[0], open=opened, high=high, low=low, close=close, volume=volume)
