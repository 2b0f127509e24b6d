"""The table of endpoints: who may call it, what it weighs, whether it counts as an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from app.paper_exchange.rest import account, algo, books, description, funding_rates, prices, settings, trading
from app.paper_exchange.rest.params import Call
from app.paper_exchange.venue import Venue

Handler = Callable[[Venue, Call], Any]
Params = Mapping[str, str]


class Security(Enum):
    """NONE; KEY wants the header; SIGNED wants header, timestamp and signature."""

    NONE = 0
    KEY = 1
    SIGNED = 2


class Creates(Enum):
    """What a request tries to create, for the ledger."""

    NOTHING = 0
    ORDER = 1
    BATCH = 2
    ALGO = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method and path. `orders` = what it costs on the (10 s, 1 min) order limits."""

    handler: Handler
    security: Security = Security.NONE
    weight: int | Callable[[Params], int] = 1
    orders: tuple[int, int] = (0, 0)
    creates: Creates = Creates.NOTHING
    funding_bucket: bool = False

    def weigh(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def _by_symbol(one: int, every: int) -> Callable[[Params], int]:
    return lambda params: one if params.get("symbol") else every


def _by_limit(default: int, *steps: tuple[int, int], above: int) -> Callable[[Params], int]:
    """The weight of the first step whose largest limit is not exceeded."""

    def weigh(params: Params) -> int:
        text = params.get("limit", "")
        limit = int(text) if text.isdecimal() and len(text) < 10 else default
        return next((weight for largest, weight in steps if limit <= largest), above)

    return weigh


NONE, KEY, SIGNED = Security.NONE, Security.KEY, Security.SIGNED
_DEPTH = _by_limit(500, (50, 2), (100, 5), (500, 10), above=20)
_KLINES = _by_limit(500, (99, 1), (499, 2), (1000, 5), above=10)

ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "/fapi/v1/ping"): Endpoint(description.ping),
    ("GET", "/fapi/v1/time"): Endpoint(description.server_time),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(description.exchange_info),
    ("GET", "/fapi/v1/depth"): Endpoint(books.depth, weight=_DEPTH),
    ("GET", "/fapi/v1/trades"): Endpoint(books.trades, weight=5),
    ("GET", "/fapi/v1/historicalTrades"): Endpoint(books.trades, KEY, weight=200),
    ("GET", "/fapi/v1/aggTrades"): Endpoint(books.agg_trades, weight=20),
    ("GET", "/fapi/v1/klines"): Endpoint(prices.klines, weight=_KLINES),
    ("GET", "/fapi/v1/markPriceKlines"): Endpoint(prices.klines, weight=_KLINES),
    ("GET", "/fapi/v1/continuousKlines"): Endpoint(prices.pair_klines, weight=_KLINES),
    ("GET", "/fapi/v1/indexPriceKlines"): Endpoint(prices.pair_klines, weight=_KLINES),
    ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(books.book_ticker, weight=_by_symbol(2, 5)),
    ("GET", "/fapi/v1/ticker/price"): Endpoint(prices.ticker_price, weight=_by_symbol(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): Endpoint(prices.ticker_price, weight=_by_symbol(1, 2)),
    ("GET", "/fapi/v1/ticker/24hr"): Endpoint(prices.ticker_24hr, weight=_by_symbol(1, 40)),
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(funding_rates.premium_index, weight=_by_symbol(1, 10)),
    ("GET", "/fapi/v1/fundingRate"): Endpoint(funding_rates.funding_rate, weight=0, funding_bucket=True),
    ("GET", "/fapi/v1/fundingInfo"): Endpoint(funding_rates.funding_info, weight=0, funding_bucket=True),
    ("POST", "/fapi/v1/order"): Endpoint(trading.place_order, SIGNED, weight=0, orders=(1, 1), creates=Creates.ORDER),
    ("POST", "/fapi/v1/order/test"): Endpoint(trading.test_order, SIGNED, weight=1),
    ("PUT", "/fapi/v1/order"): Endpoint(trading.amend_order, SIGNED, weight=0, orders=(1, 1)),
    ("GET", "/fapi/v1/order"): Endpoint(trading.query_order, SIGNED),
    ("DELETE", "/fapi/v1/order"): Endpoint(trading.cancel_order, SIGNED),
    ("POST", "/fapi/v1/batchOrders"): Endpoint(
        trading.place_batch, SIGNED, weight=5, orders=(5, 1), creates=Creates.BATCH
    ),
    ("PUT", "/fapi/v1/batchOrders"): Endpoint(trading.amend_batch, SIGNED, weight=5, orders=(5, 1)),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(trading.cancel_batch, SIGNED),
    ("GET", "/fapi/v1/openOrder"): Endpoint(trading.query_open_order, SIGNED),
    ("GET", "/fapi/v1/openOrders"): Endpoint(trading.open_orders, SIGNED, weight=_by_symbol(1, 40)),
    ("GET", "/fapi/v1/allOrders"): Endpoint(trading.all_orders, SIGNED, weight=5),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(trading.cancel_all, SIGNED),
    ("GET", "/fapi/v1/userTrades"): Endpoint(trading.user_trades, SIGNED, weight=5),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(trading.countdown_cancel_all, SIGNED, weight=10),
    ("POST", "/fapi/v1/algoOrder"): Endpoint(algo.place_algo, SIGNED, weight=0, orders=(1, 1), creates=Creates.ALGO),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(algo.query_algo, SIGNED),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(algo.cancel_algo, SIGNED),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(algo.open_algos, SIGNED, weight=_by_symbol(1, 40)),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(algo.all_algos, SIGNED, weight=5),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(algo.cancel_all_algos, SIGNED),
    ("GET", "/fapi/v2/balance"): Endpoint(account.balance, SIGNED, weight=5),
    ("GET", "/fapi/v3/balance"): Endpoint(account.balance, SIGNED, weight=5),
    ("GET", "/fapi/v2/account"): Endpoint(account.account_v2, SIGNED, weight=5),
    ("GET", "/fapi/v3/account"): Endpoint(account.account_v3, SIGNED, weight=5),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(account.position_risk_v2, SIGNED, weight=5),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(account.position_risk_v3, SIGNED, weight=5),
    ("POST", "/fapi/v1/leverage"): Endpoint(settings.set_leverage, SIGNED),
    ("POST", "/fapi/v1/marginType"): Endpoint(settings.set_margin_type, SIGNED),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(settings.move_position_margin, SIGNED),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(settings.position_mode, SIGNED, weight=30),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(settings.set_position_mode, SIGNED),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(settings.multi_assets_mode, SIGNED, weight=30),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(settings.set_multi_assets_mode, SIGNED),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(settings.leverage_bracket, SIGNED),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(settings.commission_rate, SIGNED, weight=20),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(settings.symbol_config, SIGNED, weight=5),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(settings.account_config, SIGNED, weight=5),
    ("GET", "/fapi/v1/income"): Endpoint(account.income, SIGNED, weight=30),
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(account.adl_quantile, SIGNED, weight=5),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(settings.order_rate_limits, SIGNED),
    ("POST", "/fapi/v1/listenKey"): Endpoint(settings.start_listen_key, KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(settings.extend_listen_key, KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(settings.close_listen_key, KEY),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(settings.api_restrictions, SIGNED),
}
