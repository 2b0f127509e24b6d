"""Command line of the paper exchange: `python -m app.paper_exchange --port P`."""

import argparse
import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import orjson

from app.paper_exchange.clock import ExchangeClock
from app.paper_exchange.codec import CodecError
from app.paper_exchange.decimals import parse_wire_number
from app.paper_exchange.engine import Engine
from app.paper_exchange.journal import Journal, JournalError, NoJournal
from app.paper_exchange.market import MarketError, open_market
from app.paper_exchange.rate_limits import Limits, RateLimits
from app.paper_exchange.server import Server
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.venue import Venue

EXIT_USAGE = 2
EXIT_FAILED = 3
WALLET_DEFAULT = "10000"
# About two seconds of walking.
MARKET_REWALK_MAX_MS = 2 * 3_600_000
log = logging.getLogger("app.paper_exchange")
LIMITS = Limits()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.paper_exchange", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--market", default="seed:1", help="seed:N, or a folder of one-minute candle files")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real time the market moves")
    parser.add_argument("--legacy-streams", action="store_true", help="serve the retired stream URLs too")
    parser.add_argument("--state-dir", type=Path, help="keep everything here across restarts")
    parser.add_argument("--key", help="API key; made up when not given")
    parser.add_argument("--secret", help="API secret; made up when not given")
    parser.add_argument("--wallet", default=WALLET_DEFAULT, help="USDT on a new account")
    parser.add_argument("--limit-weight", type=int, default=LIMITS.weight_per_minute, help="request weight per minute")
    parser.add_argument("--limit-orders-10s", type=int, default=LIMITS.orders_per_ten_seconds)
    parser.add_argument("--limit-orders-1m", type=int, default=LIMITS.orders_per_minute)
    parser.add_argument("--freeze", action="store_true", help="start with the clock stopped (see /paper/clock)")
    parser.add_argument("--start-ms", type=int, help="with --freeze: where the clock stands")
    return parser


def _keys(options: argparse.Namespace, journal: Journal | NoJournal) -> tuple[str, str]:
    """Given keys win, then stored ones, then new ones."""
    stored = journal.load("keys", "api") if isinstance(journal, Journal) else None
    known = orjson.loads(stored) if stored else {}
    key = options.key or known.get("key") or secrets.token_hex(32)
    secret = options.secret or known.get("secret") or secrets.token_hex(32)
    journal.save("keys", "api", {"key": key, "secret": secret})
    return key, secret


def _market_anchor(options: argparse.Namespace, journal: Journal | NoJournal, now_ms: int) -> int:
    """When the market's path began: kept across restarts, so that prices go on where they would be by now.

    A path too long to walk again within seconds starts anew, which is a jump in prices.
    """
    asked = {"market": options.market, "speed": options.speed}
    stored = journal.load("market", "anchor") if isinstance(journal, Journal) else None
    known = orjson.loads(stored) if stored else {}
    walk_ms = (now_ms - known.get("start_ms", 0)) * options.speed
    if {name: known.get(name) for name in asked} == asked and 0 <= walk_ms <= MARKET_REWALK_MAX_MS:
        return int(known["start_ms"])
    journal.save("market", "anchor", {**asked, "start_ms": now_ms})
    return now_ms


def build_venue(options: argparse.Namespace) -> Venue:
    """Put the exchange together. Raises MarketError, JournalError or ValueError with one clear line."""
    wallet = parse_wire_number(options.wallet)
    if wallet is None:
        raise ValueError(f"--wallet {options.wallet}: not a number")
    clock = ExchangeClock()
    if options.freeze:
        clock.freeze()
        if options.start_ms is not None:
            clock = ExchangeClock.standing_at(options.start_ms * 1000)
    start_ms = clock.market_ms()
    journal = Journal(options.state_dir) if options.state_dir else NoJournal()
    anchor_ms = _market_anchor(options, journal, start_ms)
    market = open_market(options.market, speed=options.speed, start_ms=anchor_ms)
    for note in market.notes:
        log.info("market: %s", note)
    state = ExchangeState(market)
    restored = isinstance(journal, Journal) and journal.restore(state)
    key, secret = _keys(options, journal)
    engine = Engine(state, market_ms=start_ms)
    limits = Limits(
        weight_per_minute=options.limit_weight,
        orders_per_ten_seconds=options.limit_orders_10s,
        orders_per_minute=options.limit_orders_1m,
    )
    venue = Venue(
        engine=engine,
        clock=clock,
        limits=RateLimits(limits),
        key=key,
        secret=secret,
        journal=journal,
        legacy_streams=options.legacy_streams,
        started_ms=start_ms,
    )
    engine.resting_conditions = venue.resting_conditions
    if not restored and wallet > Decimal(0):
        engine.deposit(wallet, venue.moment())
    venue.settle()
    return venue


async def serve(options: argparse.Namespace) -> int:
    """Run until a signal; returns the exit code."""
    try:
        venue = build_venue(options)
    except (MarketError, JournalError, CodecError, ValueError) as error:
        print(f"paper exchange: {error}", file=sys.stderr)  # noqa: T201 - the command line's answer
        return EXIT_USAGE
    server = Server(venue)
    try:
        port = await server.start(options.host, options.port)
    except OSError as error:
        reason = error.strerror or str(error)
        print(f"paper exchange: cannot listen on {options.host}:{options.port}: {reason}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopping.set)
    host = f"[{options.host}]" if ":" in options.host else options.host
    lines = (f"url=http://{host}:{port}", f"ws=ws://{host}:{port}", f"key={venue.key}", f"secret={venue.secret}")
    print("\n".join(lines), flush=True)  # noqa: T201 - the contract with whoever starts this
    await server.stopping.wait()
    await server.stop()
    return EXIT_FAILED if server.failed is not None else 0


def main(arguments: Sequence[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return asyncio.run(serve(_parser().parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
