"""The account to the last digit: fees, realised PnL, flips, funding, margin, isolated wallets, liquidation."""

import pytest

from app.paper_exchange.account import MarginType, Position
from app.paper_exchange.errors import Refusal
from app.paper_exchange.events import AccountEvent, LeverageEvent, MarginCallEvent, OrderEvent
from app.paper_exchange.funding import remember
from app.paper_exchange.margin import account_margin, liquidation_price, maintenance_margin
from app.paper_exchange.orders import ExpiryReason, IncomeType, OrderStatus
from tests.paper_exchange.fixed_market import BTC, ETH, HOUR_MS, START_MS, D, Table


def incomes(table: Table, kind: IncomeType) -> list[object]:
    return [i.income for i in table.state.incomes if i.income_type is kind]


def test_taker_and_maker_pay_their_rates(table: Table):
    table.placed("BUY", "0.010")
    assert table.wallet == D("10000") - D("900.001") * D("0.0005")
    table.placed("SELL", "0.010", "90100")
    table.market.set_price(BTC, "90200")
    before = table.wallet
    table.pass_time()
    assert table.wallet == before + (D("90100") - D("90000.1")) * D("0.010") - D("901") * D("0.0002")


def test_a_flip_realises_the_old_position_and_opens_the_new_at_the_trade_price(table: Table):
    table.placed("BUY", "0.010")
    table.market.set_price(BTC, "91000")
    table.placed("SELL", "0.030")
    position = table.state.account.position(BTC)
    assert position.quantity == D("-0.020")
    assert position.entry_price == D("90999.9")
    assert incomes(table, IncomeType.REALIZED_PNL) == [(D("90999.9") - D("90000.1")) * D("0.010")]


def test_thirds_lose_no_digit():
    # 3 contracts for 100 in all: the entry price is periodic, the sum of what the parts realise is not.
    position = Position(BTC)
    position.apply_fill("BUY", D(1), D("33.3"), D(0))
    position.apply_fill("BUY", D(2), D("33.35"), D(0))
    realised = sum((position.apply_fill("SELL", D(1), D(40), D(0)) for _ in range(3)), D(0))
    assert realised == D(120) - D(100)
    assert (position.quantity, position.cost) == (0, 0)


def test_a_short_mirrors_a_long():
    long, short = Position(BTC), Position(BTC)
    for position, opening, closing in ((long, "BUY", "SELL"), (short, "SELL", "BUY")):
        position.apply_fill(opening, D(3), D(100), D(0))
        position.apply_fill(closing, D(1), D(110), D(0))
    assert long.accumulated_realised == D(10)
    assert short.accumulated_realised == D(-10)
    assert long.unrealised_pnl(D(120)) == -short.unrealised_pnl(D(120)) == D(40)


def test_the_break_even_price_carries_the_opening_fee():
    position = Position(BTC)
    position.apply_fill("BUY", D(2), D(100), D("1"))
    assert position.break_even_price == D("100.5")


