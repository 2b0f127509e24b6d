"""The ledger: every entry balances, the wallet is the exchange's, booking twice changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fills import Fill
from app.domain.ledger import (
    ConflictingEntryError,
    Entry,
    Line,
    UnbalancedEntryError,
    adoption_entry,
    balances,
    fill_entry,
    funding_entry,
    wallet_change,
)
from tests.unit.domain.builders import D, make_fill
from tests.unit.domain.histories import histories


def line(account: str, asset: str, amount: str) -> Line:
    return Line(account=account, asset=asset, amount=D(amount))


def test_a_fill_moves_its_profit_and_its_fee_through_one_wallet_line() -> None:
    fill = make_fill(trade_id=123, realised_pnl=D("10"), fee=D("0.4"))
    assert fill_entry(fill) == Entry(
        name="fill:BTCUSDT:123",
        lines=(line("realised_pnl", "USDT", "-10"), line("fees", "USDT", "0.4"), line("wallet", "USDT", "9.6")),
    )
    assert wallet_change(fill) == {"USDT": D("9.6")}


def test_a_fee_in_another_asset_leaves_the_wallet_of_that_asset() -> None:
    fill = make_fill(realised_pnl=D("-3"), fee=D("0.002"), fee_asset="BNB")
    assert fill_entry(fill).lines == (
        line("realised_pnl", "USDT", "3"),
        line("fees", "BNB", "0.002"),
        line("wallet", "USDT", "-3"),
        line("wallet", "BNB", "-0.002"),
    )
    assert wallet_change(fill) == {"USDT": D("-3"), "BNB": D("-0.002")}


def test_a_rebate_reaches_the_wallet() -> None:
    assert wallet_change(make_fill(fee=D("-0.25"))) == {"USDT": D("0.25")}


def test_another_settlement_asset_keeps_its_own_books() -> None:
    fill = make_fill(realised_pnl=D("5"), fee=D("1"), fee_asset="USDC")
    assert wallet_change(fill, settlement_asset="USDC") == {"USDC": D("4")}
    assert fill_entry(fill, settlement_asset="USDC").lines[0] == line("realised_pnl", "USDC", "-5")


def test_a_fill_that_moves_no_money_has_no_lines() -> None:
    fill = make_fill(fee=D("0"))
    assert (fill_entry(fill).lines, dict(wallet_change(fill))) == ((), {})
    even = make_fill(realised_pnl=D("2"), fee=D("2"))
    assert fill_entry(even).lines == (line("realised_pnl", "USDT", "-2"), line("fees", "USDT", "2"))
    assert dict(wallet_change(even)) == {}


@pytest.mark.parametrize("amount", ["-0.12345678", "7"])
def test_funding_is_booked_as_the_exchange_signs_it(amount: str) -> None:
    entry = funding_entry(symbol="BTCUSDT", transaction_id=9, asset="USDT", amount=D(amount))
    assert entry == Entry(
        name="funding:BTCUSDT:9",
        lines=(Line(account="funding", asset="USDT", amount=-D(amount)), line("wallet", "USDT", amount)),
    )


def test_an_adoption_takes_over_a_balance_under_a_name() -> None:
    entry = adoption_entry(name="opening:2026-11-22", asset="BNB", amount=D("2.5"))
    assert entry == Entry(
        name="adoption:opening:2026-11-22:BNB",
        lines=(line("adoption", "BNB", "-2.5"), line("wallet", "BNB", "2.5")),
    )


@pytest.mark.parametrize(
    "lines",
    [
        (line("wallet", "USDT", "1"),),
        (line("wallet", "USDT", "1"), line("fees", "USDT", "-1.000000000000000000000000000001")),
        # In sum over all assets it would balance; per asset it does not.
        (line("wallet", "USDT", "1"), line("fees", "BNB", "-1")),
    ],
)
def test_an_entry_that_does_not_balance_in_every_asset_cannot_exist(lines: tuple[Line, ...]) -> None:
    with pytest.raises(UnbalancedEntryError, match="an-entry"):
        Entry(name="an-entry", lines=lines)


def test_an_entry_with_two_lines_of_one_account_and_asset_cannot_exist() -> None:
    lines = (line("wallet", "USDT", "1"), line("wallet", "USDT", "1"), line("fees", "USDT", "-2"))
    with pytest.raises(UnbalancedEntryError, match="an-entry: more than one line"):
        Entry(name="an-entry", lines=lines)


def test_balances_add_up_per_account_and_asset() -> None:
    entries = [
        adoption_entry(name="opening", asset="USDT", amount=D("100")),
        fill_entry(make_fill(trade_id=1, realised_pnl=D("10"), fee=D("1"))),
        fill_entry(make_fill(trade_id=2, realised_pnl=D("-4"), fee=D("0.5"), fee_asset="BNB")),
        funding_entry(symbol="BTCUSDT", transaction_id=1, asset="USDT", amount=D("-0.25")),
    ]
    assert balances(entries) == {
        ("adoption", "USDT"): D("-100"),
        ("realised_pnl", "USDT"): D("-6"),
        ("fees", "USDT"): D("1"),
        ("fees", "BNB"): D("0.5"),
        ("funding", "USDT"): D("0.25"),
        ("wallet", "USDT"): D("104.75"),
        ("wallet", "BNB"): D("-0.5"),
    }


def test_one_trade_reported_in_two_ways_is_a_conflict_not_a_choice() -> None:
    entries = [fill_entry(make_fill(fee=D("1"))), fill_entry(make_fill(fee=D("2")))]
    with pytest.raises(ConflictingEntryError, match="fill:BTCUSDT:1"):
        balances(entries)


@given(
    fills=histories(),
    funding=st.lists(st.decimals(Decimal("-5"), Decimal("5"), places=8), max_size=4),
    opening=st.decimals(Decimal("0"), Decimal("100000"), places=8),
)
def test_the_ledger_equals_the_wallet_at_every_step_and_booking_everything_twice_changes_nothing(
    fills: Sequence[Fill], funding: Sequence[Decimal], opening: Decimal
) -> None:
    entries = [adoption_entry(name="opening", asset="USDT", amount=opening)]
    usdt, bnb = [opening], [Decimal(0)]
    with localcontext(Context(prec=100)):
        for fill in fills:
            entries.append(fill_entry(fill))
            in_usdt = fill.fee_asset == "USDT"
            usdt.append(usdt[-1] + fill.realised_pnl - (fill.fee if in_usdt else 0))
            bnb.append(bnb[-1] - (0 if in_usdt else fill.fee))
        for number, amount in enumerate(funding):
            entries.append(funding_entry(symbol="BTCUSDT", transaction_id=number, asset="USDT", amount=amount))
            usdt.append(usdt[-1] + amount)
            bnb.append(bnb[-1])
    for count in range(1, len(entries) + 1):
        booked = balances(entries[:count])
        assert booked.get(("wallet", "USDT"), 0) == usdt[count - 1]
        assert booked.get(("wallet", "BNB"), 0) == bnb[count - 1]
    once = balances(entries)
    assert balances([*entries, *reversed(entries)]) == once
    with localcontext(Context(prec=100)):
        for asset in ("USDT", "BNB"):
            assert sum(amount for (_, of), amount in once.items() if of == asset) == 0


@given(fills=histories())
def test_every_entry_balances_and_what_it_does_to_the_wallet_is_realised_minus_fee(fills: Sequence[Fill]) -> None:
    names = [fill_entry(fill).name for fill in fills]
    assert all(first != second for first, second in pairwise(names))
    for fill in fills:
        change = wallet_change(fill)
        if fill.fee_asset == "USDT":
            assert change.get("USDT", 0) == fill.realised_pnl - fill.fee
        else:
            assert change.get("USDT", 0) == fill.realised_pnl
            assert change.get("BNB", 0) == -fill.fee
