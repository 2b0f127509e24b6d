"""Faults on request: rules that make the exchange lose, delay, double or refuse things, by script or by seed."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

ORDER_ENDPOINT: Final = "POST /fapi/v1/order"
RULES_MAX: Final = 1_000

# kind -> its parameters with their defaults. Everything a rule may carry beyond the common fields is listed here.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    # Requests. Default endpoint: POST /fapi/v1/order.
    "drop_reply": {},
    "drop_request": {},
    "delay_reply": {"delay_ms": 1000},
    "delay_acceptance": {"delay_ms": 1000, "reply": "wait"},
    "http_error": {"status": 503, "text": None, "accepted": False},
    "timeout": {"accepted": False},
    "throttled": {},
    "rate_limited": {"code": -1003, "retry_after_seconds": 1},
    "banned": {"seconds": 120},
    # Queries do not see orders younger than this, as the exchange's do under load. Default endpoint: any query.
    "query_lag": {"delay_ms": 1000},
    # Matching.
    "partial_fill": {"share": "0.5"},
    "thin_book": {"depth": "0.1"},
    "frozen_prices": {},
    # The clock.
    "clock_skew": {"offset_ms": 0},
    # Streams.
    "duplicate_events": {"event": None},
    "drop_events": {"event": None},
    "delay_events": {"event": None, "delay_ms": 1000},
    "reorder_events": {"event": None},
    "drop_stream": {"event": None},
    "listen_key_expiry": {},
}
REQUEST_KINDS: Final = frozenset(
    {
        "drop_reply",
        "drop_request",
        "delay_reply",
        "delay_acceptance",
        "http_error",
        "timeout",
        "throttled",
        "rate_limited",
        "banned",
    }
)
COMMON_FIELDS: Final = frozenset({"kind", "endpoint", "symbol", "side", "probability", "count", "seed", "after"})
DELAY_REPLIES: Final = frozenset({"wait", "timeout", "unknown", "drop"})
ERROR_TEXTS: Final = frozenset({"unknown", "internal", "unavailable", "html"})


class FaultRuleError(ValueError):
    """A rule that cannot be followed; the text names the field."""


@dataclass(slots=True)
class Fault:
    """One rule. It looks at every matching occasion, lets `after` of them pass and then fires up to `count` times."""

    number: int
    kind: str
    endpoint: str | None
    symbol: str | None
    side: str | None
    probability: float
    count: int | None
    seed: int
    after: int
    params: dict[str, Any]
    seen: int = 0
    fired: int = 0
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def matches(self, *, endpoint: str | None, symbol: str | None, side: str | None, event: str | None) -> bool:
        if self.endpoint not in (None, "*") and endpoint is not None:
            method_and_path = self.endpoint if " " in self.endpoint else f"{endpoint.split(' ')[0]} {self.endpoint}"
            if method_and_path != endpoint:
                return False
        wanted_event = self.params.get("event")
        if wanted_event is not None and event != wanted_event:
            return False
        return self.symbol in (None, symbol) and self.side in (None, side)

    def fires(self) -> bool:
        """Count an occasion and say whether this is one to fire on."""
        self.seen += 1
        # Drawn on every occasion, so that `after` and `count` do not shift what chance decides for later ones.
        lucky = self.probability >= 1 or self.chance.random() < self.probability
        if self.seen <= self.after or self.is_spent or not lucky:
            return False
        self.fired += 1
        return True

    @property
    def is_spent(self) -> bool:
        return self.count is not None and self.fired >= self.count

    def described(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "kind": self.kind,
            "endpoint": self.endpoint,
            "symbol": self.symbol,
            "side": self.side,
            "probability": self.probability,
            "count": self.count,
            "seed": self.seed,
            "after": self.after,
            **self.params,
            "seen": self.seen,
            "fired": self.fired,
        }


class Faults:
    """The rules in force, asked at each place where something can go wrong."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._next_number = 1

    def add(self, rules: Iterable[Mapping[str, Any]]) -> list[Fault]:
        """Put rules in force, all or (FaultRuleError) none."""
        parsed = [parse_rule(rule, self._next_number + index) for index, rule in enumerate(rules)]
        if len(self._rules) + len(parsed) > RULES_MAX:
            raise FaultRuleError(f"at most {RULES_MAX} rules")
        self._next_number += len(parsed)
        self._rules.extend(parsed)
        return parsed

    def clear(self) -> None:
        self._rules.clear()

    def described(self) -> list[dict[str, Any]]:
        return [rule.described() for rule in self._rules]

    def decide(
        self,
        *kinds: str,
        endpoint: str | None = None,
        symbol: str | None = None,
        side: str | None = None,
        event: str | None = None,
    ) -> Fault | None:
        """The first rule of these kinds that fires on this occasion."""
        if not self._rules:
            return None
        for rule in self._rules:
            if rule.kind not in kinds:
                continue
            if rule.matches(endpoint=endpoint, symbol=symbol, side=side, event=event) and rule.fires():
                return rule
        return None

    def standing(self, kind: str, symbol: str | None = None) -> Fault | None:
        """A rule that holds as long as it is there, such as a thin book; looking does not use it up."""
        for rule in self._rules:
            if rule.kind == kind and rule.symbol in (None, symbol):
                return rule
        return None

    @property
    def clock_offset_ms(self) -> int:
        return sum(int(rule.params["offset_ms"]) for rule in self._rules if rule.kind == "clock_skew")


