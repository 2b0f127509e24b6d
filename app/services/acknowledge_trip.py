"""Carry a trip to its end: entries over, orders canceled, positions flat if asked; then it is safe. Ends a cooldown."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import structlog

from app.domain.ess import EmergencyStop, EssEvent, EssState, next_ess_state
from app.domain.triggers.trigger_book import unhealthy
from app.ports import Clock, Exchange, ExchangeError, Lane, RateBudget, UnitOfWorkFactory
from app.services import announcements
from app.services.exit_position import ExitPosition
from app.services.resolve_attempt import ResolveAttempt
from app.services.watch_account import WatchAccount, readings_as_json

log = structlog.get_logger(__name__)

OPEN_ORDERS_WEIGHT = 40
CONDITIONAL_ORDERS_WEIGHT = 40
CANCEL_ORDERS_WEIGHT = 1
CANCEL_ALL_WEIGHT = 2  # /order orders and conditional orders
POSITIONS_WEIGHT = 5
ROWS_MAX = 1_000
RESOLVED_PER_RUN_MAX = 50
FLATTEN_ROUNDS_MAX = 5  # a thin book fills a market order in parts; what is left then is the next run's, a second later


@dataclass(frozen=True, slots=True)
class AcknowledgeTrip:
    """Use case of `ess.acknowledge`; runs again every second until the trip is safe.

    It waits for no other worker: attempts of unknown outcome are resolved right here, in a process that no order can
    delay. Each step is written down once it is taken, and is not taken again.
    """

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock
    exit_position: ExitPosition
    resolve: ResolveAttempt
    watch: WatchAccount

    running: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        """One run; `ExchangeError` leaves the trip as far as it got, the next run goes on.

        A run that is due while the one before still closes positions in this process has nothing to add.
        """
        if not self.running.acquire(blocking=False):
            return
        try:
            self._run()
        finally:
            self.running.release()

    def _run(self) -> None:
        with self.unit_of_work() as uow:
            stop = uow.control.ess()
        if stop is None:
            return
        if stop.state is EssState.COOLING_DOWN:
            self._end_cooldown(stop)
        elif stop.state is EssState.TRIPPED and stop.safe_at is None:
            self._carry_on(stop)

    def _carry_on(self, stop: EmergencyStop) -> None:
        entries_over = stop.entries_over_at is not None or not self._open_attempts(entries_only=True)
        self._note(stop, entries_over=entries_over)
        flattens = stop.flatten_requested and stop.flat_at is None
        if flattens:
            self._flatten()  # before anything is waited for: positions cost money by the second
        self._resolve()
        if not entries_over:
            entries_over = not self._open_attempts(entries_only=True)
            self._note(stop, entries_over=entries_over)
        if not entries_over:
            return
        # Only a look after the last entry is over tells that nothing can be opened any more.
        flat = flattens and self._flatten()
        is_flat = flat or stop.flat_at is not None
        canceled = stop.orders_canceled_at is not None or self._orders_are_canceled(stop, is_flat=is_flat)
        self._note(stop, entries_over=True, orders_canceled=canceled, flat=flat)

    def _resolve(self) -> None:
        """Ask what became of every open attempt: an entry may still arrive, an exit keeps the next one waiting."""
        for attempt in self._open_attempts()[:RESOLVED_PER_RUN_MAX]:
            try:
                self.resolve(attempt)
            except ExchangeError as error:
                # It stays unknown; the others may still be told.
                log.warning("resolve_failed", client_order_id=attempt, error=str(error))

    def _open_attempts(self, *, entries_only: bool = False) -> list[str]:
        """Those that are SENDING or UNKNOWN; any other was answered, or refused by its own recvWindow."""
        with self.unit_of_work() as uow:
            found = uow.orders.open_attempts(limit=ROWS_MAX)
        return [each.client_order_id for each in found if not (entries_only and each.reduce_only)]

    def _orders_are_canceled(self, stop: EmergencyStop, *, is_flat: bool) -> bool:
        """Whether the exchange shows no open order that could open a position; asked to flatten: none at all.

        What protects a position stays until the exchange shows that there is none left to protect.
        """
        everything = stop.flatten_requested
        if everything and is_flat and not self._cancel_protection():
            return False
        if self.budget.acquire(weight=OPEN_ORDERS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return False
        resting = {order.symbol for order in self.exchange.open_orders() if everything or not order.reduce_only}
        for symbol in sorted(resting):
            if self.budget.acquire(weight=CANCEL_ORDERS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
                return False
            self.exchange.cancel_orders(symbol)
        if everything:
            if not is_flat:
                return False
            if self.budget.acquire(weight=CONDITIONAL_ORDERS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
                return False
            protecting = self.exchange.conditional_order_symbols()
            for symbol in sorted(protecting):
                if self.budget.acquire(weight=CANCEL_ALL_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
                    return False
                self.exchange.cancel_all(symbol)
            resting |= protecting
        # Seen empty, not assumed empty: the next run asks again after a cancel.
        return not resting

    def _cancel_protection(self) -> bool:
        """Cancel, symbol by symbol, what we know to protect nothing any more; False without budget for all of it.

        A look at the exchange costs as much as forty cancels: it comes afterwards, and is then the only one.
        """
        with self.unit_of_work() as uow:
            symbols = {order.symbol for order in uow.protection.live(limit=ROWS_MAX)}
        for symbol in sorted(symbols):
            if self.budget.acquire(weight=CANCEL_ALL_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
                return False
            self.exchange.cancel_all(symbol)
        return True

    def _flatten(self) -> bool:
        """Exit what the exchange reports until it reports nothing; False when something is left for the next run."""
        for _ in range(FLATTEN_ROUNDS_MAX):
            if self.budget.acquire(weight=POSITIONS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
                return False
            try:
                positions = [position for position in self.exchange.positions() if position.quantity]
            except ExchangeError as error:
                # The other steps need not wait for this one.
                log.warning("positions_not_told", error=str(error))
                return False
            if not positions:
                return True
            sent = False
            for position in positions:
                try:
                    self._cancel_beside(position.symbol)
                    sent |= self.exit_position(position, reason="EMERGENCY_STOP")
                except ExchangeError as error:
                    # One symbol that cannot be closed now must not keep the others open.
                    log.warning("flatten_failed", symbol=position.symbol, error=str(error))
            if not sent:
                return False  # exits are on their way, or there is no budget: asking again at once would not help
        return False

    def _cancel_beside(self, symbol: str) -> None:
        """Orders that rest beside a position use it up: a reduce-only exit would be refused; conditional ones stay."""
        if self.budget.acquire(weight=CANCEL_ORDERS_WEIGHT, orders=0, lane=Lane.SAFETY) is not None:
            return
        try:
            self.exchange.cancel_orders(symbol)
        except ExchangeError as error:
            log.warning("cancel_before_exit_failed", symbol=symbol, error=str(error))

    def _note(self, seen: EmergencyStop, **taken: bool) -> None:
        """Write down the steps that were taken, and that the trip is safe once all are."""
        steps = {f"{name}_at" for name, is_taken in taken.items() if is_taken}
        with self.unit_of_work() as uow:
            stop = uow.control.lock_ess()
            if stop is None or stop.state is not EssState.TRIPPED or stop.tripped_at != seen.tripped_at:
                return
            now = self.clock.now()
            fresh = {name: now for name in steps if getattr(stop, name) is None}
            noted = replace(stop, **fresh, updated_at=now)  # type: ignore[arg-type]
            becomes_safe = noted.is_carried_out and noted.safe_at is None
            if not fresh and not becomes_safe:
                return
            if becomes_safe:
                noted = replace(noted, safe_at=now)
                after = {
                    name: (at - noted.tripped_at).total_seconds()
                    for name, at in noted.steps.items()
                    if at is not None and noted.tripped_at is not None
                }
                uow.control.audit(
                    at=now,
                    actor="system",
                    action="ess_safe",
                    reason=stop.trip_reason or "",
                    detail={"seconds_after_trip": after},
                )
            uow.control.save_ess(noted)
            uow.emit(announcements.ess_changed(noted, now))
            uow.commit()
        log.info("trip_carried_on", steps=sorted(fresh), is_safe=noted.safe_at is not None)

    def _end_cooldown(self, seen: EmergencyStop) -> None:
        now = self.clock.now()
        if seen.cooldown_until is not None and now < seen.cooldown_until:
            return
        readings = self.watch.readings()
        problems = unhealthy(readings)
        held_because = ", ".join(f"{each.trigger} {each.sight}" for each in problems) or None
        if held_because is not None and held_because == seen.held_because:
            return
        with self.unit_of_work() as uow:
            stop = uow.control.lock_ess()
            if stop is None or stop.state is not EssState.COOLING_DOWN or stop.cooldown_until != seen.cooldown_until:
                return
            if held_because is not None:
                changed = replace(stop, held_because=held_because, updated_at=now)
                action, reason = "ess_held", held_because
            else:
                changed = replace(
                    stop,
                    state=next_ess_state(stop.state, EssEvent.COOLED_DOWN),
                    cooldown_started_at=None,
                    cooldown_until=None,
                    held_because=None,
                    updated_at=now,
                )
                action, reason = "ess_armed", "cooldown over, no trigger would fire"
            uow.control.save_ess(changed)
            detail = {"readings": readings_as_json(readings)}
            uow.control.audit(at=now, actor="system", action=action, reason=reason, detail=detail)
            uow.emit(announcements.ess_changed(changed, now))
            uow.commit()
