"""The seeded market: reproducible to the last tick, and behaving like a market."""

import hashlib
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt

import pytest

from app.paper_exchange.market import MarketError, open_market
from app.paper_exchange.market.environment import TRAITS, Environment, Regime
from app.paper_exchange.market.opening import open_simulated_market
from app.paper_exchange.market.parameters import MODEL_PARAMETERS, STEP_MS
from app.paper_exchange.market.simulated import CATCH_UP_STEPS_MAX, SimulatedMarket
from app.paper_exchange.symbols import CATALOGUE

START_MS = 1_763_000_040_000


def fingerprint(market: SimulatedMarket) -> str:
    """Everything a client can see, as one hash."""
    seen = hashlib.sha256()
    for symbol in market.symbols:
        seen.update(repr((market.book(symbol, 50), market.last_price(symbol), market.mark_price(symbol))).encode())
        seen.update(repr((market.index_price(symbol), market.funding(symbol))).encode())
    for symbol in sorted({"BTCUSDT", "OPUSDT"} & set(market.symbols)):
        seen.update(repr(market.klines(symbol, 60_000, None, None, 5)).encode())
    return seen.hexdigest()


def seeded(seed: int = 7, *symbols: str, speed: float = 1.0) -> SimulatedMarket:
    return open_simulated_market(f"seed:{seed}", speed=speed, start_ms=START_MS, symbols=symbols or CATALOGUE)


def drive(market: SimulatedMarket, seconds: float, *, every_ms: int = STEP_MS) -> None:
    for passed in range(0, int(seconds * 1_000) + 1, every_ms):
        market.advance(START_MS + passed)


def test_the_same_seed_and_calls_give_the_same_market_to_the_last_tick():
    first, second = seeded(), seeded()
    for market in (first, second):
        drive(market, 30)
        market.take("BTCUSDT", "BUY", Decimal("1.5"), None)
        market.record_trade("BTCUSDT", market.book("BTCUSDT", 1).asks[0][0], Decimal("1.5"), START_MS + 30_000)
        drive(market, 31)
    assert fingerprint(first) == fingerprint(second)


def test_the_market_of_a_seed_is_the_same_on_every_machine():
    # Written down once; only integer and correctly rounded arithmetic is used, so no C library may change it.
    market = seeded()
    drive(market, 120, every_ms=1_000)
    assert fingerprint(market)[:16] == "777706950711f576"


def test_how_often_the_market_is_advanced_does_not_change_its_path():
    often, rarely = seeded(), seeded()
    drive(often, 60, every_ms=37)
    often.advance(START_MS + 60_000)
    rarely.advance(START_MS + 60_000)
    assert fingerprint(often) == fingerprint(rarely)


def test_the_path_of_a_symbol_does_not_depend_on_the_others():
    alone, together = seeded(7, "SOLUSDT"), seeded()
    drive(alone, 30)
    drive(together, 30)
    assert alone.book("SOLUSDT", 20) == together.book("SOLUSDT", 20)
    assert alone.mark_price("SOLUSDT") == together.mark_price("SOLUSDT")


def test_another_seed_is_another_market():
    first, second = seeded(1), seeded(2)
    drive(first, 5)
    drive(second, 5)
    assert fingerprint(first) != fingerprint(second)


def test_time_that_runs_backwards_changes_nothing():
    market = seeded()
    market.advance(START_MS + 10_000)
    before = fingerprint(market)
    market.advance(START_MS - 3_600_000)
    assert fingerprint(market) == before
    assert market.behind_ms == 0


def test_one_call_does_bounded_work_and_the_next_calls_catch_up():
    jumped, steady = seeded(7, "BTCUSDT", "ETHUSDT"), seeded(7, "BTCUSDT", "ETHUSDT")
    end_ms = START_MS + (2 * CATCH_UP_STEPS_MAX + 100) * STEP_MS
    jumped.advance(end_ms)
    assert jumped.behind_ms == (CATCH_UP_STEPS_MAX + 100) * STEP_MS
    jumped.advance(end_ms)
    jumped.advance(end_ms)
    assert jumped.behind_ms == 0
    for step in range(0, 2 * CATCH_UP_STEPS_MAX + 101, 100):
        steady.advance(START_MS + step * STEP_MS)
    assert fingerprint(jumped) == fingerprint(steady)


def test_speed_walks_the_same_path_in_less_exchange_time():
    fast, slow = seeded(speed=60), seeded()
    fast.advance(START_MS + 5_000)
    slow.advance(START_MS + 300_000)
    assert [fast.last_price(symbol) for symbol in CATALOGUE] == [slow.last_price(symbol) for symbol in CATALOGUE]


