"""Entries of the request log: what the ledger will say about each request that tried to create an order."""

from app.paper_exchange.decimals import ZERO
from app.paper_exchange.requests_log import RequestRecord
from app.paper_exchange.state import ExchangeState


def record_internal(state: ExchangeState, *, order_id: int, origin: str, algo_id: int = 0) -> None:
    """Enter an order the exchange made itself into the request log, so that the ledger's fills are complete."""
    order = state.orders[order_id]
    record = state.requests.add(
        RequestRecord(
            number=0,
            received_us=order.created_us,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            type=str(order.type),
            time_in_force=str(order.time_in_force),
            quantity=format(order.quantity, "f"),
            price=format(order.price, "f") if order.price != ZERO else None,
            reduce_only=order.reduce_only,
            origin=origin,
            order_id=order_id,
            algo_id=algo_id,
        )
    )
    state.changed("request", record.number, record)
