"""The market itself: every symbol's price, book, funding and candles, moved on together in fixed steps."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import Final

from app.paper_exchange.market.back_history import BackHistory
from app.paper_exchange.market.book import Ladder
from app.paper_exchange.market.candles import MINUTE_MS, Candle, CandleStore, open_of
from app.paper_exchange.market.draws import NOISE_MASK, noise_table, stream
from app.paper_exchange.market.environment import Environment, Regime
from app.paper_exchange.market.funding import HOUR_MS, funding_rate
from app.paper_exchange.market.interface import (
    BOOK_LEVELS_MAX,
    KLINE_INTERVALS_MS,
    KLINES_MAX,
    BookView,
    FundingView,
    Kline,
    Side,
)
from app.paper_exchange.market.parameters import STEP_MS, ModelParameters
from app.paper_exchange.market.paths import PricePath
from app.paper_exchange.symbols import SymbolSpec

# Work of one advance() call: 500 s of market time. What is left is walked by the next calls (see behind_ms), so an
# exchange that was frozen for an hour answers at once and catches up instead of standing still.
CATCH_UP_STEPS_MAX: Final = 2_000
_MILLION: Final = 1_000_000
_INTERVALS: Final = frozenset(KLINE_INTERVALS_MS.values())
# The index follows the price with a time constant of 2.5 s, the mark price follows the index with one of 5 s.
_INDEX_FOLLOWS: Final = 0.1
_MARK_FOLLOWS: Final = 0.05
# Premium of the contract over the index: decays with a time constant of 8 min, a few basis points wide.
_PREMIUM_DECAY: Final = 1.0 - 1.0 / 2_000.0
_PREMIUM_NOISE: Final = 0.00001
# However fast the market runs, funding is not due more often than this.
FUNDING_INTERVAL_MIN_MS: Final = 1_000
_PRICE_EXPONENT: Final = -8
_PRICE_UNITS: Final = 100_000_000.0


class SymbolMarket:
    """One symbol's state after the latest step. Prices are whole ticks, quantities whole lot steps."""

    __slots__ = (
        "_index",
        "_mark",
        "_noise",
        "_path_tick",
        "_premium",
        "_rising",
        "_spread_fraction",
        "_touch_steps_ticks",
        "candles",
        "ladder",
        "last",
        "path",
        "salt",
        "spec",
    )

    def __init__(
        self,
        *,
        spec: SymbolSpec,
        parameters: ModelParameters,
        path: PricePath,
        noise: tuple[float, ...],
        candles: CandleStore,
        salt: int,
    ) -> None:
        self.spec = spec
        self.path = path
        self.candles = candles
        self.salt = salt
        self.last = self._path_tick = round(path.price_ticks)
        self._noise = noise
        self._index = self._mark = path.price_ticks
        self._premium = 0.0
        self._rising = True
        self._spread_fraction = parameters.spread_fraction
        # Touch size in lot steps times the price in ticks, so that a step divides once.
        self._touch_steps_ticks = parameters.touch_notional / float(spec.price_tick * spec.quantity_step)
        self.ladder = Ladder(noise=noise, bid=self.last - 1, ask=self.last, touch_steps=1.0)
        self._quote(0)

    def step(self, environment: Environment, number: int) -> None:
        """Move the price, trade at it, put the book around it."""
        price = self.path.step(environment)
        tick = round(price)
        if tick != self._path_tick:
            # The tick rule: a price that rises was paid by a buyer at the ask.
            self._rising = tick > self._path_tick
            self._path_tick = tick
        self.last = tick
        noise = self._noise
        draw = noise[(number * 7 + self.salt) & NOISE_MASK]
        self.candles.trade(tick, int(self.path.volume_steps * draw) or 1, is_buy=self._rising)
        premium = self._premium * _PREMIUM_DECAY + (draw - 1.0) * _PREMIUM_NOISE
        self._premium = premium
        self._index += (price * (1.0 - premium) - self._index) * _INDEX_FOLLOWS
        self._mark += (self._index * (1.0 + premium) - self._mark) * _MARK_FOLLOWS
        self.ladder.refill()
        self._quote(number)

    def _quote(self, number: int) -> None:
        tick, path, ladder = self._path_tick, self.path, self.ladder
        draw = self._noise[(number * 13 + self.salt * 3) & NOISE_MASK]
        spread = int(tick * self._spread_fraction * path.spread * draw) or 1
        if self._rising and tick > spread:
            ladder.bid, ladder.ask = tick - spread, tick
        else:
            ladder.bid, ladder.ask = tick, tick + spread
        ladder.touch_steps = self._touch_steps_ticks * path.depth / tick
        ladder.update_id += 1

    def mark_price(self) -> Decimal:
        """Smoothed price for margin, 8 decimals."""
        return self._eight_decimals(self._mark)

    def index_price(self) -> Decimal:
        """Price of the underlying, 8 decimals."""
        return self._eight_decimals(self._index)

    def _eight_decimals(self, ticks: float) -> Decimal:
        units = ticks * float(self.spec.price_tick) * _PRICE_UNITS
        return Decimal(round(units)).scaleb(_PRICE_EXPONENT)


