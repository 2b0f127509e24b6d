"""The record of every request that tried to create an order, refused ones included: the basis of the ledger."""

from collections import OrderedDict
from dataclasses import dataclass, field

REQUESTS_KEPT_MAX = 1_000_000


@dataclass(slots=True)
class RequestRecord:
    """One request as it arrived; `order_id` once it became an order, `error_*` once it was refused."""

    number: int
    received_us: int
    client_order_id: str | None
    symbol: str | None
    side: str | None
    type: str | None
    time_in_force: str | None
    quantity: str | None
    price: str | None
    reduce_only: bool
    origin: str = "request"
    order_id: int = 0
    algo_id: int = 0
    error_code: int | None = None
    error_message: str | None = None


@dataclass(slots=True)
class RequestLog:
    """Bounded: past `kept_max` the oldest records fall out and are counted."""

    kept_max: int = REQUESTS_KEPT_MAX
    records: OrderedDict[int, RequestRecord] = field(default_factory=OrderedDict)
    next_number: int = 1
    dropped: int = 0

    def add(self, record: RequestRecord) -> RequestRecord:
        record.number = self.next_number
        self.next_number += 1
        self.records[record.number] = record
        while len(self.records) > self.kept_max:
            self.records.popitem(last=False)
            self.dropped += 1
        return record
