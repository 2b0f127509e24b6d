"""The promises, checked: our tables against the exchange's ledger, one verdict and its evidence for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.chaos.books import Books, OurAttempt
from app.domain.money import ZERO
from app.domain.orders import AttemptState, OrderState
from app.domain.reconciliation import WALLET_TOLERANCE
from app.domain.signals import SignalState

EVIDENCE_MAX = 5
PROTECTIVE_PREFIX = "p"
OUR_PREFIXES = ("q", PROTECTIVE_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise: how many cases were looked at, and what broke it."""

    name: str
    checked: int
    violations: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing broke it."""
        return not self.violations


@dataclass(frozen=True, slots=True)
class Ledger:
    """What `GET /paper/ledger` says, with numbers as Decimal."""

    raw: Mapping[str, Any]

    @property
    def orders(self) -> list[Mapping[str, Any]]:
        """Every request that tried to create an order, refused ones too."""
        return list(self.raw["orders"])

    def accepted(self) -> list[Mapping[str, Any]]:
        """Orders that the exchange took on."""
        return [order for order in self.orders if order["error"] is None]

    def ours(self) -> list[Mapping[str, Any]]:
        """Accepted orders that carry an id of ours: `q` what we sent, `p` what a protective order became when it fired.

        The exchange's own (liquidations) do not.
        """
        return [order for order in self.accepted() if str(order["client_order_id"]).startswith(OUR_PREFIXES)]

    def protection(self) -> list[Mapping[str, Any]]:
        """Conditional orders of ours that wait for their price."""
        return [
            order
            for order in self.raw.get("algo_orders", ())
            if order["status"] == "NEW" and str(order["client_algo_id"]).startswith(PROTECTIVE_PREFIX)
        ]

    def at_stake(self) -> object:
        """Everything that the promises are compared by: equal before and after means that nothing moved meanwhile."""
        return (
            [(order["client_order_id"], order["status"], order["executed_quantity"]) for order in self.orders],
            [(order["client_algo_id"], order["status"]) for order in self.raw.get("algo_orders", ())],
            self.positions(),
            self.wallet(),
        )

    def positions(self) -> dict[str, Decimal]:
        """Open quantities by symbol, signed."""
        return {
            each["symbol"]: Decimal(each["quantity"]) for each in self.raw["positions"] if Decimal(each["quantity"])
        }

    def wallet(self) -> Decimal:
        """The USDT balance."""
        return Decimal(self.raw["wallet"]["USDT"])


def check_promises(books: Books, ledger: Ledger, *, promised_signals: Collection[str]) -> list[Promise]:
    """Every promise that can be read off the two records. `promised_signals` are the ids that got a 202."""
    checks: Iterable[Callable[[], Promise]] = (
        lambda: every_signal_ends_once(books, promised_signals),
        lambda: no_order_twice(ledger),
        lambda: no_order_is_invented(books, ledger),
        lambda: no_state_contradicts(books, ledger),
        lambda: no_order_is_overfilled(books, ledger),
        lambda: orders_tell_what_was_filled(books, ledger),
        lambda: fills_are_the_exchanges(books, ledger),
        lambda: positions_are_equal(books, ledger),
        lambda: the_wallet_is_equal(books, ledger),
        lambda: stopped_means_stopped(books, ledger),
        lambda: positions_are_protected(ledger),
        lambda: no_protection_is_left_behind(books, ledger),
    )
    return [check() for check in checks]


def every_signal_ends_once(books: Books, promised: Collection[str]) -> Promise:
    """A 202 is durable, and ends in exactly one terminal state with a reason."""
    violations = []
    for signal_id in promised:
        signal = books.signals.get(signal_id)
        if signal is None:
            violations.append(f"signal {signal_id} got a 202 and is lost")
        elif not SignalState(signal.state).is_terminal:
            violations.append(f"signal {signal_id} is still {signal.state}")
        elif not signal.reason_code:
            violations.append(f"signal {signal_id} is {signal.state} without a reason")
    return Promise(name="202 is durable and ends once", checked=len(promised), violations=violations)


def no_order_twice(ledger: Ledger) -> Promise:
    """An attempt becomes at most one order at the exchange."""
    counts = Counter(order["client_order_id"] for order in ledger.ours())
    violations = [f"{name} became {count} orders" for name, count in counts.items() if count > 1]
    return Promise(name="at most once", checked=len(counts), violations=violations)


def no_order_is_invented(books: Books, ledger: Ledger) -> Promise:
    """Whatever the exchange accepted from us was durable here first."""
    violations = [
        f"the exchange has {order['client_order_id']}, we have no such attempt"
        for order in ledger.ours()
        if order["client_order_id"] not in books.attempts
    ]
    return Promise(name="intent before order", checked=len(ledger.ours()), violations=violations)


def no_state_contradicts(books: Books, ledger: Ledger) -> Promise:
    """No attempt is open for ever, and none says anything else than the exchange does."""
    by_id = {order["client_order_id"]: order for order in ledger.ours()}
    violations = []
    for attempt in books.attempts.values():
        problem = _contradiction(attempt, by_id.get(attempt.client_order_id))
        if problem is not None:
            violations.append(f"{attempt.client_order_id}: {problem}")
    return Promise(name="unknown is never guessed", checked=len(books.attempts), violations=violations)


def _contradiction(attempt: OurAttempt, theirs: Mapping[str, Any] | None) -> str | None:
    state = AttemptState(attempt.state)
    if state.is_open:
        return f"still {state}"
    executed = ZERO if theirs is None else Decimal(theirs["executed_quantity"])
    if attempt.executed_quantity != executed:
        return f"executed {attempt.executed_quantity} here, {executed} there"
    if state in (AttemptState.REJECTED, AttemptState.NOT_SENT) and theirs is not None:
        return f"{state} here, {theirs['status']} there"
    if state in (AttemptState.FILLED, AttemptState.PARTIALLY_FILLED, AttemptState.EXPIRED) and theirs is None:
        return f"{state} here, never accepted there"
    return None


def no_order_is_overfilled(books: Books, ledger: Ledger) -> Promise:
    """The fills of all attempts of an order never exceed its approved quantity, by the exchange's own count."""
    executed: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for theirs in ledger.ours():
        attempt = books.attempts.get(theirs["client_order_id"])
        if attempt is not None:
            executed[attempt.order_id] += Decimal(theirs["executed_quantity"])
    violations = [
        f"order {order_id}: approved {books.orders[order_id].quantity}, filled {quantity}"
        for order_id, quantity in executed.items()
        if quantity > books.orders[order_id].quantity
    ]
    return Promise(name="never overfilled", checked=len(executed), violations=violations)


