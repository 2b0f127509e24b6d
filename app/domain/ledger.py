"""Double entry: every change of the wallet as lines that sum to zero per asset.

Sign convention: an amount is what an account gains. Money that reaches the wallet left `realised_pnl`, `funding` or
`adoption`, so a profit stands there as a negative amount; fees paid are a positive amount in `fees`. The wallet account
of an asset therefore equals the exchange's wallet balance of that asset at all times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.fills import Fill
from app.domain.money import ZERO, exactly
from app.domain.positions import SETTLEMENT_ASSET

WALLET = "wallet"
REALISED_PNL = "realised_pnl"
FEES = "fees"
FUNDING = "funding"
ADOPTION = "adoption"


class UnbalancedEntryError(Exception):
    """The lines of an entry do not sum to zero in every asset: a bug, never booked."""


class ConflictingEntryError(Exception):
    """Two entries of one name say different things: one trade or payment was reported in two ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one account gains (negative: loses) of one asset."""

    account: str
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event in the books. `name` is its identity: booking it again changes nothing."""

    name: str  # e.g. fill:BTCUSDT:123
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        """Refuse lines that do not balance, or two lines of one account and asset."""
        sums: dict[str, Decimal] = {}
        for line in self.lines:
            sums[line.asset] = exactly(sums.get(line.asset, ZERO), "+", line.amount)
        if any(total != ZERO for total in sums.values()):
            raise UnbalancedEntryError(f"{self.name}: {sums}")
        if len({(line.account, line.asset) for line in self.lines}) != len(self.lines):
            raise UnbalancedEntryError(f"{self.name}: more than one line for the same account and asset")


def fill_entry(fill: Fill, *, settlement_asset: str = SETTLEMENT_ASSET) -> Entry:
    """A fill: its realised PnL (the exchange's figure) reaches the wallet, its fee leaves it in the fee's own asset.

    A flip is one fill and one entry. A fill that realises nothing and costs nothing has no lines.
    """
    return _entry(
        f"fill:{fill.symbol}:{fill.trade_id}",
        (
            (REALISED_PNL, settlement_asset, fill.realised_pnl),
            (FEES, fill.fee_asset, fill.fee.copy_negate()),
        ),
    )


def funding_entry(*, symbol: str, transaction_id: int, asset: str, amount: Decimal) -> Entry:
    """A funding payment; `amount` is positive when received, as the exchange's income record has it."""
    return _entry(f"funding:{symbol}:{transaction_id}", ((FUNDING, asset, amount),))


def adoption_entry(*, name: str, asset: str, amount: Decimal) -> Entry:
    """Take over what no trade of ours explains: the first balance seen, a deposit, a difference a person accepted.

    `amount` is what the wallet gains; `name` must be unique and say why, e.g. `opening:2026-11-22T10:00:00Z`.
    """
    return _entry(f"adoption:{name}:{asset}", ((ADOPTION, asset, amount),))


def wallet_change(fill: Fill, *, settlement_asset: str = SETTLEMENT_ASSET) -> Mapping[str, Decimal]:
    """What a fill does to the wallet, by asset; assets that do not change are left out."""
    lines = fill_entry(fill, settlement_asset=settlement_asset).lines
    return {line.asset: line.amount for line in lines if line.account == WALLET}


def balances(entries: Iterable[Entry]) -> Mapping[tuple[str, str], Decimal]:
    """The sum of every (account, asset), each entry counted once however often it comes.

    `ConflictingEntryError` when an entry comes again with other lines.
    """
    booked: dict[str, Entry] = {}
    sums: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        if entry.name in booked:
            if booked[entry.name] != entry:
                raise ConflictingEntryError(f"{entry.name}: {booked[entry.name].lines} and {entry.lines}")
            continue
        booked[entry.name] = entry
        for line in entry.lines:
            key = (line.account, line.asset)
            sums[key] = exactly(sums.get(key, ZERO), "+", line.amount)
    return sums


def _entry(name: str, sources: tuple[tuple[str, str, Decimal], ...]) -> Entry:
    """What each source account hands to the wallet (asset, amount), with one wallet line per asset."""
    wallet: dict[str, Decimal] = {}
    lines: list[Line] = []
    for account, asset, amount in sources:
        wallet[asset] = exactly(wallet.get(asset, ZERO), "+", amount)
        lines.append(Line(account=account, asset=asset, amount=amount.copy_negate()))
    lines += [Line(account=WALLET, asset=asset, amount=amount) for asset, amount in wallet.items()]
    return Entry(name=name, lines=tuple(line for line in lines if line.amount != ZERO))
