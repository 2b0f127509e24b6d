"""Settings of the account and what they allow: leverage, margin type, modes, brackets, fees, permissions."""

from typing import Any

from app.paper_exchange.account import MarginType
from app.paper_exchange.decimals import plain
from app.paper_exchange.errors import RefusedError
from app.paper_exchange.margin import notional_cap
from app.paper_exchange.rest.asked import symbol_of, symbols_asked
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.venue import Venue

SUCCESS = {"code": 200, "msg": "success"}


def permissions(venue: Venue) -> dict[str, Any]:
    """What the account may do, as several endpoints repeat it."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "multiAssetsMargin": venue.state.account.multi_assets_margin,
        "tradeGroupId": -1,
        "updateTime": 0,
    }


def set_leverage(venue: Venue, call: Call) -> Any:
    symbol, leverage = symbol_of(venue, call), call.required_integer("leverage")
    refused = venue.engine.set_leverage(symbol, leverage, call.moment)
    if refused:
        raise RefusedError(refused)
    cap = notional_cap(venue.market.symbols[symbol], leverage)
    return {"leverage": leverage, "maxNotionalValue": plain(cap), "symbol": symbol}


def set_margin_type(venue: Venue, call: Call) -> Any:
    symbol, kind = symbol_of(venue, call), call.required("marginType")
    if kind == "CROSS":
        kind = "CROSSED"
    if kind not in MarginType.__members__:
        refuse(-1130, name="marginType")
    refused = venue.engine.set_margin_type(symbol, MarginType(kind))
    if refused:
        raise RefusedError(refused)
    return SUCCESS


def move_position_margin(venue: Venue, call: Call) -> Any:
    symbol, amount = symbol_of(venue, call), call.required_decimal("amount")
    direction = call.required_integer("type")
    if direction not in (1, 2):
        refuse(-1130, name="type")
    refused = venue.engine.move_isolated_margin(symbol, amount, add=direction == 1, moment=call.moment)
    if refused:
        raise RefusedError(refused)
    return {"amount": plain(amount), "code": 200, "msg": "Successfully modify position margin.", "type": direction}


def position_mode(venue: Venue, call: Call) -> Any:
    return {"dualSidePosition": False}


def set_position_mode(venue: Venue, call: Call) -> Any:
    """One-way is what there is: asking for it changes nothing, asking for hedge mode is refused."""
    call.required("dualSidePosition")
    if call.flag("dualSidePosition"):
        if any(True for _ in venue.state.all_open()):
            refuse(-4067)
        if any(p.quantity for p in venue.state.account.positions.values()):
            refuse(-4068)
        refuse(-4084)
    refuse(-4059)


def multi_assets_mode(venue: Venue, call: Call) -> Any:
    return {"multiAssetsMargin": venue.state.account.multi_assets_margin}


def set_multi_assets_mode(venue: Venue, call: Call) -> Any:
    """The wallet holds one asset; the single-asset mode is already set."""
    call.required("multiAssetsMargin")
    if call.flag("multiAssetsMargin"):
        refuse(-4167)
    refuse(-4171)


def leverage_bracket(venue: Venue, call: Call) -> Any:
    """All symbols, or the one asked for in a list of one. Ratios are numbers here, as on the exchange."""
    symbols, _ = symbols_asked(venue, call)
    rows = []
    for symbol in symbols:
        brackets = [
            {
                "bracket": bracket.bracket,
                "initialLeverage": bracket.initial_leverage,
                "notionalCap": int(bracket.notional_cap),
                "notionalFloor": int(bracket.notional_floor),
                "maintMarginRatio": float(bracket.maintenance_margin_ratio),
                "cum": float(bracket.cumulative),
            }
            for bracket in venue.market.symbols[symbol].leverage_brackets
        ]
        rows.append({"symbol": symbol, "notionalCoef": 1.0, "brackets": brackets})
    return rows


def commission_rate(venue: Venue, call: Call) -> Any:
    account = venue.state.account
    return {
        "symbol": symbol_of(venue, call),
        "makerCommissionRate": plain(account.maker_rate),
        "takerCommissionRate": plain(account.taker_rate),
        "rpiCommissionRate": plain(account.maker_rate),
    }


def symbol_config(venue: Venue, call: Call) -> Any:
    symbols, _ = symbols_asked(venue, call)
    rows = []
    for symbol in symbols:
        position = venue.state.account.position(symbol)
        cap = notional_cap(venue.market.symbols[symbol], position.leverage)
        rows.append(
            {
                "symbol": symbol,
                "marginType": position.margin_type,
                "isAutoAddMargin": False,
                "leverage": position.leverage,
                "maxNotionalValue": plain(cap),
            }
        )
    return rows


def account_config(venue: Venue, call: Call) -> Any:
    return permissions(venue) | {"dualSidePosition": False}


def order_rate_limits(venue: Venue, call: Call) -> Any:
    return [row for row in venue.limits.described() if row["rateLimitType"] == "ORDERS"]


def api_restrictions(venue: Venue, call: Call) -> Any:
    """What the key may do; withdrawing is not among it."""
    return {
        "ipRestrict": False,
        "createTime": 1_700_000_000_000,
        "enableReading": True,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableMargin": False,
        "enableFutures": True,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


def start_listen_key(venue: Venue, call: Call) -> Any:
    return {"listenKey": venue.listen_keys.start(call.moment.now_ms)}


def extend_listen_key(venue: Venue, call: Call) -> Any:
    key = venue.listen_keys.extend(call.moment.now_ms)
    if key is None:
        refuse(-1125)
    return {"listenKey": key}


def close_listen_key(venue: Venue, call: Call) -> Any:
    venue.listen_keys.close()
    return {}
