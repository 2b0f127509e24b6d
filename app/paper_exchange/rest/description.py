"""The exchange's description of itself: ping, time and exchangeInfo."""

from typing import Any

from app.paper_exchange.decimals import plain
from app.paper_exchange.rest.params import Call
from app.paper_exchange.symbols import SymbolSpec
from app.paper_exchange.venue import Venue


def ping(venue: Venue, call: Call) -> Any:
    return {}


def server_time(venue: Venue, call: Call) -> Any:
    return {"serverTime": call.moment.now_ms}


def _filters(spec: SymbolSpec) -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain(spec.price_min),
            "maxPrice": plain(spec.price_max),
            "tickSize": plain(spec.price_tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": plain(spec.quantity_min),
            "maxQty": plain(spec.quantity_max),
            "stepSize": plain(spec.quantity_step),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": plain(spec.market_quantity_min),
            "maxQty": plain(spec.market_quantity_max),
            "stepSize": plain(spec.market_quantity_step),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.orders_max},
        {"filterType": "MIN_NOTIONAL", "notional": plain(spec.notional_min)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": plain(spec.multiplier_up),
            "multiplierDown": plain(spec.multiplier_down),
            "multiplierDecimal": str(spec.multiplier_decimal),
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": spec.position_control_side},
    ]


def _symbol_json(spec: SymbolSpec) -> dict[str, Any]:
    return {
        "symbol": spec.symbol,
        "pair": spec.pair,
        "contractType": spec.contract_type,
        "deliveryDate": spec.delivery_at_ms,
        "onboardDate": spec.onboard_at_ms,
        "status": spec.status,
        "maintMarginPercent": plain(spec.maintenance_margin_percent),
        "requiredMarginPercent": plain(spec.required_margin_percent),
        "baseAsset": spec.base_asset,
        "quoteAsset": spec.quote_asset,
        "marginAsset": spec.margin_asset,
        "pricePrecision": spec.price_precision,
        "quantityPrecision": spec.quantity_precision,
        "baseAssetPrecision": spec.base_asset_precision,
        "quotePrecision": spec.quote_precision,
        "underlyingType": spec.underlying_type,
        "underlyingSubType": list(spec.underlying_sub_types),
        "settlePlan": 0,
        "triggerProtect": plain(spec.trigger_protect),
        "liquidationFee": plain(spec.liquidation_fee),
        "marketTakeBound": plain(spec.market_take_bound),
        "maxMoveOrderLimit": 10000,
        "filters": _filters(spec),
        "orderTypes": list(spec.order_types),
        "timeInForce": list(spec.times_in_force),
        "permissionSets": ["GRID", "COPY"],
    }


def exchange_info(venue: Venue, call: Call) -> Any:
    """Every symbol, whatever `symbol` says: the exchange ignores it (protocol sheet, section 0)."""
    return {
        "timezone": "UTC",
        "serverTime": call.moment.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": venue.limits.described(),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_symbol_json(spec) for spec in venue.market.symbols.values()],
    }
