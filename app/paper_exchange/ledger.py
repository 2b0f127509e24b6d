"""The ledger: the exchange's own account of everything, in the shape the chaos command compares with."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.paper_exchange.account import ASSET
from app.paper_exchange.decimals import ZERO
from app.paper_exchange.orders import Fill, IncomeType
from app.paper_exchange.requests_log import RequestRecord
from app.paper_exchange.state import ExchangeState

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALGO_ORIGIN: Final = "algo_request"


def rfc3339(microseconds: int) -> str:
    """A moment with microseconds and zone, e.g. 2026-11-22T15:03:47.000001Z."""
    moment = EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "price": fill.price,
        "quantity": fill.quantity,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "at": rfc3339(fill.at_us),
        "realised_pnl": fill.realised_pnl,
        "maker": fill.maker,
    }


def _error(record: RequestRecord) -> dict[str, Any] | None:
    if record.error_code is None:
        return None
    return {"code": record.error_code, "msg": record.error_message}


def _order(state: ExchangeState, record: RequestRecord) -> dict[str, Any]:
    order = state.orders.get(record.order_id)
    status = "REJECTED" if record.error_code is not None else "PENDING"
    return {
        "order_id": record.order_id or None,
        "client_order_id": order.client_order_id if order else record.client_order_id,
        "symbol": record.symbol,
        "side": record.side,
        "type": record.type,
        "time_in_force": str(order.time_in_force) if order else record.time_in_force,
        "quantity": order.quantity if order else record.quantity,
        "price": order.price if order else record.price,
        "reduce_only": order.reduce_only if order else record.reduce_only,
        "received_at": rfc3339(record.received_us),
        "status": str(order.status) if order else status,
        "executed_quantity": order.executed_quantity if order else ZERO,
        "error": _error(record),
        "fills": [_fill(fill) for fill in state.fills_of_order.get(record.order_id, ())],
        "origin": record.origin,
        "requested_quantity": record.quantity,
    }


def _algo(state: ExchangeState, record: RequestRecord) -> dict[str, Any]:
    algo = state.algos.get(record.algo_id)
    return {
        "algo_id": record.algo_id or None,
        "client_algo_id": algo.client_algo_id if algo else record.client_order_id,
        "symbol": record.symbol,
        "side": record.side,
        "type": record.type,
        "quantity": record.quantity,
        "received_at": rfc3339(record.received_us),
        "status": str(algo.status) if algo else ("REJECTED" if record.error_code is not None else "PENDING"),
        "order_id": algo.actual_order_id or None if algo else None,
        "error": _error(record),
    }


def describe(state: ExchangeState, now_us: int) -> dict[str, Any]:
    """The whole ledger. Decimals become plain text when it is encoded; `fees` is what was paid in all."""
    account = state.account
    totals: dict[str, Any] = dict.fromkeys((str(kind) for kind in IncomeType), ZERO)
    for income in state.incomes:
        totals[str(income.income_type)] += income.income
    records = state.requests.records.values()
    return {
        "at": rfc3339(now_us),
        "orders": [_order(state, record) for record in records if record.origin != ALGO_ORIGIN],
        "algo_orders": [_algo(state, record) for record in records if record.origin == ALGO_ORIGIN],
        "wallet": {ASSET: account.wallet},
        "positions": [
            {
                "symbol": position.symbol,
                "quantity": position.quantity,
                "entry_price": position.entry_price,
                "cost": position.cost,
                "mark_price": state.market.mark_price(position.symbol),
                "unrealised_pnl": position.unrealised_pnl(state.market.mark_price(position.symbol)),
            }
            for _, position in sorted(account.positions.items())
            if position.quantity
        ],
        "fees": -totals["COMMISSION"],
        "funding": totals["FUNDING_FEE"],
        "realised_pnl": totals["REALIZED_PNL"],
        "income_totals": totals,
        "income": [
            {
                "tran_id": income.tran_id,
                "type": str(income.income_type),
                "symbol": income.symbol,
                "amount": income.income,
                "asset": income.asset,
                "trade_id": income.trade_id or None,
                "at": rfc3339(income.at_us),
            }
            for income in state.incomes
        ],
        "requests_dropped": state.requests.dropped,
    }
