"""The client against a real paper exchange process that shares no code with it; the exchange's ledger is the truth."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.adapters.binance.credentials import Credentials
from app.adapters.binance.market_stream import MarketStream
from app.adapters.binance.rest import RestExchange
from app.adapters.binance.stream_loop import StreamLimits
from app.adapters.binance.transport import PooledTransport, Timeouts
from app.adapters.binance.user_events import AccountUpdate, OrderUpdate, StreamGap, UserEvent
from app.adapters.binance.user_stream import UserStream
from app.domain.market import FundingRate, Quote
from app.domain.orders import Attempt, OrderType, TimeInForce
from app.domain.protection.orders import Leg, ProtectionState, ProtectiveOrder, client_algo_id
from app.domain.regimes import read_regime
from app.domain.signals import Side
from app.ports import ConditionalReport, NotFound, OrderReport, Rejected, RetryAfter, Unknown
from tests.support.paper_exchange import PaperExchange, start_paper_exchange
from tests.support.waiting import wait_until
from tests.unit.binance.fakes import RecordingBudget, make_attempt

pytestmark = pytest.mark.integration

SYMBOL = "BTCUSDT"
TICK = Decimal("0.1")
FAST = Timeouts(connect_seconds=1.0, read_seconds=0.4, total_seconds=1.0)
QUICK_STREAM = StreamLimits(poll_seconds=0.05, backoff_first_seconds=0.05, backoff_seconds_max=0.2)
WAIT = 10.0
_numbers = count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    started = start_paper_exchange(tmp_path_factory.mktemp("paper"), "--limit-orders-10s", "100000")
    started.limits(orders_per_ten_seconds=100_000, orders_per_minute=100_000, weight_per_minute=100_000)
    yield started
    assert started.stop() == 0


@pytest.fixture
def paper(running: PaperExchange) -> Iterator[PaperExchange]:
    yield running
    running.clear_faults()
    running.clock(offset_ms=0)
    running.limits(reset=True)


@pytest.fixture
def budget() -> RecordingBudget:
    return RecordingBudget()


@pytest.fixture
def exchange(paper: PaperExchange, budget: RecordingBudget) -> Iterator[RestExchange]:
    client = RestExchange(
        base_url=paper.url,
        credentials=Credentials(key=paper.key, secret=paper.secret),
        budget=budget,
        transport=PooledTransport(timeouts=FAST),
    )
    yield client
    client.close()


def attempt_on(paper: PaperExchange, exchange: RestExchange, **changes: Any) -> Attempt:
    """An entry that should fill at once: a LIMIT IOC 0.2 % through the book."""
    side = changes.get("side", Side.BUY)
    book = paper.book_ticker(SYMBOL)
    if side is Side.BUY:
        price = (Decimal(book["askPrice"]) * Decimal("1.002")).quantize(TICK, rounding=ROUND_UP)
    else:
        price = (Decimal(book["bidPrice"]) * Decimal("0.998")).quantize(TICK, rounding=ROUND_DOWN)
    values: dict[str, Any] = {
        "client_order_id": f"q-{next(_numbers)}",
        "price": price,
        "quantity": Decimal("0.002"),
        "signed_at_ms": exchange.now_ms(),
        "recv_window_ms": 1_000,
    }
    return make_attempt(**{**values, **changes})


def ledger_orders(paper: PaperExchange, client_order_id: str) -> list[dict[str, Any]]:
    return [order for order in paper.ledger()["orders"] if order["client_order_id"] == client_order_id]


def accepted(paper: PaperExchange, client_order_id: str) -> list[dict[str, Any]]:
    return [order for order in ledger_orders(paper, client_order_id) if order["error"] is None]


def resolve(exchange: RestExchange, attempt: Attempt) -> OrderReport | NotFound:
    """Ask until the exchange tells, or can no longer accept the request."""

    def settled() -> OrderReport | NotFound | None:
        reply = exchange.query_order(symbol=attempt.symbol, client_order_id=attempt.client_order_id)
        if isinstance(reply, OrderReport):
            return reply
        deadline = attempt.signed_at_ms + attempt.recv_window_ms + 500
        if isinstance(reply, NotFound) and reply.exchange_time_ms > deadline:
            return reply
        return None

    return wait_until(settled, seconds=WAIT, what="a definite answer")


# ---------------------------------------------------------------------------------------------------- the plain path


def test_an_entry_is_filled_and_every_figure_equals_the_ledger(paper: PaperExchange, exchange: RestExchange) -> None:
    attempt = attempt_on(paper, exchange)
    report = exchange.submit(attempt)
    assert isinstance(report, OrderReport)
    assert report.is_final
    (order,) = ledger_orders(paper, attempt.client_order_id)
    assert (report.exchange_order_id, report.status) == (order["order_id"], order["status"])
    assert report.executed_quantity == Decimal(order["executed_quantity"]) > 0
    assert order["time_in_force"] == "IOC"

    trades = exchange.trades(SYMBOL, order_id=report.exchange_order_id)
    assert [(t.trade_id, t.price, t.quantity, t.fee, t.fee_asset) for t in trades] == [
        (f["trade_id"], Decimal(f["price"]), Decimal(f["quantity"]), Decimal(f["fee"]), f["fee_asset"])
        for f in order["fills"]
    ]
    assert exchange.query_order(symbol=SYMBOL, client_order_id=attempt.client_order_id) == report
    # The flat wallet, position and account are told alike by both.
    (position,) = exchange.positions()
    (told,) = [row for row in paper.ledger()["positions"] if row["symbol"] == SYMBOL and Decimal(row["quantity"])]
    assert (position.quantity, position.entry_price) == (Decimal(told["quantity"]), Decimal(told["entry_price"]))
    assert exchange.account().wallet_balance == Decimal(paper.ledger()["wallet"]["USDT"])


def test_a_reduce_only_market_exit_closes_the_position(paper: PaperExchange, exchange: RestExchange) -> None:
    exchange.submit(attempt_on(paper, exchange))
    (position,) = exchange.positions()
    exit_attempt = attempt_on(
        paper,
        exchange,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        order_type=OrderType.MARKET,
        time_in_force=None,
        price=None,
        quantity=abs(position.quantity),
        reduce_only=True,
    )
    report = exchange.submit(exit_attempt)
    assert isinstance(report, OrderReport)
    assert report.reduce_only
    assert exchange.positions() == []
    # Nothing is left to reduce: the exchange refuses, and says why.
    again = exchange.submit(attempt_on(paper, exchange, side=exit_attempt.side, reduce_only=True))
    assert isinstance(again, Rejected)
    assert again.code == "-2022"


def test_rules_limits_and_funding_intervals_are_read(exchange: RestExchange) -> None:
    rules, limits = exchange.symbol_rules()
    (bitcoin,) = [rule for rule in rules if rule.symbol == SYMBOL]
    assert (bitcoin.tick_size, bitcoin.step_size, bitcoin.notional_minimum) == (
        Decimal("0.10"),
        Decimal("0.001"),
        Decimal(50),
    )
    assert limits.weight_per_minute > 0
    assert exchange.funding_intervals()[SYMBOL] == 8


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOSUCHUSDT"}, "-1121"),
        ({"quantity": Decimal("0.0015")}, "-1111"),
        ({"quantity": Decimal("9999")}, "-4005"),
        ({"price": Decimal("1"), "side": Side.SELL}, "-4013"),
    ],
)
def test_a_bad_order_is_rejected_and_the_ledger_knows_no_such_order(
    paper: PaperExchange, exchange: RestExchange, changes: dict[str, Any], code: str
) -> None:
    attempt = attempt_on(paper, exchange, **changes)
    reply = exchange.submit(attempt)
    assert isinstance(reply, Rejected), reply
    assert accepted(paper, attempt.client_order_id) == []
    assert reply.code == code


def test_cancelling_removes_plain_and_conditional_orders(paper: PaperExchange, exchange: RestExchange) -> None:
    book = paper.book_ticker(SYMBOL)
    low = (Decimal(book["bidPrice"]) * Decimal("0.97")).quantize(TICK, rounding=ROUND_DOWN)
    resting = exchange.submit(attempt_on(paper, exchange, time_in_force=TimeInForce.GTC, price=low))
    assert isinstance(resting, OrderReport)
    assert not resting.is_final
    exchange.submit(attempt_on(paper, exchange))
    stop = {"algoType": "CONDITIONAL", "symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.002"}
    assert paper.signed("POST", "/fapi/v1/algoOrder", triggerPrice=str(low), **stop).status_code == 200
    assert [order.client_order_id for order in exchange.open_orders()] == [resting.client_order_id]

    exchange.cancel_all(SYMBOL)
    assert exchange.open_orders() == []
    assert paper.signed("GET", "/fapi/v1/openAlgoOrders").json() == []
    exchange.cancel_all(SYMBOL)  # nothing left is success as well


def test_an_unknown_id_is_not_found_as_of_a_time_the_exchange_has_passed(
    paper: PaperExchange, exchange: RestExchange
) -> None:
    before = paper.server_time()
    reply = exchange.query_order(symbol=SYMBOL, client_order_id="never-sent")
    assert isinstance(reply, NotFound)
    assert before <= reply.exchange_time_ms <= paper.server_time()


def test_a_wrong_secret_is_rejected_and_nothing_happens(paper: PaperExchange, budget: RecordingBudget) -> None:
    client = RestExchange(base_url=paper.url, credentials=Credentials(key=paper.key, secret="wrong"), budget=budget)
    reply = client.submit(attempt_on(paper, client))
    client.close()
    assert isinstance(reply, Rejected)
    assert reply.code == "-1022"


def test_order_counts_and_weights_reach_the_budget(
    paper: PaperExchange, exchange: RestExchange, budget: RecordingBudget
) -> None:
    exchange.submit(attempt_on(paper, exchange))
    exchange.account()
    assert any(orders_10s and orders_1m for _, orders_10s, orders_1m in budget.observed)
    assert any(weight for weight, _, _ in budget.observed)
    assert all((weight or 0) >= 0 for weight, _, _ in budget.observed)


# ---------------------------------------------------------------------------------------------------- faults

FAULTS_AFTER_ACCEPTANCE = [
    {"kind": "drop_reply"},
    {"kind": "delay_reply", "delay_ms": 1_500},
    {"kind": "http_error", "status": 503, "text": "unknown", "accepted": True},
    {"kind": "http_error", "status": 503, "text": "internal", "accepted": True},
    {"kind": "http_error", "status": 503, "text": "unavailable", "accepted": True},
    {"kind": "http_error", "status": 502, "text": "html", "accepted": True},
    {"kind": "http_error", "status": 504, "text": "html", "accepted": True},
    {"kind": "timeout", "accepted": True},
    {"kind": "delay_acceptance", "delay_ms": 300, "reply": "timeout"},
    {"kind": "delay_acceptance", "delay_ms": 300, "reply": "unknown"},
    {"kind": "delay_acceptance", "delay_ms": 300, "reply": "drop"},
]
FAULTS_BEFORE_ACCEPTANCE = [
    {"kind": "drop_request"},
    {"kind": "http_error", "status": 503, "text": "unknown"},
    {"kind": "http_error", "status": 500, "text": "html"},
    {"kind": "timeout"},
    {"kind": "throttled"},
]


def fault_name(rule: dict[str, Any]) -> str:
    return "-".join(str(value) for value in rule.values())


@pytest.mark.parametrize("rule", FAULTS_AFTER_ACCEPTANCE, ids=fault_name)
def test_an_order_whose_answer_was_lost_is_unknown_and_then_found_by_its_id(
    paper: PaperExchange, exchange: RestExchange, rule: dict[str, Any]
) -> None:
    attempt = attempt_on(paper, exchange)
    paper.faults({**rule, "count": 1})
    assert isinstance(exchange.submit(attempt), Unknown)
    found = resolve(exchange, attempt)
    assert isinstance(found, OrderReport)
    (order,) = accepted(paper, attempt.client_order_id)
    assert found.executed_quantity == Decimal(order["executed_quantity"])


@pytest.mark.parametrize("rule", FAULTS_BEFORE_ACCEPTANCE, ids=fault_name)
def test_an_order_that_never_arrived_is_unknown_and_then_proved_not_found(
    paper: PaperExchange, exchange: RestExchange, rule: dict[str, Any]
) -> None:
    attempt = attempt_on(paper, exchange)
    paper.faults({**rule, "count": 1})
    assert isinstance(exchange.submit(attempt), Unknown)
    assert isinstance(resolve(exchange, attempt), NotFound)
    assert accepted(paper, attempt.client_order_id) == []


@pytest.mark.parametrize("code", [-1003, -1015])
def test_a_passed_limit_closes_the_gate_for_as_long_as_the_exchange_says(
    paper: PaperExchange, exchange: RestExchange, budget: RecordingBudget, code: int
) -> None:
    attempt = attempt_on(paper, exchange)
    paper.faults({"kind": "rate_limited", "code": code, "retry_after_seconds": 7, "count": 1})
    reply = exchange.submit(attempt)
    assert isinstance(reply, RetryAfter)
    assert (reply.code, reply.seconds) == (str(code), 7.0)
    assert [seconds for seconds, _ in budget.closed] == [7.0]
    assert accepted(paper, attempt.client_order_id) == []


def test_a_ban_closes_the_gate(paper: PaperExchange, exchange: RestExchange, budget: RecordingBudget) -> None:
    attempt = attempt_on(paper, exchange)
    paper.faults({"kind": "banned", "seconds": 90, "count": 1})
    reply = exchange.submit(attempt)
    assert isinstance(reply, RetryAfter)
    assert 85 <= reply.seconds <= 91
    assert budget.closed[0][0] == reply.seconds
    assert "banned" in budget.closed[0][1]


def test_a_request_of_a_frozen_worker_is_refused_by_its_own_timestamp(
    paper: PaperExchange, exchange: RestExchange
) -> None:
    attempt = attempt_on(paper, exchange)
    stale = make_attempt(
        client_order_id=attempt.client_order_id, price=attempt.price, signed_at_ms=attempt.signed_at_ms - 5_000
    )
    reply = exchange.submit(stale)
    assert isinstance(reply, RetryAfter)
    assert reply.code == "-1021"
    assert accepted(paper, attempt.client_order_id) == []


@pytest.mark.parametrize("skew_ms", [-20_000, 20_000])
def test_a_clock_that_jumps_is_followed_after_the_first_refusal(
    paper: PaperExchange, exchange: RestExchange, skew_ms: int
) -> None:
    exchange.now_ms()
    paper.clock(offset_ms=skew_ms)
    first = exchange.submit(attempt_on(paper, exchange))
    assert isinstance(first, RetryAfter)
    assert first.code == "-1021"
    second = exchange.submit(attempt_on(paper, exchange))
    assert isinstance(second, OrderReport)
    assert abs(exchange.now_ms() - paper.server_time()) < 1_000


def test_eight_threads_send_each_order_once_and_hear_their_own_answer(
    paper: PaperExchange, exchange: RestExchange
) -> None:
    book = paper.book_ticker(SYMBOL)
    price = (Decimal(book["askPrice"]) * Decimal("1.01")).quantize(TICK)
    before = len(paper.ledger()["orders"])

    def send(number: int) -> bool:
        attempt = make_attempt(
            client_order_id=f"t-{before}-{number}",
            price=price,
            quantity=Decimal("0.001"),
            side=Side.BUY,
            signed_at_ms=exchange.now_ms(),
            recv_window_ms=5_000,
        )
        reply = exchange.submit(attempt)
        return isinstance(reply, OrderReport) and reply.client_order_id == attempt.client_order_id

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(send, range(200)))
    ids = [order["client_order_id"] for order in paper.ledger()["orders"][before:]]
    assert sorted(ids) == sorted(f"t-{before}-{number}" for number in range(200))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_a_mix_of_faults_no_answer_contradicts_the_ledger(
    paper: PaperExchange, exchange: RestExchange, seed: int
) -> None:
    """Whatever is answered: a report equals the ledger, a refusal left no order, and Unknown resolves to the truth."""
    chance = random.Random(seed)
    rules = [*FAULTS_AFTER_ACCEPTANCE, *FAULTS_BEFORE_ACCEPTANCE, {"kind": "rate_limited"}]
    kinds: dict[str, int] = {}
    for _ in range(15):
        paper.clear_faults()
        if chance.random() < 0.7:
            rule = chance.choice(rules)
            if rule.get("kind") == "delay_reply":
                rule = {**rule, "delay_ms": 600}
            paper.faults({**rule, "count": 1})
        attempt = attempt_on(paper, exchange, side=chance.choice(list(Side)), quantity=Decimal("0.001"))
        reply = exchange.submit(attempt)
        kinds[type(reply).__name__] = kinds.get(type(reply).__name__, 0) + 1
        if isinstance(reply, Unknown):
            reply = resolve(exchange, attempt)
        orders = accepted(paper, attempt.client_order_id)
        if isinstance(reply, OrderReport):
            (order,) = orders
            assert Decimal(order["executed_quantity"]) == reply.executed_quantity
        else:
            assert orders == [], reply
    assert kinds["Unknown"] > 1
    assert kinds["OrderReport"] > 1


# ---------------------------------------------------------------------------------------------------- streams


@contextmanager
def user_stream(paper: PaperExchange, exchange: RestExchange) -> Iterator[list[UserEvent]]:
    events: list[UserEvent] = []
    stop = threading.Event()
    stream = UserStream(listen_keys=exchange, stream_url=paper.ws, random_share=lambda: 0.5, limits=QUICK_STREAM)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stream.run, events.append, stop)
        try:
            wait_until(lambda: events or running.done(), seconds=WAIT, what="the first gap")
            yield events
        finally:
            stop.set()
            running.result(WAIT)


def trades_in(events: list[UserEvent]) -> dict[int, OrderUpdate]:
    return {event.trade.trade_id: event for event in events if isinstance(event, OrderUpdate) and event.trade}


def test_the_stream_tells_the_same_trades_as_rest_and_the_ledger(paper: PaperExchange, exchange: RestExchange) -> None:
    with user_stream(paper, exchange) as events:
        attempt = attempt_on(paper, exchange)
        report = exchange.submit(attempt)
        assert isinstance(report, OrderReport)
        trades = exchange.trades(SYMBOL, order_id=report.exchange_order_id)
        wait_until(lambda: len(trades_in(events)) >= len(trades), seconds=WAIT, what="every trade")
        wait_until(lambda: any(isinstance(event, AccountUpdate) for event in events), seconds=WAIT, what="the account")
    assert [event.trade for event in trades_in(events).values()] == list(trades)
    newest = max(trades_in(events).values(), key=lambda event: event.report.executed_quantity)
    assert newest.report.executed_quantity == report.executed_quantity
    assert isinstance(events[0], StreamGap)


@pytest.mark.parametrize("kind", ["drop_stream", "listen_key_expiry"])
def test_a_stream_that_is_cut_or_whose_key_expires_comes_back_with_a_gap(
    paper: PaperExchange, exchange: RestExchange, kind: str
) -> None:
    with user_stream(paper, exchange) as events:
        paper.faults({"kind": kind, "count": 1})
        wait_until(
            lambda: sum(isinstance(event, StreamGap) for event in events) == 2, seconds=WAIT, what="the second gap"
        )
        before = len(trades_in(events))
        exchange.submit(attempt_on(paper, exchange))
        wait_until(lambda: len(trades_in(events)) > before, seconds=WAIT, what="a trade on the new connection")


class RecordingSink:
    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.funding: dict[str, FundingRate] = {}
        self.puts = 0

    def put(self, quotes: list[Quote], funding: list[FundingRate]) -> None:
        self.puts += 1
        self.quotes.update({quote.symbol: quote for quote in quotes})
        self.funding.update({rate.symbol: rate for rate in funding})


def test_market_data_of_all_symbols_arrives_conflated_and_fresh(paper: PaperExchange, exchange: RestExchange) -> None:
    rules, _ = exchange.symbol_rules()
    symbols = [rule.symbol for rule in rules]
    sink = RecordingSink()
    stop = threading.Event()
    stream = MarketStream(
        stream_url=paper.ws, symbols=symbols, clock=exchange.clock, funding=exchange, random_share=lambda: 0.5
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stream.run, sink, stop)
        try:
            wait_until(lambda: set(sink.quotes) == set(symbols), seconds=WAIT, what="a quote of every symbol")
            puts, began = sink.puts, time.monotonic()
            wait_until(lambda: time.monotonic() - began > 1.5, seconds=WAIT, what="a second and a half of prices")
            assert sink.puts - puts <= 11  # at most one every 150 ms, whatever changes
            assert set(sink.funding) == set(symbols)
            now = exchange.clock.local_time_of(exchange.now_ms())
            ages = [(now - quote.observed_at).total_seconds() for quote in sink.quotes.values()]
            assert 0 <= max(ages) < 3
            assert all(quote.bid_price < quote.ask_price for quote in sink.quotes.values())
        finally:
            stop.set()
            running.result(WAIT)


def test_an_exchange_that_restarts_is_found_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = start_paper_exchange(tmp_path, "--state-dir", str(state))
    client = RestExchange(
        base_url=first.url, credentials=Credentials(key=first.key, secret=first.secret), budget=RecordingBudget()
    )
    try:
        attempt = attempt_on(first, client)
        report = client.submit(attempt)
        assert isinstance(report, OrderReport)
        port = first.port
        first.kill()
        away = client.submit(make_attempt(client_order_id="while-away", signed_at_ms=attempt.signed_at_ms))
        assert isinstance(away, RetryAfter | Unknown)
        second = start_paper_exchange(tmp_path, "--state-dir", str(state), "--port", str(port))
        try:
            assert client.query_order(symbol=SYMBOL, client_order_id=attempt.client_order_id) == report
            assert isinstance(client.query_order(symbol=SYMBOL, client_order_id="while-away"), NotFound)
        finally:
            second.stop()
    finally:
        client.close()
        first.kill()


def protective(paper: PaperExchange, exchange: RestExchange, leg: Leg, *, away: str, **changes: Any) -> ProtectiveOrder:
    """One that closes a long position, `away` (a share of the bid) below it for a stop and above it for a target."""
    mark = Decimal(paper.book_ticker(SYMBOL)["bidPrice"])
    sign = -1 if leg is Leg.STOP else 1
    order_id = uuid.uuid4()
    values: dict[str, Any] = {
        "client_algo_id": client_algo_id(order_id),
        "order_id": order_id,
        "symbol": SYMBOL,
        "leg": leg,
        "side": Side.SELL,
        "quantity": Decimal("0.002"),
        "trigger_price": (mark * (1 + sign * Decimal(away))).quantize(TICK, rounding=ROUND_DOWN),
        "signed_at_ms": exchange.now_ms(),
        "recv_window_ms": 1_000,
        "state": ProtectionState.SENDING,
        "begun_at": datetime.now(UTC),
    }
    return ProtectiveOrder(**{**values, **changes})


def test_a_protective_order_is_taken_on_found_listed_and_cancelled_once(
    paper: PaperExchange, exchange: RestExchange
) -> None:
    assert isinstance(exchange.submit(attempt_on(paper, exchange)), OrderReport)
    stop = protective(paper, exchange, Leg.STOP, away="0.05")
    target = protective(paper, exchange, Leg.TARGET, away="0.05")
    for order in (stop, target):
        report = exchange.submit_conditional(order)
        assert isinstance(report, ConditionalReport), report
        assert (report.status, report.quantity, report.trigger_price) == ("NEW", order.quantity, order.trigger_price)
        assert exchange.query_conditional(order.client_algo_id) == report
    listed = {each.client_algo_id for each in exchange.open_conditional_orders()}
    assert {stop.client_algo_id, target.client_algo_id} <= listed
    # Cancelling orders leaves what protects; the second cancel of one finds nothing.
    exchange.cancel_orders(SYMBOL)
    assert {each.client_algo_id for each in exchange.open_conditional_orders()} == listed
    for order in (stop, target):
        assert exchange.cancel_conditional(order.client_algo_id)
        assert not exchange.cancel_conditional(order.client_algo_id)
    answer = exchange.query_conditional(stop.client_algo_id)
    assert isinstance(answer, ConditionalReport)
    assert answer.status == "CANCELED"
    assert isinstance(exchange.query_conditional("p-never-sent"), NotFound)


def test_a_protective_order_whose_answer_is_lost_is_found_by_its_id(
    paper: PaperExchange, exchange: RestExchange
) -> None:
    assert isinstance(exchange.submit(attempt_on(paper, exchange)), OrderReport)
    for accepted_there in (True, False):
        paper.faults({"kind": "timeout", "accepted": accepted_there, "count": 1, "endpoint": "POST /fapi/v1/algoOrder"})
        order = protective(paper, exchange, Leg.STOP, away="0.05")
        assert isinstance(exchange.submit_conditional(order), Unknown)
        paper.clear_faults()
        wait_until(
            lambda number=order.client_algo_id, there=accepted_there: (
                isinstance(exchange.query_conditional(number), ConditionalReport) is there
            ),
            seconds=WAIT,
            what="the exchange to tell",
        )
    exchange.cancel_all(SYMBOL)


def test_a_level_that_is_passed_already_is_refused_and_says_so(paper: PaperExchange, exchange: RestExchange) -> None:
    assert isinstance(exchange.submit(attempt_on(paper, exchange)), OrderReport)
    reply = exchange.submit_conditional(protective(paper, exchange, Leg.STOP, away="-0.01"))
    assert isinstance(reply, Rejected)
    assert reply.code == "-2021"


def test_candles_come_in_order_and_the_last_is_still_being_made(exchange: RestExchange) -> None:
    candles = exchange.candles(SYMBOL, interval="1h", limit=99)
    assert len(candles) == 99
    assert [each.opened_at for each in candles] == sorted(each.opened_at for each in candles)
    assert all(each.low <= each.close <= each.high for each in candles)
    assert read_regime(SYMBOL, candles, interval="1h", observed_at=datetime.now(UTC)) is not None
