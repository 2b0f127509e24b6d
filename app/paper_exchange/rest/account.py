"""Balances, positions and their margin, income."""

from decimal import Decimal
from typing import Any

from app.paper_exchange.account import ASSET, MarginType, Position
from app.paper_exchange.decimals import ZERO, padded, plain
from app.paper_exchange.margin import AccountMargin, SymbolMargin, account_margin, liquidation_price, notional_cap
from app.paper_exchange.margin import symbol_margin as margin_of
from app.paper_exchange.orders import IncomeType
from app.paper_exchange.rest.asked import symbol_of, symbols_asked
from app.paper_exchange.rest.formats import income_json
from app.paper_exchange.rest.params import Call
from app.paper_exchange.rest.settings import permissions
from app.paper_exchange.rest.trading import time_window
from app.paper_exchange.venue import Venue


def _amount(value: Decimal) -> str:
    return padded(value, 8)


def _update_ms(position: Position) -> int:
    return position.updated_us // 1000


def _symbols_in_use(venue: Venue) -> list[str]:
    """Symbols with a position or open orders: all that version 3 shows."""
    state = venue.state
    return [
        symbol
        for symbol in venue.market.symbols
        if state.account.position(symbol).quantity or state.open_orders.get(symbol)
    ]


def _margin(venue: Venue, totals: AccountMargin, symbol: str) -> SymbolMargin:
    return totals.by_symbol.get(symbol) or margin_of(venue.state, symbol)


def _isolated_margin(position: Position, margin: SymbolMargin) -> Decimal:
    isolated = position.margin_type is MarginType.ISOLATED and position.quantity
    return position.isolated_wallet + margin.unrealised_pnl if isolated else ZERO


def balance(venue: Venue, call: Call) -> Any:
    """v2 and v3 answer the same; the wallet is USDT only."""
    totals = account_margin(venue.state)
    return [
        {
            "accountAlias": "paper",
            "asset": ASSET,
            "balance": _amount(totals.wallet),
            "crossWalletBalance": _amount(totals.cross_wallet),
            "crossUnPnl": _amount(totals.cross_unrealised_pnl),
            "availableBalance": _amount(totals.available),
            "maxWithdrawAmount": _amount(_withdrawable(totals)),
            "marginAvailable": True,
            "updateTime": venue.state.account.updated_us // 1000,
        }
    ]


def _withdrawable(totals: AccountMargin) -> Decimal:
    return max(ZERO, min(totals.available, totals.cross_wallet))


def _totals_json(totals: AccountMargin) -> dict[str, Any]:
    return {
        "totalInitialMargin": _amount(totals.initial),
        "totalMaintMargin": _amount(totals.maintenance),
        "totalWalletBalance": _amount(totals.wallet),
        "totalUnrealizedProfit": _amount(totals.unrealised_pnl),
        "totalMarginBalance": _amount(totals.margin_balance),
        "totalPositionInitialMargin": _amount(totals.position_initial),
        "totalOpenOrderInitialMargin": _amount(totals.open_order_initial),
        "totalCrossWalletBalance": _amount(totals.cross_wallet),
        "totalCrossUnPnl": _amount(totals.cross_unrealised_pnl),
        "availableBalance": _amount(totals.available),
        "maxWithdrawAmount": _amount(_withdrawable(totals)),
    }


def _asset_json(venue: Venue, totals: AccountMargin) -> dict[str, Any]:
    return {
        "asset": ASSET,
        "walletBalance": _amount(totals.wallet),
        "unrealizedProfit": _amount(totals.unrealised_pnl),
        "marginBalance": _amount(totals.margin_balance),
        "maintMargin": _amount(totals.maintenance),
        "initialMargin": _amount(totals.initial),
        "positionInitialMargin": _amount(totals.position_initial),
        "openOrderInitialMargin": _amount(totals.open_order_initial),
        "crossWalletBalance": _amount(totals.cross_wallet),
        "crossUnPnl": _amount(totals.cross_unrealised_pnl),
        "availableBalance": _amount(totals.available),
        "maxWithdrawAmount": _amount(_withdrawable(totals)),
        "marginAvailable": True,
        "updateTime": venue.state.account.updated_us // 1000,
    }


def account_v3(venue: Venue, call: Call) -> Any:
    totals = account_margin(venue.state)
    positions = []
    for symbol in _symbols_in_use(venue):
        position, margin = venue.state.account.position(symbol), _margin(venue, totals, symbol)
        positions.append(
            {
                "symbol": symbol,
                "positionSide": "BOTH",
                "positionAmt": padded(position.quantity, venue.market.symbols[symbol].quantity_precision),
                "unrealizedProfit": _amount(margin.unrealised_pnl),
                "isolatedMargin": _amount(_isolated_margin(position, margin)),
                "notional": _amount(margin.notional),
                "isolatedWallet": _amount(position.isolated_wallet),
                "initialMargin": _amount(margin.initial),
                "maintMargin": _amount(margin.maintenance),
                "updateTime": _update_ms(position),
            }
        )
    return _totals_json(totals) | {"assets": [_asset_json(venue, totals)], "positions": positions}