def returns(seconds: int, symbols: tuple[str, ...]) -> dict[str, list[float]]:
    market = seeded(11, *symbols)
    prices: dict[str, list[float]] = {symbol: [] for symbol in symbols}
    for passed in range(0, seconds, 5):
        market.advance(START_MS + passed * 1_000)
        for symbol in symbols:
            prices[symbol].append(float(market.index_price(symbol)))
    return {symbol: [log(after / before) for before, after in pairwise(row)] for symbol, row in prices.items()}


def correlation(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True)) / sqrt(
        sum(a * a for a in left) * sum(b * b for b in right)
    )


def test_symbols_move_together_but_not_alike():
    moves = returns(3_600, ("BTCUSDT", "ETHUSDT", "ALGOUSDT"))
    assert 0.5 < correlation(moves["BTCUSDT"], moves["ETHUSDT"]) < 0.97
    assert 0.3 < correlation(moves["ETHUSDT"], moves["ALGOUSDT"]) < 0.95


def test_volatility_and_spreads_follow_the_regime_and_depth_goes_the_other_way():
    """Half an hour in each regime, the regime held still, the same draws."""
    moved: dict[Regime, float] = {}
    spreads: dict[Regime, float] = {}
    touches: dict[Regime, float] = {}
    for regime in Regime:
        market = seeded(5, "SOLUSDT")
        total, count, spread, touch = 0.0, 0, 0.0, 0.0
        before = float(market.index_price("SOLUSDT"))
        for number in range(1, 7_200):
            hold(market, regime)
            market.advance(START_MS + number * STEP_MS)
            if number % 20 == 0:
                price = float(market.index_price("SOLUSDT"))
                total += log(price / before) ** 2
                before = price
                book = market.book("SOLUSDT", 1)
                spread += float(book.asks[0][0] - book.bids[0][0])
                touch += float(book.asks[0][1])
                count += 1
        moved[regime], spreads[regime], touches[regime] = sqrt(total / count), spread / count, touch / count
    assert moved[Regime.CALM] * 1.5 < moved[Regime.NORMAL] < moved[Regime.STRESSED] / 2
    assert spreads[Regime.CALM] <= spreads[Regime.NORMAL] < spreads[Regime.STRESSED] / 2
    assert touches[Regime.CALM] > touches[Regime.NORMAL] > touches[Regime.STRESSED] * 2


def hold(market: SimulatedMarket, regime: Regime) -> None:
    environment = market._environment
    environment.regime, environment.traits = regime, TRAITS[regime]


def test_every_regime_occurs_and_normal_and_calm_prevail():
    environment = Environment(3)
    counts = dict.fromkeys(Regime, 0)
    for _ in range(4 * 3_600 * 24 * 2):
        environment.step()
        counts[environment.regime] += 1
    total = sum(counts.values())
    assert 0.03 < counts[Regime.STRESSED] / total < 0.25
    assert counts[Regime.CALM] / total > 0.2
    assert counts[Regime.NORMAL] / total > 0.2


def test_an_hour_of_bitcoin_moves_like_its_annual_volatility_says():
    moves = returns(3_600, ("BTCUSDT",))["BTCUSDT"]
    # The index is smoothed, so its five-second moves are a little smaller; regimes make them up to 3 times as large.
    annual = sqrt(sum(move * move for move in moves) / len(moves) * 365 * 17_280)
    assert 0.15 < annual < 3 * MODEL_PARAMETERS["BTCUSDT"].annual_volatility


def test_mark_index_and_last_stay_close_to_each_other():
    market = seeded(4)
    for passed in range(0, 1_800, 10):
        market.advance(START_MS + passed * 1_000)
        for symbol in CATALOGUE:
            last = market.last_price(symbol)
            assert abs(market.mark_price(symbol) / last - 1) < Decimal("0.02")
            assert abs(market.index_price(symbol) / last - 1) < Decimal("0.02")


def test_last_price_is_on_tick_and_within_the_contract_limits():
    market = seeded(9)
    for passed in range(0, 600, 7):
        market.advance(START_MS + passed * 1_000)
        for symbol, spec in CATALOGUE.items():
            assert market.last_price(symbol) % spec.price_tick == 0
            assert spec.price_min < market.last_price(symbol) < spec.price_max


def test_a_recorded_trade_is_the_last_price_until_the_market_trades_again():
    market = seeded()
    market.advance(START_MS + 1_000)
    price = market.last_price("BTCUSDT") + Decimal("250.00")
    market.record_trade("BTCUSDT", price, Decimal("0.010"), START_MS + 1_000)
    assert market.last_price("BTCUSDT") == price
    market.advance(START_MS + 1_250)
    assert market.last_price("BTCUSDT") != price