_NOTHING_FILLED = frozenset({OrderState.EXPIRED, OrderState.REJECTED, OrderState.NOT_SENT})


def orders_tell_what_was_filled(books: Books, ledger: Ledger) -> Promise:
    """An order has executed and booked what the exchange filled of its attempts, and its last word says so."""
    filled: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for theirs in ledger.ours():
        attempt = books.attempts.get(theirs["client_order_id"])
        if attempt is not None:
            filled[attempt.order_id] += Decimal(theirs["executed_quantity"])
    violations = []
    for order_id, order in books.orders.items():
        if not (order.executed_quantity == order.booked_quantity == filled[order_id]):
            violations.append(
                f"order {order_id}: executed {order.executed_quantity}, booked {order.booked_quantity}, "
                f"filled {filled[order_id]}"
            )
        elif OrderState(order.state) in _NOTHING_FILLED and filled[order_id]:
            violations.append(f"order {order_id}: {order.state}, filled {filled[order_id]}")
    return Promise(name="orders tell what was filled", checked=len(books.orders), violations=violations)


def fills_are_the_exchanges(books: Books, ledger: Ledger) -> Promise:
    """Every fill is booked exactly as the exchange has it: none missing, none invented, to the last digit."""
    theirs = {
        (order["symbol"], int(fill["trade_id"])): (
            Decimal(fill["price"]),
            Decimal(fill["quantity"]),
            Decimal(fill["fee"]),
        )
        for order in ledger.accepted()
        for fill in order["fills"]
    }
    violations = [f"fill {key} is missing here" for key in theirs.keys() - books.fills.keys()]
    violations += [f"fill {key} is invented here" for key in books.fills.keys() - theirs.keys()]
    violations += [
        f"fill {key}: {books.fills[key]} here, {theirs[key]} there"
        for key in theirs.keys() & books.fills.keys()
        if books.fills[key] != theirs[key]
    ]
    return Promise(name="fills agree to the last digit", checked=len(theirs), violations=violations)