class SimulatedMarket:
    """Joins the symbols; see the Market protocol for the contract.

    `speed` is market time over exchange time: at 60 a minute of market movement, refill and turnover takes a second.
    Candles are stamped with exchange time; funding is due as many times as often as the market is fast.
    """

    def __init__(
        self, *, seed: int, speed_millionths: int, start_ms: int, tracks: Mapping[str, SymbolMarket],
        parameters: Mapping[str, ModelParameters], notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._seed = seed
        self._speed_millionths = speed_millionths
        self._start_ms = start_ms
        self._tracks = dict(tracks)
        self._parameters = parameters
        self._notes = notes
        self._symbols = MappingProxyType({symbol: track.spec for symbol, track in self._tracks.items()})
        self._environment = Environment(seed)
        self._step = 0
        self._target = 0
        self._minute = open_of(start_ms, MINUTE_MS)
        self._now_ms = start_ms

    @property
    def symbols(self) -> Mapping[str, SymbolSpec]:
        """The listed contracts by symbol."""
        return self._symbols

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about the source."""
        return self._notes

    @property
    def behind_ms(self) -> int:
        """Market time still to be walked."""
        return (self._target - self._step) * STEP_MS

    @property
    def regime(self) -> Regime:
        """How nervous the modelled market is."""
        return self._environment.regime

    def advance(self, now_ms: int) -> None:
        """Walk the steps up to `now_ms`, at most CATCH_UP_STEPS_MAX of them."""
        self._now_ms = max(self._now_ms, now_ms)
        due = (now_ms - self._start_ms) * self._speed_millionths // (STEP_MS * _MILLION)
        self._target = max(self._target, due)
        environment, tracks = self._environment, tuple(self._tracks.values())
        for number in range(self._step + 1, min(self._target, self._step + CATCH_UP_STEPS_MAX) + 1):
            minute = open_of(self._start_ms + number * STEP_MS * _MILLION // self._speed_millionths, MINUTE_MS)
            if minute != self._minute:
                self._minute = minute
                for track in tracks:
                    track.candles.roll(minute)
            environment.step()
            for track in tracks:
                track.step(environment, number)
            self._step = number

    def mark_price(self, symbol: str) -> Decimal:
        """Price that margin and liquidation use."""
        return self._tracks[symbol].mark_price()

    def index_price(self, symbol: str) -> Decimal:
        """Price of the underlying."""
        return self._tracks[symbol].index_price()

    def last_price(self, symbol: str) -> Decimal:
        """Price of the last trade."""
        track = self._tracks[symbol]
        return track.last * track.spec.price_tick

    def book(self, symbol: str, limit: int) -> BookView:
        """At most `limit` levels a side."""
        track = self._tracks[symbol]
        if not 1 <= limit <= BOOK_LEVELS_MAX:
            raise ValueError(f"limit {limit} is not between 1 and {BOOK_LEVELS_MAX}")
        return BookView(
            symbol,
            bids=self._levels(track, "SELL", limit),
            asks=self._levels(track, "BUY", limit),
            last_update_id=track.ladder.update_id,
        )

    def _levels(self, track: SymbolMarket, taker: Side, limit: int) -> tuple[tuple[Decimal, Decimal], ...]:
        tick, step = track.spec.price_tick, track.spec.quantity_step
        levels = zip(range(limit), track.ladder.levels(taker, self._step + track.salt), strict=False)
        return tuple((price * tick, quantity * step) for _, (price, quantity) in levels)

    def take(
        self, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None
    ) -> list[tuple[Decimal, Decimal]]:
        """Consume what a taker of `side` may get."""
        track = self._tracks[symbol]
        tick, step = track.spec.price_tick, track.spec.quantity_step
        steps = int(quantity / step)
        if steps <= 0:
            return []
        limit_tick: int | None = None
        if limit_price is not None:
            rounding = ROUND_FLOOR if side == "BUY" else ROUND_CEILING
            limit_tick = int((limit_price / tick).to_integral_value(rounding))
        fills = track.ladder.take(side, steps, limit_tick, self._step + track.salt)
        return [(price * tick, amount * step) for price, amount in fills]

    def funding(self, symbol: str) -> FundingView:
        """Current funding rate and the next time it is paid."""
        interval_ms = self._funding_interval_ms(symbol)
        due_ms = (self._now_ms // interval_ms + 1) * interval_ms
        hours = self._parameters[symbol].funding_interval_hours
        return FundingView(symbol, self.funding_rate_at(symbol, due_ms), due_ms, hours)

    def funding_rate_at(self, symbol: str, funding_ms: int) -> Decimal:
        """Rate that was (or will be) paid at a funding time of the symbol."""
        period = funding_ms // self._funding_interval_ms(symbol)
        parameters = self._parameters[symbol]
        return funding_rate(
            seed=self._seed,
            symbol=symbol,
            period=period,
            interval_hours=parameters.funding_interval_hours,
            hot_share=parameters.funding_hot_share,
        )

    def _funding_interval_ms(self, symbol: str) -> int:
        """Exchange time between two payments: the symbol's hours, shortened by the speed, never below a second."""
        hours = self._parameters[symbol].funding_interval_hours
        return max(FUNDING_INTERVAL_MIN_MS, round(hours * HOUR_MS * _MILLION / self._speed_millionths))

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        """Candles whose open time lies in [start_ms, end_ms], ascending, the live one included."""
        track = self._tracks[symbol]
        if interval_ms not in _INTERVALS:
            raise ValueError(f"no candles of {interval_ms} ms")
        if limit < 1:
            raise ValueError(f"limit {limit} is below 1")
        found = track.candles.candles(interval_ms, start_ms, end_ms, min(limit, KLINES_MAX))
        return [_kline(candle, track.spec, interval_ms) for candle in found]

    def record_trade(self, symbol: str, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Make a trade of the exchange's users visible as last price and in the live candle."""
        track = self._tracks[symbol]
        self._now_ms = max(self._now_ms, now_ms)
        tick = round(price / track.spec.price_tick)
        track.last = tick
        is_buy = tick > track.ladder.bid
        track.candles.trade(tick, round(quantity / track.spec.quantity_step), is_buy=is_buy)


def _kline(candle: Candle, spec: SymbolSpec, interval_ms: int) -> Kline:
    tick, step = spec.price_tick, spec.quantity_step
    unit = tick * step
    return Kline(
        open_ms=candle.open_ms,
        close_ms=candle.open_ms + interval_ms - 1,
        open=candle.open * tick,
        high=candle.high * tick,
        low=candle.low * tick,
        close=candle.close * tick,
        volume=candle.quantity * step,
        quote_volume=candle.quote * unit,
        trades=candle.trades,
        taker_buy_volume=candle.buy_quantity * step,
        taker_buy_quote_volume=candle.buy_quote * unit,
    )


def symbol_market(
    *, seed: int, spec: SymbolSpec, parameters: ModelParameters, path: PricePath, start_ms: int
) -> SymbolMarket:
    """Put one symbol's parts together around its path."""
    price = round(path.price_ticks)
    tick, step = float(spec.price_tick), float(spec.quantity_step)
    past = BackHistory(seed=seed, symbol=spec.symbol, parameters=parameters, quantity_step=step)
    return SymbolMarket(
        spec=spec,
        parameters=parameters,
        path=path,
        noise=noise_table(stream(seed, spec.symbol, "book"), 0.4, 1.6),
        candles=CandleStore(
            start_ms=start_ms,
            price=price,
            history=lambda: past.candles(start_ms=start_ms, price=price, price_tick=tick),
        ),
        salt=stream(seed, spec.symbol, "salt").getrandbits(12),
    )
