"""Request parameters: from query, form body or both, read with the exchange's own complaints."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn
from urllib.parse import parse_qsl

from app.paper_exchange.decimals import ZERO, parse_wire_number
from app.paper_exchange.errors import RefusedError, refusal
from app.paper_exchange.market import Side
from app.paper_exchange.moment import Moment
from app.paper_exchange.requests_log import RequestRecord

PARAMETERS_MAX: Final = 200
NUMBER_TEXT: Final = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
CLIENT_ID: Final = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
INTEGER: Final = re.compile(r"^-?[0-9]{1,19}$")


def refuse(code: int, **values: object) -> NoReturn:
    """Answer with an error from the table."""
    raise RefusedError(refusal(code, **values))


def parse_parameters(query: str, body: str) -> dict[str, str]:
    """Merge query and form body; on a clash the query wins (protocol sheet, section 2)."""
    if not query and not body:
        return {}
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
        pairs += parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise RefusedError(refusal(-1101)) from error
    return dict(pairs)


@dataclass(slots=True)
class Call:
    """One request on its way through: what was asked, by whom, at which moment."""

    method: str
    path: str
    params: Mapping[str, str]
    moment: Moment
    ip: str = ""
    # What the ledger will say; one record per order the request tries to create.
    records: list[RequestRecord] = field(default_factory=list)
    valid_until_us: int | None = None

    def text(self, name: str) -> str | None:
        """The parameter, or None when absent; present but empty is -1105."""
        value = self.params.get(name)
        if value == "":
            refuse(-1105, name=name)
        return value

    def required(self, name: str) -> str:
        value = self.params.get(name)
        if not value:
            refuse(-1102, name=name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        text = self.text(name)
        if text is None:
            return None
        value = parse_wire_number(text)
        if value is None:
            refuse(-1100, name=name, legal=NUMBER_TEXT)
        return value

    def decimal_or_zero(self, name: str) -> Decimal:
        value = self.decimal(name)
        return ZERO if value is None else value

    def required_decimal(self, name: str) -> Decimal:
        self.required(name)
        return self.decimal_or_zero(name)

    def integer(self, name: str) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not INTEGER.match(text):
            refuse(-1130, name=name)
        return int(text)

    def required_integer(self, name: str) -> int:
        self.required(name)
        value = self.integer(name)
        assert value is not None
        return value

    def limit(self, *, default: int, maximum: int) -> int:
        value = self.integer("limit")
        if value is None:
            return default
        if not 1 <= value <= maximum:
            refuse(-1130, name="limit")
        return value

    def boolean(self, name: str) -> bool | None:
        """`true`, `True`, `TRUE` and their counterparts."""
        text = self.text(name)
        if text is None:
            return None
        lowered = text.lower()
        if lowered not in ("true", "false"):
            refuse(-1130, name=name)
        return lowered == "true"

    def flag(self, name: str) -> bool:
        return self.boolean(name) is True

    def side(self) -> Side:
        text = self.required("side")
        if text == "BUY":
            return "BUY"
        if text == "SELL":
            return "SELL"
        refuse(-1117)

    def client_id(self, name: str) -> str | None:
        text = self.text(name)
        if text is None:
            return None
        if len(text) > 36:
            refuse(-4015)
        if not CLIENT_ID.match(text):
            refuse(-1100, name=name, legal="^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
        return text
