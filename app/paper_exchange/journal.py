"""Durability: what changed is committed to a SQLite write-ahead log before the reply leaves the exchange."""

import sqlite3
from pathlib import Path
from typing import Final

from app.paper_exchange.account import Account, Position
from app.paper_exchange.codec import decode, dumps
from app.paper_exchange.conditional import AlgoOrder, AlgoStatus
from app.paper_exchange.orders import Fill, Income, Order
from app.paper_exchange.requests_log import RequestRecord
from app.paper_exchange.state import Countdown, Counters, ExchangeState, FundingPoint

LOST_CODE: Final = -1000
LOST_TEXT: Final = "the exchange ended before this request reached matching"
FILE_NAME: Final = "paper_exchange.sqlite3"
SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entity (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""
# A commit survives the death of the process at once and that of the machine up to the last checkpoint.
PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=1000", "locking_mode=EXCLUSIVE")


class JournalError(Exception):
    """The state directory cannot be read or written. The exchange must stop: its memory would run ahead of its disk."""


class NoJournal:
    """Without a state directory nothing outlives the process."""

    def commit(self, state: ExchangeState) -> None:
        state.changes.clear()

    def save(self, kind: str, key: str, value: object) -> None:
        """Nothing to write to."""

    def close(self) -> None:
        """Nothing to close."""


class Journal:
    """One table of entities by kind and key; a commit writes everything that changed since the last one, or nothing."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(directory / FILE_NAME, isolation_level=None, timeout=1.0)
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection.execute(SCHEMA)
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise JournalError(f"{directory / FILE_NAME} has format {version}, this program reads {SCHEMA_VERSION}")
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"cannot open the state in {directory}: {error}") from error

    def commit(self, state: ExchangeState) -> None:
        """Write all changes in one transaction."""
        if not state.changes:
            return
        rows = [(kind, key, dumps(_body(state, kind, value))) for (kind, key), value in state.changes.items()]
        self._write(rows)
        state.changes.clear()

    def save(self, kind: str, key: str, value: object) -> None:
        """Write one entity at once."""
        self._write([(kind, key, dumps(value))])

    def _write(self, rows: list[tuple[str, str, bytes]]) -> None:
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO entity VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalError(f"cannot write the state: {error}") from error

    def rows(self, kind: str) -> list[tuple[str, bytes]]:
        """Everything of a kind; numbered keys in numeric order."""
        query = "SELECT key, body FROM entity WHERE kind = ? ORDER BY length(key), key"
        return list(self._connection.execute(query, (kind,)))

    def load(self, kind: str, key: str) -> bytes | None:
        row = self._connection.execute("SELECT body FROM entity WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._connection.close()

    def restore(self, state: ExchangeState) -> bool:
        """Fill an empty state with what was committed; False when nothing was."""
        counters = self.load("counters", "all")
        if counters is None:
            return False
        state.counters = decode(Counters, counters)
        wallet = self.load("account", "wallet")
        positions = {key: decode(Position, body) for key, body in self.rows("position")}
        if wallet is not None:
            state.account = decode(Account, wallet)
        state.account.positions = positions
        for _, body in self.rows("order"):
            state.add_order(decode(Order, body))
        for _, body in self.rows("fill"):
            state.add_fill(decode(Fill, body))
        state.incomes = [decode(Income, body) for _, body in self.rows("income")]
        for _, body in self.rows("algo"):
            algo = decode(AlgoOrder, body)
            state.algo_changed(algo)
            if algo.status is not AlgoStatus.TRIGGERED:
                state.algo_of_order.pop(algo.actual_order_id, None)
        for _, body in self.rows("funding"):
            point = decode(FundingPoint, body)
            state.funding_history.setdefault(point.symbol, []).append(point)
        for _, body in self.rows("request"):
            record = decode(RequestRecord, body)
            if record.error_code is None and not record.order_id and not record.algo_id:
                # A fault was holding it back when the process ended: it never reached matching and never will.
                record.error_code, record.error_message = LOST_CODE, LOST_TEXT
            state.requests.records[record.number] = record
            state.requests.next_number = record.number + 1
        for _, body in self.rows("countdown"):
            countdown = decode(Countdown, body)
            # 0: disarmed.
            if countdown.due_ms:
                state.countdowns[countdown.symbol] = countdown
        state.changes.clear()
        return True


def _body(state: ExchangeState, kind: str, value: object) -> object:
    if kind == "account":
        account = state.account
        return {
            "wallet": account.wallet,
            "multi_assets_margin": account.multi_assets_margin,
            "maker_rate": account.maker_rate,
            "taker_rate": account.taker_rate,
            "updated_us": account.updated_us,
        }
    if kind == "counters":
        return state.counters
    return value
