"""A thousand random histories of fills, fees, funding and flips against a naive model in fractions that shares no code.

The model knows no average price: what was made is what was paid out less what was paid in, which is exact at any moment
once what is still open is valued at the mark.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

import pytest

from app.domain.fills import Fill
from app.domain.ledger import FEES, FUNDING, REALISED_PNL, WALLET, Entry, balances, fill_entry, funding_entry
from app.domain.positions import SETTLEMENT_STEP, Position, apply_fill, flat_position, realised_by, unrealised_pnl
from app.domain.signals import Side
from tests.unit.domain.builders import make_fill

HISTORIES = 1_000
BATCH = 100
STEPS_MAX = 25
HALF_STEP = Fraction(SETTLEMENT_STEP) / 2


@dataclass
class Naive:
    """Cash and coins, and beside them the average cost as a fraction that nobody rounds."""

    coins: Fraction = Fraction(0)
    cash: Fraction = Fraction(0)  # from trades alone
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    fees: dict[str, Fraction] = field(default_factory=dict)
    funding: Fraction = Fraction(0)
    partial_closes: int = 0  # each may be rounded by half a settlement step, until the position is closed whole

    def trade(self, sign: int, quantity: Fraction, price: Fraction) -> None:
        self.cash -= sign * quantity * price
        before, self.coins = self.coins, self.coins + sign * quantity
        if before * sign >= 0:
            self.average = (abs(before) * self.average + quantity * price) / abs(self.coins)
            return
        closed = min(quantity, abs(before))
        self.realised += closed * (price - self.average) * (1 if before > 0 else -1)
        if before * self.coins > 0:
            self.partial_closes += 1
        else:
            self.average, self.partial_closes = price, 0

    def total(self, mark: Fraction) -> Fraction:
        return self.cash + self.coins * mark


@dataclass
class Ours:
    """The product's own arithmetic."""

    position: Position
    entries: list[Entry] = field(default_factory=list)

    def trade(self, fill: Fill) -> None:
        told = replace(fill, realised_pnl=realised_by(self.position, fill))
        self.position = apply_fill(self.position, told)
        self.entries.append(fill_entry(told))


def amount(generator: random.Random, low: int, high: int, places: int) -> Decimal:
    return Decimal(generator.randint(low, high)).scaleb(-places)


def play(seed: int) -> int:
    """One history, compared after every step; how many flips it had."""
    generator = random.Random(seed)
    naive, ours = Naive(), Ours(flat_position("BTCUSDT"))
    flips = 0
    for number in range(1, generator.randint(2, STEPS_MAX)):
        if generator.random() < 0.2:
            paid = amount(generator, -(10**10), 10**10, 8)
            naive.funding += Fraction(paid)
            ours.entries.append(funding_entry(symbol="BTCUSDT", transaction_id=number, asset="USDT", amount=paid))
        else:
            side = generator.choice(list(Side))
            held = ours.position.quantity
            whole = abs(held) if held and generator.random() < 0.3 else None
            quantity = whole or amount(generator, 1, 10_000, 3)
            price = amount(generator, 1, 10**7, 2)
            fee, asset = amount(generator, -(10**6), 10**8, 8), generator.choice(["USDT", "USDT", "BNB"])
            naive.trade(side.sign, Fraction(quantity), Fraction(price))
            naive.fees[asset] = naive.fees.get(asset, Fraction(0)) + Fraction(fee)
            ours.trade(make_fill(trade_id=number, side=side, quantity=quantity, price=price, fee=fee, fee_asset=asset))
            flips += held * ours.position.quantity < 0
        compare(naive, ours, mark=amount(generator, 1, 10**7, 2))
    return flips


def compare(naive: Naive, ours: Ours, *, mark: Decimal) -> None:
    position = ours.position
    assert Fraction(position.quantity) == naive.coins
    unrealised = Fraction(unrealised_pnl(position, mark_price=mark))
    # What is made in all is exact whatever was rounded on the way: no digit is lost, none is counted twice.
    assert Fraction(position.realised_pnl) + unrealised == naive.total(Fraction(mark))
    assert abs(Fraction(position.realised_pnl) - naive.realised) <= naive.partial_closes * HALF_STEP
    if not position.quantity:
        assert Fraction(position.realised_pnl) == naive.cash
    assert Fraction(position.fees) == naive.fees.get("USDT", 0)
    sums = balances(ours.entries)
    assert balances([*ours.entries, *ours.entries]) == sums, "everything once more changes nothing"
    usdt = {account: Fraction(sums.get((account, "USDT"), Decimal(0))) for account in (WALLET, FEES, FUNDING)}
    assert usdt[FUNDING] == -naive.funding
    assert usdt[FEES] == naive.fees.get("USDT", 0)
    assert usdt[WALLET] == Fraction(position.realised_pnl) - usdt[FEES] + naive.funding
    assert Fraction(sums.get((WALLET, "BNB"), Decimal(0))) == -naive.fees.get("BNB", Fraction(0))
    assert Fraction(sums.get((REALISED_PNL, "USDT"), Decimal(0))) == -Fraction(position.realised_pnl)
    for asset in {asset for _, asset in sums}:
        assert sum(total for (_, each), total in sums.items() if each == asset) == 0


@pytest.mark.parametrize("first", range(0, HISTORIES, BATCH))
def test_random_histories_agree_with_the_naive_model_at_every_step(first: int) -> None:
    flips = sum(play(seed) for seed in range(first, first + BATCH))
    assert flips > BATCH // 2, "histories that never turn a position prove little"
