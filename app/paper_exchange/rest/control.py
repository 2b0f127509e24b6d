"""The `/paper/*` endpoints: faults, clock, limits and the ledger, for tests and for the chaos command."""

import asyncio
from typing import Any, Final

import orjson

from app.paper_exchange import ledger
from app.paper_exchange.faults import FaultRuleError
from app.paper_exchange.venue import Venue

# A jump ahead is walked in pieces, so that prices pass through what lies between and other requests get their turn.
ADVANCE_PIECE_MS: Final = 60_000
ADVANCE_MAX_MS: Final = 30 * 86_400_000
LIMIT_NAMES: Final = (
    "weight_per_minute",
    "orders_per_ten_seconds",
    "orders_per_minute",
    "funding_per_five_minutes",
    "ignored_429_max",
)


class ControlError(ValueError):
    """A control request that cannot be followed; the text says why."""


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ControlError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ControlError("expected a JSON object")
    return value


def _integer(value: dict[str, Any], name: str) -> int | None:
    found = value.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise ControlError(f"{name} must be a whole number")
    return found


async def add_faults(venue: Venue, body: bytes) -> Any:
    """A list of rules, or one."""
    try:
        rules = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ControlError(f"not JSON: {error}") from error
    rules = rules if isinstance(rules, list) else [rules]
    if not all(isinstance(rule, dict) for rule in rules):
        raise ControlError("expected a list of rules")
    try:
        venue.add_faults(rules)
    except (FaultRuleError, TypeError, ValueError) as error:
        raise ControlError(str(error)) from error
    return {"faults": venue.faults.described()}


async def clear_faults(venue: Venue, body: bytes) -> Any:
    venue.clear_faults()
    return {"faults": []}


async def list_faults(venue: Venue, body: bytes) -> Any:
    return {"faults": venue.faults.described()}


async def set_clock(venue: Venue, body: bytes) -> Any:
    """`offset_ms` skews the protocol clock, `freeze` stops and resumes time, `advance_ms` jumps ahead."""
    asked = _object(body)
    unknown = set(asked) - {"offset_ms", "freeze", "advance_ms"}
    if unknown:
        raise ControlError(f"no such field: {', '.join(sorted(unknown))}")
    offset, advance = _integer(asked, "offset_ms"), _integer(asked, "advance_ms")
    freeze = asked.get("freeze")
    if freeze is not None and not isinstance(freeze, bool):
        raise ControlError("freeze must be true or false")
    if advance is not None and not 0 <= advance <= ADVANCE_MAX_MS:
        raise ControlError(f"advance_ms must be between 0 and {ADVANCE_MAX_MS}")
    if offset is not None:
        venue.clock.offset_us = offset * 1000
    if freeze is True:
        venue.clock.freeze()
    if freeze is False:
        venue.clock.resume()
    left = advance or 0
    while left > 0:
        piece = min(left, ADVANCE_PIECE_MS)
        venue.clock.advance(piece)
        venue.tick()
        left -= piece
        await asyncio.sleep(0)
    return describe_clock(venue)


def describe_clock(venue: Venue) -> dict[str, Any]:
    return {
        "now_ms": venue.now_us() // 1000,
        "market_ms": venue.clock.market_ms(),
        "offset_ms": venue.clock.offset_us // 1000,
        "frozen": venue.clock.is_frozen,
    }


async def get_clock(venue: Venue, body: bytes) -> Any:
    return describe_clock(venue)


async def set_limits(venue: Venue, body: bytes) -> Any:
    """Change limits; `reset` forgets what was used and lifts every ban."""
    asked = _object(body)
    unknown = set(asked) - set(LIMIT_NAMES) - {"reset"}
    if unknown:
        raise ControlError(f"no such limit: {', '.join(sorted(unknown))}")
    for name in LIMIT_NAMES:
        value = _integer(asked, name)
        if value is not None:
            if value < 0:
                raise ControlError(f"{name} must not be negative")
            setattr(venue.limits.limits, name, value)
    if asked.get("reset"):
        venue.limits.reset()
    return describe_limits(venue)


def describe_limits(venue: Venue) -> dict[str, Any]:
    return {name: getattr(venue.limits.limits, name) for name in LIMIT_NAMES}


async def get_limits(venue: Venue, body: bytes) -> Any:
    return describe_limits(venue)


async def get_ledger(venue: Venue, body: bytes) -> Any:
    return ledger.describe(venue.state, venue.now_us())


CONTROLS: Final = {
    ("POST", "/paper/faults"): add_faults,
    ("DELETE", "/paper/faults"): clear_faults,
    ("GET", "/paper/faults"): list_faults,
    ("POST", "/paper/clock"): set_clock,
    ("GET", "/paper/clock"): get_clock,
    ("POST", "/paper/limits"): set_limits,
    ("GET", "/paper/limits"): get_limits,
    ("GET", "/paper/ledger"): get_ledger,
}