def parse_rule(rule: Mapping[str, Any], number: int) -> Fault:
    """Check one rule as posted."""
    kind = rule.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultRuleError(f"kind must be one of {', '.join(KINDS)}")
    unknown = set(rule) - COMMON_FIELDS - set(KINDS[kind])
    if unknown:
        raise FaultRuleError(f"{kind} takes no {', '.join(sorted(unknown))}")
    params = {name: rule.get(name, default) for name, default in KINDS[kind].items()}
    _check_params(kind, params)
    probability = float(rule.get("probability", 1))
    if not 0 <= probability <= 1:
        raise FaultRuleError("probability must be between 0 and 1")
    count = rule.get("count")
    if count is not None and (not isinstance(count, int) or count < 0):
        raise FaultRuleError("count must be a whole number")
    endpoint = rule.get("endpoint", ORDER_ENDPOINT if kind in REQUEST_KINDS else None)
    return Fault(
        number=number,
        kind=kind,
        endpoint=endpoint,
        symbol=rule.get("symbol"),
        side=rule.get("side"),
        probability=probability,
        count=count,
        seed=int(rule.get("seed", number)),
        after=int(rule.get("after", 0)),
        params=params,
    )


def _check_params(kind: str, params: dict[str, Any]) -> None:
    for name in ("share", "depth"):
        if name in params:
            try:
                value = Decimal(str(params[name]))
            except InvalidOperation as error:
                raise FaultRuleError(f"{name} must be a number") from error
            if not 0 <= value <= 1:
                raise FaultRuleError(f"{name} must be between 0 and 1")
            params[name] = value
    for name in ("delay_ms", "seconds", "retry_after_seconds"):
        if name in params and (not isinstance(params[name], int) or params[name] < 0):
            raise FaultRuleError(f"{name} must be a whole number")
    if "offset_ms" in params and not isinstance(params["offset_ms"], int):
        raise FaultRuleError("offset_ms must be a whole number")
    if kind == "delay_acceptance" and params["reply"] not in DELAY_REPLIES:
        raise FaultRuleError(f"reply must be one of {', '.join(sorted(DELAY_REPLIES))}")
    if kind == "http_error":
        if params["status"] not in (500, 502, 503, 504):
            raise FaultRuleError("status must be 500, 502, 503 or 504")
        if params["text"] is not None and params["text"] not in ERROR_TEXTS:
            raise FaultRuleError(f"text must be one of {', '.join(sorted(ERROR_TEXTS))}")
    if kind == "rate_limited" and params["code"] not in (-1003, -1015):
        raise FaultRuleError("code must be -1003 or -1015")
