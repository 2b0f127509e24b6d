"""The one table of error codes: HTTP status and text of everything the exchange refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the exchange answers instead of doing what was asked."""

    code: int
    message: str
    http_status: int = 400

    def body(self) -> dict[str, int | str]:
        return {"code": self.code, "msg": self.message}


class RefusedError(Exception):
    """Carries a refusal up to the HTTP shell."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code} {refusal.message}")
        self.refusal = refusal


# Codes are stable and clients act on them; texts follow the published ones (protocol sheet, section 6).
TEXTS: Mapping[int, str] = MappingProxyType(
    {
        -1000: "An unknown error occurred while processing the request.",
        -1001: "Internal error; unable to process your request. Please try again.",
        -1003: "Too many requests; current limit of IP({ip}) is {limit} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API.",
        -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        -1008: "Request throttled by system-level protection. "
        "Reduce-only/close-position orders are exempt. Please try again.",
        -1015: "Too many new orders; current limit is {limit} orders per {interval}.",
        -1021: "Timestamp for this request is outside of the recvWindow.",
        -1022: "Signature for this request is not valid.",
        -1100: "Illegal characters found in parameter '{name}'; legal range is '{legal}'.",
        -1101: "Too many parameters sent for this endpoint.",
        -1102: "Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
        -1105: "Parameter '{name}' was empty.",
        -1106: "Parameter '{name}' sent when not required.",
        -1111: "Precision is over the maximum defined for this asset.",
        -1115: "Invalid timeInForce.",
        -1116: "Invalid orderType.",
        -1117: "Invalid side.",
        -1120: "Invalid interval.",
        -1121: "Invalid symbol.",
        -1125: "This listenKey does not exist.",
        -1130: "Data sent for parameter '{name}' is not valid.",
        -1136: "Invalid newOrderRespType",
        -2007: "Invalid callBack rate",
        -2011: "Unknown order sent.",
        -2013: "Order does not exist.",
        -2014: "API-key format invalid.",
        -2015: "Invalid API-key, IP, or permissions for action.",
        -2019: "Margin is insufficient.",
        -2020: "Unable to fill.",
        -2021: "Order would immediately trigger.",
        -2022: "ReduceOnly Order is rejected.",
        -2025: "Reach max open order limit.",
        -2027: "Exceeded the maximum allowable position at current leverage.",
        -2028: "Leverage is smaller than permitted: insufficient margin balance.",
        -4001: "Price less than 0.",
        -4002: "Price greater than max price.",
        -4003: "Quantity less than zero.",
        -4004: "Quantity less than or equal to zero.",
        -4005: "Quantity greater than max quantity.",
        -4013: "Price less than min price.",
        -4014: "Price not increased by tick size.",
        -4015: "Client order id length should not be more than 36 chars.",
        -4016: "Limit price can't be higher than {limit}.",
        -4021: "{value} is not valid depth limit.",
        -4023: "Qty not increased by step size.",
        -4024: "Limit price can't be lower than {limit}.",
        -4028: "Leverage {leverage} is not valid.",
        -4045: "Reach max stop order limit.",
        -4046: "No need to change margin type.",
        -4047: "Margin type cannot be changed if there exists open orders.",
        -4048: "Margin type cannot be changed if there exists position.",
        -4050: "Cross balance insufficient.",
        -4051: "Isolated balance insufficient.",
        -4055: "Amount must be positive.",
        -4054: "Cannot add position margin: position is 0.",
        -4059: "No need to change position side.",
        -4060: "Invalid position side.",
        -4061: "Order's position side does not match user's setting.",
        -4082: "Invalid number of batch place orders, at most {limit}.",
        -4116: "ClientOrderId is duplicated.",
        -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        -4130: "An open stop or take profit order with GTE and closePosition in the direction is existing.",
        -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
        -4136: "Target strategy invalid for orderType {type}, closePosition {close}.",
        -4137: "Quantity must be zero with closePosition equals true.",
        -4140: "Invalid symbol status for opening position.",
        -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
        -4164: "Order's notional must be no smaller than {minimum} (unless you choose reduce only).",
        -4166: "Search window is restricted to recent 7 days only.",
        -4067: "Position side cannot be changed if there exists open orders.",
        -4068: "Position side cannot be changed if there exists position.",
        -4084: "Method is not allowed currently. This exchange offers the one-way position mode only.",
        -4167: "Unable to adjust to Multi-Assets mode: this exchange offers the single-asset mode only.",
        -4171: "No need to change multi-assets mode: the single-asset mode is set.",
        -4509: "Time in Force (TIF) GTE can only be used with open positions. "
        "Please ensure that positions are available.",
        -5021: "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history.",
        -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history.",
        -5025: "Only limit order is supported.",
        -5026: "Exceed maximum modify order limit.",
        -5027: "No need to modify the order.",
        -5028: "Timestamp for this request is outside of the ME recvWindow.",
        -5029: "Order's notional must be no smaller than {minimum}.",
        -5037: "Invalid price match.",
        -5039: "Invalid self trade prevention mode.",
        -5040: "The goodTillDate timestamp must be greater than the current time plus 600 seconds "
        "and smaller than 253402300799000.",
    }
)

HTTP_STATUS: Mapping[int, int] = MappingProxyType(
    {-1003: 429, -1015: 429, -1007: 408, -2014: 401, -2015: 401, -1008: 503}
)

UNKNOWN_ERROR_TEXT = "Unknown error, please check your request or try again later."
SERVICE_UNAVAILABLE_TEXT = "Service Unavailable."


def refusal(code: int, **values: object) -> Refusal:
    """Look a refusal up in the table and fill in its text."""
    text = TEXTS[code]
    return Refusal(code, text.format(**values) if values else text, HTTP_STATUS.get(code, 400))