def test_funding_is_mostly_a_hundredth_of_a_percent_and_due_on_the_interval():
    market = seeded()
    for symbol, parameters in MODEL_PARAMETERS.items():
        view = market.funding(symbol)
        interval_ms = parameters.funding_interval_hours * 3_600_000
        assert START_MS < view.next_funding_ms <= START_MS + interval_ms
        assert view.next_funding_ms % interval_ms == 0
        assert view.interval_hours == parameters.funding_interval_hours
        assert view.rate == market.funding_rate_at(symbol, view.next_funding_ms)
    rates = [market.funding_rate_at("ADAUSDT", period * 28_800_000) for period in range(61_000, 62_000)]
    assert sum(rate == Decimal("0.0001") for rate in rates) > 450
    assert 10 < sum(abs(rate) > Decimal("0.00041") for rate in rates) < 100
    assert max(abs(rate) for rate in rates) < Decimal("0.002")


def test_funding_of_the_deepest_markets_never_runs_hot():
    market = seeded()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        rates = {market.funding_rate_at(symbol, period * 28_800_000) for period in range(61_000, 63_000)}
        assert len(rates) > 100
        assert max(abs(rate) for rate in rates) < Decimal("0.0005")


def test_the_funding_time_moves_on_when_it_is_reached():
    market = seeded(7, "BTCUSDT")
    due_ms = market.funding("BTCUSDT").next_funding_ms
    market.advance(due_ms - 1)
    assert market.funding("BTCUSDT").next_funding_ms == due_ms
    market.advance(due_ms)
    assert market.funding("BTCUSDT").next_funding_ms == due_ms + 28_800_000


def test_funding_is_due_as_many_times_as_often_as_the_market_is_fast():
    fast = seeded(speed=60)
    first = fast.funding("BTCUSDT")
    assert first.next_funding_ms % 480_000 == 0
    fast.advance(first.next_funding_ms)
    second = fast.funding("BTCUSDT")
    assert second.next_funding_ms == first.next_funding_ms + 480_000
    assert (first.interval_hours, second.interval_hours) == (8, 8)


@pytest.mark.parametrize("spec", ["seed:", "seed:x", "seed:-1", "seed:1.5", "seed:99999999999999999999", "seed:٣"])
def test_a_seed_that_is_no_whole_number_is_refused_in_one_line(spec: str):
    with pytest.raises(MarketError, match="seed") as caught:
        open_market(spec, speed=1, start_ms=START_MS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("speed", [0, -1, 1_001, float("nan"), float("inf")])
def test_a_speed_out_of_bounds_is_refused(speed: float):
    with pytest.raises(MarketError, match="speed"):
        open_market("seed:1", speed=speed, start_ms=START_MS)


def test_every_listed_contract_has_a_model_and_consistent_limits():
    assert len(CATALOGUE) >= 16
    assert set(MODEL_PARAMETERS) == set(CATALOGUE)
    for symbol, spec in CATALOGUE.items():
        price = Decimal(str(MODEL_PARAMETERS[symbol].reference_price))
        assert spec.price_min < price < spec.price_max
        assert spec.price_min % spec.price_tick == 0
        assert spec.quantity_min % spec.quantity_step == 0
        assert spec.market_quantity_max <= spec.quantity_max
        # An order of 50 USDT can be sized to within a tenth on every contract.
        assert spec.quantity_step * price < 100
        for lower, upper in pairwise(spec.leverage_brackets):
            assert lower.notional_cap == upper.notional_floor
            assert lower.initial_leverage > upper.initial_leverage
            at = upper.notional_floor
            # No jump in the maintenance margin where a bracket begins.
            assert (
                at * lower.maintenance_margin_ratio - lower.cumulative
                == at * upper.maintenance_margin_ratio - upper.cumulative
            )


def test_bitcoin_carries_the_live_values():
    spec = CATALOGUE["BTCUSDT"]
    assert (spec.price_min, spec.price_max, spec.price_tick) == (Decimal("556.80"), Decimal(4529764), Decimal("0.10"))
    assert (spec.quantity_min, spec.quantity_max, spec.quantity_step) == (Decimal("0.001"), 1000, Decimal("0.001"))
    assert (spec.market_quantity_max, spec.orders_max, spec.notional_min) == (120, 200, 50)
    assert (spec.multiplier_up, spec.multiplier_down) == (Decimal("1.05"), Decimal("0.95"))
    assert (spec.price_precision, spec.quantity_precision, spec.market_take_bound) == (2, 3, Decimal("0.05"))