def account_v2(venue: Venue, call: Call) -> Any:
    totals = account_margin(venue.state)
    positions = []
    for symbol, spec in venue.market.symbols.items():
        position, margin = venue.state.account.position(symbol), _margin(venue, totals, symbol)
        positions.append(
            {
                "symbol": symbol,
                "initialMargin": _amount(margin.initial),
                "maintMargin": _amount(margin.maintenance),
                "unrealizedProfit": _amount(margin.unrealised_pnl),
                "positionInitialMargin": _amount(margin.position_initial),
                "openOrderInitialMargin": _amount(margin.open_order_initial),
                "leverage": str(position.leverage),
                "isolated": position.margin_type is MarginType.ISOLATED,
                "entryPrice": plain(position.entry_price),
                "breakEvenPrice": plain(position.break_even_price),
                "maxNotional": plain(notional_cap(spec, position.leverage)),
                "bidNotional": plain(margin.bid_notional),
                "askNotional": plain(margin.ask_notional),
                "positionSide": "BOTH",
                "positionAmt": padded(position.quantity, spec.quantity_precision),
                "notional": _amount(margin.notional),
                "isolatedWallet": _amount(position.isolated_wallet),
                "updateTime": _update_ms(position),
            }
        )
    assets = [_asset_json(venue, totals)]
    return permissions(venue) | {"feeBurn": False} | _totals_json(totals) | {"assets": assets, "positions": positions}


def _risk_row(venue: Venue, totals: AccountMargin, symbol: str) -> dict[str, Any]:
    position, margin = venue.state.account.position(symbol), _margin(venue, totals, symbol)
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": padded(position.quantity, venue.market.symbols[symbol].quantity_precision),
        "entryPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.break_even_price),
        "markPrice": padded(venue.market.mark_price(symbol), 8),
        "unRealizedProfit": _amount(margin.unrealised_pnl),
        "liquidationPrice": plain(liquidation_price(venue.state, symbol, totals)),
        "isolatedMargin": _amount(_isolated_margin(position, margin)),
        "notional": _amount(margin.notional),
        "isolatedWallet": _amount(position.isolated_wallet),
        "updateTime": _update_ms(position),
    }


def position_risk_v3(venue: Venue, call: Call) -> Any:
    """Only symbols with a position or open orders."""
    totals = account_margin(venue.state)
    asked, single = symbols_asked(venue, call)
    symbols = [s for s in _symbols_in_use(venue) if not single or s in asked]
    rows = []
    for symbol in symbols:
        margin = _margin(venue, totals, symbol)
        rows.append(
            _risk_row(venue, totals, symbol)
            | {
                "marginAsset": ASSET,
                "initialMargin": _amount(margin.initial),
                "maintMargin": _amount(margin.maintenance),
                "positionInitialMargin": _amount(margin.position_initial),
                "openOrderInitialMargin": _amount(margin.open_order_initial),
                "adl": 0,
                "bidNotional": plain(margin.bid_notional),
                "askNotional": plain(margin.ask_notional),
            }
        )
    return rows


def position_risk_v2(venue: Venue, call: Call) -> Any:
    """Every symbol asked for, flat ones too, with leverage and margin type."""
    totals = account_margin(venue.state)
    symbols, _ = symbols_asked(venue, call)
    rows = []
    for symbol in symbols:
        position = venue.state.account.position(symbol)
        crossed = position.margin_type is MarginType.CROSSED
        rows.append(
            _risk_row(venue, totals, symbol)
            | {
                "leverage": str(position.leverage),
                "maxNotionalValue": plain(notional_cap(venue.market.symbols[symbol], position.leverage)),
                "marginType": "cross" if crossed else "isolated",
                "isAutoAddMargin": "false",
            }
        )
    return rows


def income(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call) if call.params.get("symbol") else None
    kind = call.text("incomeType")
    if kind is not None and kind not in IncomeType.__members__:
        return []
    limit = call.limit(default=100, maximum=1000)
    page = max(1, call.integer("page") or 1)
    start, end = time_window(call)
    found = [
        row
        for row in venue.state.incomes
        if (symbol is None or row.symbol == symbol)
        and (kind is None or row.income_type == kind)
        and start <= row.at_us // 1000 <= end
    ]
    if "page" in call.params or "startTime" in call.params:
        chosen = found[(page - 1) * limit : page * limit]
    else:
        chosen = found[-limit:]
    return [income_json(row) for row in chosen]


def adl_quantile(venue: Venue, call: Call) -> Any:
    """Auto-deleveraging is not modelled: every position stands in the last row."""
    rows = [s for s in _symbols_in_use(venue) if venue.state.account.position(s).quantity]
    return [{"symbol": symbol, "adlQuantile": {"BOTH": 0, "LONG": 0, "SHORT": 0}} for symbol in rows]
