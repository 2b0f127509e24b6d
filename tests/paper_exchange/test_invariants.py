"""Whatever is ordered in whatever sequence: money adds up to the last digit, and three tellings of it agree."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.paper_exchange import ledger
from app.paper_exchange.account import MarginType
from app.paper_exchange.events import AccountEvent, Event, OrderEvent
from app.paper_exchange.journal import Journal
from app.paper_exchange.orders import IncomeType, Order
from app.paper_exchange.state import ExchangeState
from tests.paper_exchange.fixed_market import BTC, ETH, HOUR_MS, PRICES, XRP, D, FixedMarket, Table

SYMBOLS = (BTC, ETH, XRP)
SIZES = {BTC: D("0.001"), ETH: D("0.02"), XRP: D("30")}
# Small enough that a crash of XRP liquidates.
WALLET = "600"
FORCES = ("GTC", "IOC", "FOK", "GTX")

symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from(("BUY", "SELL"))
# Ticks away from the reference price, and multiples of a small order.
offsets = st.integers(-30, 30)
sizes = st.integers(1, 40)
actions = st.one_of(
    st.tuples(st.just("market"), symbols, sides, sizes, st.booleans()),
    st.tuples(st.just("limit"), symbols, sides, sizes, offsets, st.sampled_from(FORCES), st.booleans()),
    st.tuples(st.just("stop"), symbols, sides, sizes, st.integers(1, 30)),
    st.tuples(st.just("move"), symbols, st.integers(-900, 900)),
    st.tuples(st.just("move"), st.just(XRP), st.integers(-9_000, 9_000)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("amend"), st.integers(0, 50), sizes, offsets),
    st.tuples(st.just("time"), st.sampled_from((100, 60_000, 8 * HOUR_MS))),
    st.tuples(st.just("leverage"), symbols, st.sampled_from((1, 3, 20, 50))),
    st.tuples(st.just("margin"), symbols, st.sampled_from(tuple(MarginType))),
)


def act(table: Table, action: tuple[Any, ...]) -> None:
    """One step of a random sequence; refusals are as good an outcome as any."""
    kind, *rest = action
    orders = list(table.state.orders.values())
    if kind == "market":
        symbol, side, size, reduce_only = rest
        table.order(side, str(SIZES[symbol] * size), symbol=symbol, reduce_only=reduce_only)
    elif kind == "limit":
        symbol, side, size, offset, force, reduce_only = rest
        price = table.market.mark_price(symbol) + table.market.symbols[symbol].price_tick * offset
        table.order(side, str(SIZES[symbol] * size), str(price), symbol=symbol, force=force, reduce_only=reduce_only)
    elif kind == "stop":
        symbol, side, size, offset = rest
        tick = table.market.symbols[symbol].price_tick * offset
        trigger = table.market.last_price(symbol) + (tick if side == "BUY" else -tick)
        table.algo("STOP_MARKET", side, str(trigger), str(SIZES[symbol] * size), symbol=symbol)
    elif kind == "move":
        symbol, ticks = rest
        tick = table.market.symbols[symbol].price_tick
        table.market.set_price(symbol, PRICES[symbol] + tick * ticks, quantity=str(SIZES[symbol] * 7), levels=4)
        table.pass_time()
    elif kind == "cancel" and orders:
        table.engine.cancel(orders[rest[0] % len(orders)], table.moment)
    elif kind == "amend" and orders:
        order = orders[rest[0] % len(orders)]
        price = PRICES[order.symbol] + table.market.symbols[order.symbol].price_tick * rest[2]
        table.engine.amend(order, quantity=SIZES[order.symbol] * rest[1], price=price, moment=table.moment)
    elif kind == "time":
        table.pass_time(rest[0])
    elif kind == "leverage":
        table.engine.set_leverage(rest[0], rest[1], table.moment)
    elif kind == "margin":
        table.engine.set_margin_type(rest[0], rest[1])


def total(table: Table, kind: IncomeType) -> Decimal:
    return sum((i.income for i in table.state.incomes if i.income_type is kind), D(0))


def assert_money_adds_up(table: Table) -> None:
    """Recompute everything from the fills alone and compare exactly."""
    state = table.state
    cash = D(0)
    for symbol in SYMBOLS:
        signed = [(f.quantity if f.side == "BUY" else -f.quantity, f.price) for f in state.fills if f.symbol == symbol]
        held = sum((q for q, _ in signed), D(0))
        assert state.account.position(symbol).quantity == held
        cash += held * table.market.mark_price(symbol) - sum((q * p for q, p in signed), D(0))
    fees = sum((f.fee for f in state.fills), D(0))
    realised = sum((f.realised_pnl for f in state.fills), D(0))
    funding, insurance = total(table, IncomeType.FUNDING_FEE), total(table, IncomeType.INSURANCE_CLEAR)
    assert table.wallet == table.deposit + realised - fees + funding + insurance
    assert table.wallet + table.unrealised() == table.deposit + cash - fees + funding + insurance
    assert total(table, IncomeType.COMMISSION) == -fees
    assert total(table, IncomeType.REALIZED_PNL) == realised


def assert_orders_are_sound(table: Table) -> None:
    for order in table.state.orders.values():
        fills = table.state.fills_of_order.get(order.order_id, [])
        assert order.executed_quantity == sum((f.quantity for f in fills), D(0)) <= order.quantity
        assert (order.status == "FILLED") == (order.executed_quantity == order.quantity)
        # An amended order's earlier fills were within the price it had then.
        if order.type == "LIMIT" and not order.amendments:
            assert all((f.price <= order.price) if order.side == "BUY" else (f.price >= order.price) for f in fills)
    open_ids = {o.order_id for o in table.state.all_open()}
    assert open_ids == {o.order_id for o in table.state.orders.values() if o.is_open}
    for symbol in SYMBOLS:
        position = table.state.account.position(symbol)
        closing = [o for o in table.state.open_of(symbol) if o.reduce_only]
        assert sum((o.remaining for o in closing), D(0)) <= abs(position.quantity)
        assert all((o.side == "SELL") == (position.quantity > 0) for o in closing)
        assert (position.cost == 0) or position.quantity != 0
        assert position.isolated_wallet == 0 or position.margin_type is MarginType.ISOLATED


def assert_the_stream_tells_the_same(table: Table, events: list[Event]) -> None:
    """A listener who saw every event knows every order, the wallet and every position."""
    seen: dict[int, Order] = {}
    filled: dict[int, Decimal] = {}
    wallet: Decimal | None = None
    quantities: dict[str, Decimal] = {}
    for event in events:
        if isinstance(event, OrderEvent):
            seen[event.order.order_id] = event.order
            if event.fill:
                filled[event.order.order_id] = filled.get(event.order.order_id, D(0)) + event.fill.quantity
        elif isinstance(event, AccountEvent):
            wallet = event.wallet if event.wallet is not None else wallet
            quantities |= {p.symbol: p.quantity for p, _ in event.positions}
    assert seen == {i: replace(o) for i, o in table.state.orders.items()}
    assert all(filled.get(i, D(0)) == o.executed_quantity for i, o in seen.items())
    assert wallet in (None, table.wallet)
    assert all(table.quantity(symbol) == quantity for symbol, quantity in quantities.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=40))
def test_money_adds_up_to_the_last_digit_after_any_sequence(sequence: list[tuple[Any, ...]]):
    table = Table(FixedMarket(), wallet=WALLET)
    events: list[Event] = []
    for action in sequence:
        act(table, action)
        table.now_us += 1000
        events += table.events()
        assert_money_adds_up(table)
    assert_orders_are_sound(table)
    assert_the_stream_tells_the_same(table, events)


@settings(max_examples=15, deadline=None)
@given(st.lists(actions, max_size=30))
def test_what_was_committed_is_what_is_found_after_a_restart(sequence: list[tuple[Any, ...]]):
    with tempfile.TemporaryDirectory() as directory:
        table = Table(FixedMarket(), wallet=WALLET)
        journal = Journal(Path(directory))
        journal.commit(table.state)
        for action in sequence:
            act(table, action)
            table.now_us += 1000
            journal.commit(table.state)
        journal.close()
        reopened = Journal(Path(directory))
        found = ExchangeState(table.market)
        assert reopened.restore(found)
        reopened.close()
    for name in ("orders", "fills", "incomes", "algos", "open_algos", "open_orders", "counters", "algo_of_order"):
        mine, theirs = getattr(table.state, name), getattr(found, name)
        if name == "open_orders":
            mine, theirs = ({s: o for s, o in side.items() if o} for side in (mine, theirs))
        assert theirs == mine, name
    assert found.account.wallet == table.wallet
    assert {s: p for s, p in found.account.positions.items() if p.quantity} == {
        s: p for s, p in table.state.account.positions.items() if p.quantity
    }
    assert ledger.describe(found, 0) == ledger.describe(table.state, 0)


@settings(max_examples=20, deadline=None)
@given(st.lists(actions, max_size=30))
def test_the_same_requests_at_the_same_times_have_the_same_outcome(sequence: list[tuple[Any, ...]]):
    tables = (Table(FixedMarket(), wallet=WALLET), Table(FixedMarket(), wallet=WALLET))
    for table in tables:
        for action in sequence:
            act(table, action)
            table.now_us += 1000
    first, second = tables
    assert first.state.fills == second.state.fills
    assert first.state.orders == second.state.orders
    assert first.state.incomes == second.state.incomes


def drawn(generator: random.Random) -> tuple[Any, ...]:
    """One action, mostly an order, from a seed that names the sequence for ever."""
    symbol, side, size = generator.choice(SYMBOLS), generator.choice(("BUY", "SELL")), generator.randint(1, 40)
    force, reduce_only = generator.choice(FORCES), generator.random() < 0.2
    choices: list[tuple[int, tuple[Any, ...]]] = [
        (30, ("market", symbol, side, size, reduce_only)),
        (45, ("limit", symbol, side, size, generator.randint(-30, 30), force, reduce_only)),
        (5, ("stop", symbol, side, size, generator.randint(1, 30))),
        (8, ("move", symbol, generator.randint(-900, 900))),
        (1, ("move", XRP, generator.randint(-9_000, 9_000))),
        (6, ("cancel", generator.randint(0, 500))),
        (3, ("amend", generator.randint(0, 500), generator.randint(1, 40), generator.randint(-30, 30))),
        (2, ("time", generator.choice((100, 60_000, 8 * HOUR_MS)))),
    ]
    return generator.choices([action for _, action in choices], weights=[weight for weight, _ in choices])[0]


@pytest.mark.parametrize("seed", range(8))
def test_after_a_thousand_orders_money_adds_up_to_the_last_digit(seed: int):
    generator = random.Random(f"thousand {seed}")
    # Rich enough to go on trading for a thousand orders, poor enough to be liquidated now and then.
    table = Table(FixedMarket(), wallet="20000")
    events: list[Event] = []
    asked = 0
    while asked < 1_000:
        action = drawn(generator)
        asked += action[0] in ("market", "limit")
        act(table, action)
        table.now_us += 1000
        events += table.events()
        if asked % 100 == 0:
            assert_money_adds_up(table)
    assert_money_adds_up(table)
    assert_orders_are_sound(table)
    assert_the_stream_tells_the_same(table, events)
    assert len(table.state.fills) > 300
