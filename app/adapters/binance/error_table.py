"""THE table: what each answer of the exchange says about execution; anything unlisted is Unknown.

A refusal counts as one only when all of it fits: a 4xx status, a JSON body of the documented shape, and a code listed
here. Source: the exchange's error-code and general-info pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.adapters.binance.wire import MalformedAnswerError, Refusal, parse_refusal, safe_text
from app.ports import Rejected, RetryAfter, Unknown


class Verdict(StrEnum):
    """What a code says about the request it answers."""

    REJECTED = "REJECTED"  # definitely not executed; the same again would be refused again
    RETRY_AFTER = "RETRY_AFTER"  # definitely not executed; may work later or with a new timestamp
    UNKNOWN = "UNKNOWN"  # may have been executed


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    verdict: Verdict
    meaning: str


def _rejected(meaning: str) -> Row:
    return Row(Verdict.REJECTED, meaning)


def _retry(meaning: str) -> Row:
    return Row(Verdict.RETRY_AFTER, meaning)


def _unknown(meaning: str) -> Row:
    return Row(Verdict.UNKNOWN, meaning)


TABLE: Mapping[int, Row] = MappingProxyType(
    {
        # May have been executed.
        -1000: _unknown("unknown error; no statement about execution"),
        -1001: _unknown("internal error; called a failure, but fills after a 503 have been reported"),
        -1006: _unknown("unexpected response from the backend; execution status unknown"),
        -1007: _unknown("timeout waiting for the backend; seen live with the order accepted"),
        -1008: _unknown("throttled; called a failure, but fills after a 503 have been reported"),
        # An *open* order carries this very id: whatever this request did, an order of ours exists.
        -4116: _unknown("client order id is in use by an open order: ask for it"),
        # Limits and the clock: not executed.
        -1003: _retry("request weight or ban"),
        -1015: _retry("too many new orders"),
        -1021: _retry("timestamp outside the receive window at the gateway: measure the clock again"),
        -5028: _retry("timestamp outside the receive window at the matching engine"),
        # The request itself.
        -1013: _rejected("invalid message"),
        -1014: _rejected("unknown order composition"),
        -1020: _rejected("unsupported operation"),
        -1022: _rejected("signature not valid: a bug or the wrong secret"),
        -1100: _rejected("illegal characters"),
        -1101: _rejected("too many parameters"),
        -1102: _rejected("mandatory parameter missing or malformed"),
        -1103: _rejected("unknown parameter"),
        -1104: _rejected("unread parameters"),
        -1105: _rejected("parameter empty"),
        -1106: _rejected("parameter not required"),
        -1111: _rejected("precision over the maximum"),
        -1114: _rejected("time in force not wanted"),
        -1115: _rejected("invalid time in force"),
        -1116: _rejected("invalid order type"),
        -1117: _rejected("invalid side"),
        -1118: _rejected("client order id empty"),
        -1119: _rejected("original client order id empty"),
        -1120: _rejected("invalid interval"),
        -1121: _rejected("invalid symbol"),
        -1122: _rejected("invalid symbol status"),
        -1125: _rejected("listen key does not exist"),
        -1128: _rejected("invalid combination of optional parameters"),
        -1130: _rejected("invalid data for a parameter"),
        -1136: _rejected("invalid response type"),
        # Orders.
        -2010: _rejected("new order rejected"),
        -2011: _rejected("cancel rejected: unknown or finished"),
        -2013: _rejected("no such order"),
        -2018: _rejected("balance insufficient"),
        -2019: _rejected("margin insufficient"),
        -2020: _rejected("unable to fill"),
        -2021: _rejected("would trigger immediately"),
        -2022: _rejected("reduce-only rejected: read the position again"),
        -2023: _rejected("account in liquidation"),
        -2024: _rejected("position too small"),
        -2025: _rejected("too many open orders"),
        -2026: _rejected("order type does not support reduce-only"),
        -2027: _rejected("position over the leverage's cap"),
        -2028: _rejected("leverage too low for the margin"),
        # The key: halt the account.
        -2008: _rejected("unknown key id"),
        -2014: _rejected("key format invalid"),
        -2015: _rejected("key, IP or permission"),
        -2017: _rejected("keys locked"),
        # Filters.
        -4001: _rejected("price not positive"),
        -4002: _rejected("price above maximum"),
        -4003: _rejected("quantity not positive"),
        -4004: _rejected("quantity below minimum"),
        -4005: _rejected("quantity above maximum"),
        -4013: _rejected("price below minimum"),
        -4014: _rejected("price off the tick"),
        -4015: _rejected("client order id too long"),
        -4016: _rejected("price above the percent-price band"),
        -4023: _rejected("quantity off the step"),
        -4024: _rejected("price below the percent-price band"),
        -4131: _rejected("counterparty's best price outside the percent-price band"),
        -4164: _rejected("below the minimum notional"),
        -5029: _rejected("below the minimum notional on amendment"),
        # Account configuration.
        -4028: _rejected("leverage not valid"),
        -4045: _rejected("too many open conditional orders"),
        -4046: _rejected("margin type is so already"),
        -4047: _rejected("margin type cannot change with open orders"),
        -4048: _rejected("margin type cannot change with a position"),
        -4059: _rejected("position mode is so already"),
        -4061: _rejected("position side does not match the mode"),
        -4062: _rejected("improper reduce-only"),
        -4067: _rejected("position mode cannot change with open orders"),
        -4068: _rejected("position mode cannot change with a position"),
        -4531: _rejected("position mode cannot change now"),
        -4118: _rejected("margin check of a reduce-only order failed"),
        # Account or symbol restricted: stop opening, closing stays allowed.
        -4087: _rejected("account may only reduce"),
        -4088: _rejected("account may not open"),
        -4105: _rejected("restricted"),
        -4106: _rejected("restricted"),
        -4107: _rejected("restricted"),
        -4109: _rejected("account inactive"),
        -4140: _rejected("symbol does not allow opening"),
        -4141: _rejected("symbol is closed"),
        -4189: _rejected("cooling off"),
        -4192: _rejected("cooling off"),
        # Order forms.
        -4115: _rejected("transfer id duplicated (not an order id)"),
        -4120: _rejected("conditional order types live on the algo endpoint"),
        -5021: _rejected("fill-or-kill not possible: leaves no order"),
        -5022: _rejected("post-only not possible: leaves no order"),
    }
)
# -4400..-4499: the account's risk rules; stop opening, closing stays allowed.
RISK_RULES = range(-4499, -4399)
RISK_RULE_ROW = _rejected("risk rule of the account")

# The message texts of a 503, the one status whose texts must be read. All are Unknown: the last two are called "100 %
# failure", but fills after such answers have been reported, and asking costs a weight of one.
SERVICE_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "unknown error, please check your request or try again later.": "503 unknown: may have succeeded",
        "internal error; unable to process your request. please try again.": "503 internal: called a failure",
        "service unavailable.": "503 unavailable: called a failure",
    }
)

PAUSE_SECONDS_MIN = 1.0  # Retry-After has a resolution of one second
PAUSE_SECONDS_MAX = 3 * 24 * 3600.0  # the longest ban
# When the answer itself gives no number: the rest of a minute, of ten seconds, and the shortest ban.
WEIGHT_PAUSE_SECONDS = 60.0
ORDER_COUNT_PAUSE_SECONDS = 10.0
BAN_PAUSE_SECONDS = 120.0
_BANNED_UNTIL = re.compile(r"banned until ([0-9]{13})")
_SECONDS_TEXT = re.compile(r"[0-9]{1,9}")

REFUSED_STATUS = range(400, 500)
TIMEOUT_STATUS = 408


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, the two kinds of headers we read (names in lower case), the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status says 2xx; the body has still to prove it."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether the status is one that a code may be believed beside: 4xx, but not a time-out.

        A 5xx or a redirect may come from anything on the way.
        """
        return self.status in REFUSED_STATUS and self.status != TIMEOUT_STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nobody is to send anything for `seconds`; with `orders_only` nobody is to create an order."""

    seconds: float
    reason: str
    orders_only: bool = False


def row_of(code: int) -> Row | None:
    """The table's line for a code; None when it is not listed."""
    if code in RISK_RULES:
        return RISK_RULE_ROW
    return TABLE.get(code)