def positions_are_equal(books: Books, ledger: Ledger) -> Promise:
    """Our positions are the exchange's."""
    theirs = ledger.positions()
    violations = [
        f"{symbol}: {books.positions.get(symbol, ZERO)} here, {theirs.get(symbol, ZERO)} there"
        for symbol in sorted({*books.positions, *theirs})
        if books.positions.get(symbol, ZERO) != theirs.get(symbol, ZERO)
    ]
    return Promise(name="positions agree", checked=len({*books.positions, *theirs}), violations=violations)


def the_wallet_is_equal(books: Books, ledger: Ledger) -> Promise:
    """The opening balance plus everything the ledger booked is the exchange's wallet."""
    if books.wallet is None:
        return Promise(name="ledger equals wallet", checked=0, violations=["no opening balance was adopted"])
    difference = abs(books.wallet - ledger.wallet())
    violations = [] if difference <= WALLET_TOLERANCE else [f"{books.wallet} here, {ledger.wallet()} there"]
    return Promise(name="ledger equals wallet", checked=1, violations=violations)


def stopped_means_stopped(books: Books, ledger: Ledger) -> Promise:
    """Between the acknowledgement of a trip and the next arming no new entry was accepted."""
    violations = []
    entries = [order for order in ledger.ours() if not order["reduce_only"]]
    for begin, end in books.stopped:
        violations += [
            f"{order['client_order_id']} came or traded at {moment}, acknowledged safe at {begin}"
            for order in entries
            # A request that waited at the exchange came before it was accepted: its trades tell when that was.
            for moment in (order["received_at"], *(fill["at"] for fill in order["fills"]))
            if _is_within(datetime.fromisoformat(moment), begin, end)
        ]
    return Promise(name="stopped means stopped", checked=len(books.stopped), violations=violations)


def positions_are_protected(ledger: Ledger) -> Promise:
    """Every position has a stop and a target at the exchange for all of it, on the side that closes it."""
    violations = []
    for symbol, held in ledger.positions().items():
        side = "SELL" if held > ZERO else "BUY"
        for kind in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
            covered = sum(
                (
                    Decimal(order["quantity"])
                    for order in ledger.protection()
                    if (order["symbol"], order["side"], order["type"]) == (symbol, side, kind)
                ),
                ZERO,
            )
            if covered < abs(held):
                violations.append(f"{symbol}: {held} held, {kind} for {covered}")
    return Promise(name="every position is protected", checked=len(ledger.positions()), violations=violations)


def no_protection_is_left_behind(books: Books, ledger: Ledger) -> Promise:
    """Every conditional order of ours is known here, and closes a position that there is."""
    violations = []
    for order in ledger.protection():
        ours = books.protection.get(order["client_algo_id"])
        held = ledger.positions().get(order["symbol"], ZERO)
        if ours is None or ours.state != "WORKING":
            violations.append(f"{order['client_algo_id']} waits there, here it is {ours and ours.state}")
        elif not held or (order["side"] == "SELL") != (held > ZERO):
            violations.append(f"{order['client_algo_id']}: {order['side']} {order['symbol']}, {held} held")
    return Promise(name="no protection is left behind", checked=len(ledger.protection()), violations=violations)


def _is_within(moment: datetime, begin: datetime, end: datetime | None) -> bool:
    return moment > begin and (end is None or moment < end)
