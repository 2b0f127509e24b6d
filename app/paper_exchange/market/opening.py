"""Opens a market from what the operator typed: `seed:7`, or a folder of recorded candles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app.paper_exchange.market.interface import Market, MarketError
from app.paper_exchange.market.parameters import MODEL_PARAMETERS
from app.paper_exchange.market.paths import PricePath, SeededPath
from app.paper_exchange.market.recorded_path import RecordedPath
from app.paper_exchange.market.recording import Recording, load_folder
from app.paper_exchange.market.simulated import SimulatedMarket, SymbolMarket, symbol_market
from app.paper_exchange.symbols import CATALOGUE

_SEED_PREFIX: Final = "seed:"
SEED_MAX: Final = 2**63 - 1
# At this speed a step takes 25 s, so there are still trades in every minute.
SPEED_MIN: Final = 0.01
SPEED_MAX: Final = 1_000.0
# Draws around a recording (order of low and high, books, symbols without a file) need a seed too.
FOLDER_SEED: Final = 0


def open_market(spec: str, *, speed: float, start_ms: int) -> Market:
    """Open `seed:N` (N a whole number) or a folder of one-minute candle files.

    `speed` is market time over exchange time, SPEED_MIN to SPEED_MAX; `start_ms` the exchange time of the first step.

    Raises:
        MarketError: one line saying what is wrong with the source or the speed.
    """
    return open_simulated_market(spec, speed=speed, start_ms=start_ms)


def open_simulated_market(
    spec: str, *, speed: float, start_ms: int, symbols: Iterable[str] = CATALOGUE
) -> SimulatedMarket:
    """Open a market with only some contracts, and keep the type that also tells the regime; see open_market.

    A contract's path does not depend on which others are listed.
    """
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise MarketError(f"market speed {speed} is not between {SPEED_MIN} and {SPEED_MAX:g}")
    seed = FOLDER_SEED
    recordings: dict[str, Recording] = {}
    notes: list[str] = []
    if spec.startswith(_SEED_PREFIX):
        seed = _seed(spec)
    else:
        recordings = dict(load_folder(Path(spec)))
        notes = _notes(recordings)
    return SimulatedMarket(
        seed=seed,
        speed_millionths=round(speed * 1_000_000),
        start_ms=start_ms,
        tracks={
            symbol: _track(seed=seed, symbol=symbol, recording=recordings.get(symbol), start_ms=start_ms)
            for symbol in symbols
        },
        parameters=MODEL_PARAMETERS,
        notes=tuple(notes),
    )


def _seed(spec: str) -> int:
    text = spec.removeprefix(_SEED_PREFIX)
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= SEED_MAX and len(text) <= 19):
        raise MarketError(f"market {spec!r}: the seed is not a whole number between 0 and {SEED_MAX}")
    return int(text)


def _notes(recordings: dict[str, Recording]) -> list[str]:
    notes = [note for recording in recordings.values() for note in recording.notes]
    notes += [f"{symbol}: not a contract of this exchange, its candles are not used" for symbol in recordings
              if symbol not in CATALOGUE]  # fmt: skip
    modelled = [symbol for symbol in CATALOGUE if symbol not in recordings]
    if modelled:
        notes.append(f"no candles for {', '.join(modelled)}: driven by the model with seed {FOLDER_SEED}")
    return notes


def _track(*, seed: int, symbol: str, recording: Recording | None, start_ms: int) -> SymbolMarket:
    spec, parameters = CATALOGUE[symbol], MODEL_PARAMETERS[symbol]
    tick, step = float(spec.price_tick), float(spec.quantity_step)
    path: PricePath
    if recording is None:
        path = SeededPath(seed=seed, symbol=symbol, parameters=parameters, price_tick=tick, quantity_step=step)
    else:
        path = RecordedPath(seed=seed, recording=recording, price_tick=tick, quantity_step=step)
    return symbol_market(seed=seed, spec=spec, parameters=parameters, path=path, start_ms=start_ms)