def refusal_in(answer: Answer) -> Refusal | None:
    """The `{"code", "msg"}` of an answer; None when the body is anything else."""
    try:
        return parse_refusal(answer.body)
    except MalformedAnswerError:
        return None


def pause_in(answer: Answer, *, now_ms: int) -> Pause | None:
    """How long the exchange wants us to be silent; None when it does not say so. `now_ms` is needed for bans only."""
    refusal = refusal_in(answer)
    code = refusal.code if refusal is not None and not answer.is_success else None
    if answer.status not in (418, 429) and code not in (-1003, -1015):
        return None
    seconds = _retry_after(answer)
    if seconds is None:
        seconds = _default_pause(answer.status, code, refusal, now_ms=now_ms)
    kind = {418: "banned", 429: "limit passed"}.get(answer.status, "limit passed")
    return Pause(
        seconds=min(max(seconds, PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX),
        reason=f"{kind}: status={answer.status}, code={code}",
        # The account's order count is full; cancels and questions count against the IP's weight, which is not.
        orders_only=code == -1015 and answer.status != 418,
    )


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if _SECONDS_TEXT.fullmatch(text) else None


def _default_pause(status: int, code: int | None, refusal: Refusal | None, *, now_ms: int) -> float:
    until = _BANNED_UNTIL.search(refusal.message) if refusal is not None else None
    if until is not None:
        return (int(until.group(1)) - now_ms) / 1000
    if status == 418:
        return BAN_PAUSE_SECONDS
    return ORDER_COUNT_PAUSE_SECONDS if code == -1015 else WEIGHT_PAUSE_SECONDS


def classify(answer: Answer, *, now_ms: int) -> Rejected | RetryAfter | Unknown:
    """What an answer that is no order says about execution. Never raises, whatever the bytes are."""
    refusal = refusal_in(answer)
    if refusal is None:
        return Unknown(reason=_describe_unreadable(answer))
    row = row_of(refusal.code)
    said = f"status={answer.status}, code={refusal.code}, message={refusal.message}"
    if row is None or not answer.is_refusal:
        return Unknown(reason=_describe_service_text(answer, refusal.message) or said)
    if row.verdict is Verdict.REJECTED:
        return Rejected(code=str(refusal.code), message=refusal.message)
    if row.verdict is Verdict.RETRY_AFTER:
        pause = pause_in(answer, now_ms=now_ms)
        return RetryAfter(
            code=str(refusal.code), message=refusal.message, seconds=pause.seconds if pause is not None else 0.0
        )
    return Unknown(reason=f"{said} ({row.meaning})")


def _describe_unreadable(answer: Answer) -> str:
    text = safe_text(answer.body.decode("utf-8", errors="replace"))
    named = _describe_service_text(answer, text)
    return named or f"status={answer.status}, no readable answer: {text!r}"


def _describe_service_text(answer: Answer, message: str) -> str | None:
    if answer.status != 503:
        return None
    meaning = SERVICE_TEXTS.get(message.strip().lower())
    return f"{meaning}: {message.strip()}" if meaning is not None else None