def test_funding_is_paid_at_the_funding_time_on_the_mark_price(table: Table):
    table.placed("BUY", "0.010")
    table.events()
    before = table.wallet
    due = (START_MS // (8 * HOUR_MS) + 1) * 8 * HOUR_MS
    table.pass_time(due - START_MS - 100)
    assert table.wallet == before
    table.pass_time(100)
    assert table.wallet == before - D("0.010") * D("90000") * D("0.0001")
    [event] = [e for e in table.events() if isinstance(e, AccountEvent)]
    assert (event.reason, event.positions, event.balance_change) == ("FUNDING_FEE", (), D("-0.09"))


def test_a_short_receives_positive_funding_and_a_long_negative(table: Table):
    table.market.rates[BTC] = D("-0.0002")
    remember(table.state)
    table.placed("BUY", "0.010")
    table.placed("SELL", "0.10", symbol=ETH)
    table.pass_time(8 * HOUR_MS)
    assert sorted(incomes(table, IncomeType.FUNDING_FEE)) == [D("0.03"), D("0.18")]


def test_every_funding_time_in_a_jump_is_paid(table: Table):
    table.placed("BUY", "0.010")
    table.pass_time(24 * HOUR_MS)
    assert len(incomes(table, IncomeType.FUNDING_FEE)) == 3


def test_a_faster_market_pays_funding_more_often(table: Table):
    table.market.funding_interval_ms = 60_000
    remember(table.state)
    table.placed("BUY", "0.010")
    table.pass_time(180_000)
    assert len(incomes(table, IncomeType.FUNDING_FEE)) == 3


def test_an_order_beyond_the_margin_is_refused(table: Table):
    # 10,000 USDT at leverage 20 carry 200,000 of notional: 2.2 BTC.
    table.market.set_price(BTC, "90000", quantity="10")
    assert table.refused("BUY", "2.3") == -2019
    assert table.placed("BUY", "2.2").status is OrderStatus.FILLED


def test_resting_orders_bind_margin_until_cancelled(table: Table):
    resting = table.placed("BUY", "2.2", "89000")
    assert table.refused("BUY", "0.100", "89000") == -2019
    table.engine.cancel(resting, table.moment)
    assert table.placed("BUY", "0.100", "89000").is_open


def test_only_the_dearer_side_of_bids_and_asks_binds_margin(table: Table):
    table.placed("BUY", "2.0", "89000")
    assert table.placed("SELL", "1.9", "91000").is_open


def test_closing_needs_no_margin(table: Table):
    table.market.set_price(BTC, "90000", quantity="10")
    table.placed("BUY", "2.2")
    table.market.set_price(BTC, "87000", quantity="10")
    assert table.placed("SELL", "2.2").status is OrderStatus.FILLED


def test_the_leverage_caps_the_position(table: Table):
    assert table.engine.set_leverage(BTC, 125, table.moment) is None
    assert table.refused("BUY", "3.4", "89000") == -2027


def test_leverage_outside_the_table_is_refused(table: Table):
    for leverage in (0, 126):
        refused = table.engine.set_leverage(BTC, leverage, table.moment)
        assert isinstance(refused, Refusal)
        assert refused.code == -4028
    assert table.engine.set_leverage(BTC, 7, table.moment) is None
    assert any(isinstance(e, LeverageEvent) and e.leverage == 7 for e in table.events())


def test_the_margin_type_changes_only_without_orders_and_position(table: Table):
    def change(kind: MarginType) -> int | None:
        refused = table.engine.set_margin_type(BTC, kind)
        return refused.code if refused else None

    assert change(MarginType.CROSSED) == -4046
    order = table.placed("BUY", "0.010", "89000")
    assert change(MarginType.ISOLATED) == -4047
    table.engine.cancel(order, table.moment)
    table.placed("BUY", "0.010")
    assert change(MarginType.ISOLATED) == -4048
    table.placed("SELL", "0.010")
    assert change(MarginType.ISOLATED) is None


def test_an_isolated_position_carries_its_own_wallet(table: Table):
    table.engine.set_margin_type(BTC, MarginType.ISOLATED)
    table.placed("BUY", "0.020")
    position = table.state.account.position(BTC)
    assert position.isolated_wallet == D("0.020") * D("90000.1") / 20
    assert table.state.account.cross_wallet == table.wallet - position.isolated_wallet
    table.placed("SELL", "0.005")
    assert position.isolated_wallet == D("0.015") * D("90000.1") / 20
    table.placed("SELL", "0.015")
    assert position.isolated_wallet == 0


def test_isolated_margin_can_be_added_and_taken_back_to_the_initial(table: Table):
    table.engine.set_margin_type(BTC, MarginType.ISOLATED)
    table.placed("BUY", "0.020")
    assert table.engine.move_isolated_margin(BTC, D(50), add=True, moment=table.moment) is None
    assert table.engine.move_isolated_margin(BTC, D(50), add=False, moment=table.moment) is None
    refused = table.engine.move_isolated_margin(BTC, D("0.01"), add=False, moment=table.moment)
    assert isinstance(refused, Refusal)
    assert refused.code == -4051


def test_maintenance_margin_is_continuous_across_brackets(table: Table):
    spec = table.market.symbols[BTC]
    for bracket in spec.leverage_brackets[:-1]:
        below = maintenance_margin(spec, bracket.notional_cap)
        above = maintenance_margin(spec, bracket.notional_cap + D("0.00000001"))
        assert abs(above - below) < D("0.000001")


def test_a_cross_position_is_liquidated_at_its_liquidation_price_and_not_before(table: Table):
    table.market.set_price(BTC, "90000", quantity="10")
    table.placed("BUY", "2.0")
    table.placed("BUY", "0.010", "60000")
    threshold = liquidation_price(table.state, BTC, account_margin(table.state))
    assert D("80000") < threshold < D("90000")
    table.market.set_price(BTC, threshold + 10, quantity="10")
    table.pass_time()
    assert table.quantity() == D("2.0")
    table.market.set_price(BTC, threshold - 10, quantity="10")
    table.events()
    table.pass_time()
    assert table.quantity() == 0
    orders = list(table.state.orders.values())
    assert orders[-1].client_order_id.startswith("autoclose-")
    assert orders[1].expiry_reason is ExpiryReason.LIQUIDATION
    kinds = [e.execution_type for e in table.events() if isinstance(e, OrderEvent)]
    assert "CALCULATED" in kinds
    assert table.wallet >= 0


def test_the_insurance_fund_pays_what_the_margin_does_not(table: Table):
    table.market.set_price(BTC, "90000", quantity="10")
    table.placed("BUY", "2.0")
    table.market.set_price(BTC, "80000", quantity="10")
    table.pass_time()
    assert table.quantity() == 0
    assert table.wallet == 0
    assert sum(i.income for i in table.state.incomes) == 0


def test_an_isolated_liquidation_costs_no_more_than_the_isolated_wallet(table: Table):
    table.engine.set_margin_type(BTC, MarginType.ISOLATED)
    table.placed("BUY", "0.100")
    isolated = table.state.account.position(BTC).isolated_wallet
    before = table.wallet
    table.market.set_price(BTC, "80000")
    table.pass_time()
    assert table.quantity() == 0
    assert table.wallet == before - isolated


def test_a_liquidation_the_book_cannot_take_goes_on_with_the_next_step(table: Table):
    table.market.set_price(BTC, "90000", quantity="10")
    table.placed("BUY", "2.0")
    table.market.set_price(BTC, "84000", quantity="0.5", levels=2)
    table.pass_time()
    assert table.quantity() == D("1.0")
    table.market.set_price(BTC, "84000", quantity="0.5", levels=2)
    table.pass_time()
    assert table.quantity() == 0


def test_a_margin_call_comes_once_when_maintenance_nears_the_balance(table: Table):
    table.market.set_price(BTC, "90000", quantity="10")
    table.placed("BUY", "2.0")
    threshold = liquidation_price(table.state, BTC, account_margin(table.state))
    table.events()
    table.market.set_mark(BTC, str(threshold + 50))
    table.pass_time()
    table.pass_time()
    assert len([e for e in table.events() if isinstance(e, MarginCallEvent)]) == 1


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_the_wallet_is_the_sum_of_the_income_history(table: Table, side: str):
    opposite = "SELL" if side == "BUY" else "BUY"
    table.placed(side, "0.030")
    table.market.set_price(BTC, "90777.7")
    table.placed(opposite, "0.011")
    table.pass_time(8 * HOUR_MS)
    table.placed(opposite, "0.040")
    assert table.wallet == sum(i.income for i in table.state.incomes)
    assert len({i.tran_id for i in table.state.incomes}) == len(table.state.incomes)
