"""Markets from recorded candles: real files with gaps, the public archive's form, repaired and refused rows."""

import csv
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from app.paper_exchange.market import MarketError, open_market
from app.paper_exchange.market.environment import Environment
from app.paper_exchange.market.opening import open_simulated_market
from app.paper_exchange.market.parameters import STEPS_PER_MINUTE
from app.paper_exchange.market.recorded_path import RecordedPath
from app.paper_exchange.market.recording import load_folder

START_MS = 1_763_000_040_000
MINUTE_MS = 60_000
Row = tuple[int, str, str, str, str, str]

RISING: tuple[Row, ...] = (
    (1_700_000_040_000, "2000.00", "2004.00", "1999.00", "2003.00", "120.5"),
    (1_700_000_100_000, "2003.00", "2010.00", "2002.00", "2009.00", "80"),
    (1_700_000_160_000, "2009.00", "2011.50", "2000.50", "2001.00", "310.25"),
)


def write(folder: Path, rows: Iterable[Row], *, name: str = "ETHUSDT-1m.csv", header: bool = True) -> Path:
    lines = ["open_time,open,high,low,close,volume"] if header else []
    lines += [",".join(map(str, row)) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def minutes(folder: Path, count: int, symbol: str = "ETHUSDT") -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
    """OHLC of the first minutes that a market on this folder shows, at speed 1."""
    market = open_simulated_market(str(folder), speed=1, start_ms=START_MS, symbols=(symbol,))
    for minute in range(1, count + 1):
        market.advance(START_MS + minute * MINUTE_MS - 1)
    candles = market.klines(symbol, MINUTE_MS, START_MS, None, count)
    return [(candle.open, candle.high, candle.low, candle.close) for candle in candles]


def as_decimals(row: Row) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in row[1:5])


def test_each_recorded_minute_is_replayed_to_the_tick(tmp_path: Path):
    assert minutes(write(tmp_path, RISING), 3) == [as_decimals(row) for row in RISING]


def test_the_recorded_volume_is_traded(tmp_path: Path):
    market = open_market(str(write(tmp_path, RISING)), speed=1, start_ms=START_MS)
    market.advance(START_MS + 2 * MINUTE_MS - 1)
    first, second = market.klines("ETHUSDT", MINUTE_MS, START_MS, None, 2)
    assert abs(first.volume / Decimal("120.5") - 1) < Decimal("0.1")
    assert abs(second.volume / Decimal(80) - 1) < Decimal("0.1")


def test_speed_plays_the_recording_faster(tmp_path: Path):
    market = open_market(str(write(tmp_path, RISING)), speed=60, start_ms=START_MS)
    market.advance(START_MS + 3_000 - 4)
    live = market.klines("ETHUSDT", MINUTE_MS, START_MS, None, 1)[0]
    assert (live.open, live.close) == (Decimal("2000.00"), Decimal("2001.00"))
    assert (live.high, live.low) == (Decimal("2011.50"), Decimal("1999.00"))


def test_the_public_archive_with_twelve_columns_and_without_header_loads(tmp_path: Path):
    lines = [
        f"{row[0]},{row[1]},{row[2]},{row[3]},{row[4]},{row[5]},{row[0] + 59_999},240000.5,311,60.1,120000.2,0"
        for row in RISING
    ]
    (tmp_path / "ETHUSDT-1m-2023-11.csv").write_text("\n".join(lines[:2]))
    (tmp_path / "ETHUSDT-1m-2023-12.csv").write_text(
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
        + lines[2]
        + "\n"
    )
    assert minutes(tmp_path, 3) == [as_decimals(row) for row in RISING]


def test_microsecond_times_of_newer_archives_load(tmp_path: Path):
    write(tmp_path, [(row[0] * 1_000, *row[1:]) for row in RISING])
    assert load_folder(tmp_path)["ETHUSDT"].notes == ()


def test_unsorted_and_repeated_rows_are_put_right_and_reported(tmp_path: Path):
    write(tmp_path, [RISING[2], RISING[0], RISING[1], RISING[1]])
    assert minutes(tmp_path, 3) == [as_decimals(row) for row in RISING]
    notes = load_folder(tmp_path)["ETHUSDT"].notes
    assert any("out of order" in note for note in notes)
    assert any("1 repeated" in note for note in notes)


def test_candles_that_contradict_themselves_are_left_out_and_reported(tmp_path: Path):
    write(tmp_path, [RISING[0], (1_700_000_100_000, "2003.00", "2001.00", "2002.00", "2009.00", "80"), RISING[2]])
    recording = load_folder(tmp_path)["ETHUSDT"]
    assert len(recording) == 2
    assert any("1 candles whose prices contradict" in note for note in recording.notes)


def test_a_short_gap_is_a_jump_of_the_file_itself(tmp_path: Path):
    later = (RISING[1][0] + 4 * MINUTE_MS, "2050.00", "2051.00", "2049.00", "2050.50", "10")
    assert minutes(write(tmp_path, [RISING[0], RISING[1], later]), 3)[2] == as_decimals(later)
    assert load_folder(tmp_path)["ETHUSDT"].notes == ("ETHUSDT: 3 minutes missing after candle 2, skipped",)


def test_a_long_gap_is_closed_by_rescaling_so_that_no_move_of_days_happens_at_once(tmp_path: Path):
    later = (RISING[1][0] + 115_739 * MINUTE_MS, "1004.50", "1009.00", "1004.50", "1006.75", "10")
    rows = minutes(write(tmp_path, [RISING[0], RISING[1], later]), 3)
    # 2009.00 / 1004.50 = 2
    assert rows[2] == (Decimal("2009.00"), Decimal("2018.00"), Decimal("2009.00"), Decimal("2013.50"))
    assert load_folder(tmp_path)["ETHUSDT"].notes == (
        "ETHUSDT: 115738 minutes missing after candle 2, skipped; prices after it times 2.000000",
    )


def test_the_end_of_a_recording_goes_on_at_its_beginning_without_a_jump(tmp_path: Path):
    """A recording that falls by a third, played three times: continuous, and not falling without end."""
    falling = [
        (1_700_000_040_000 + index * MINUTE_MS, str(3000 - index * 50), str(3000 - index * 50), str(2950 - index * 50),
         str(2950 - index * 50), "50")
        for index in range(20)
    ]  # fmt: skip
    rows = minutes(write(tmp_path, falling), 65)
    closes = [row[3] for row in rows]
    assert closes[19] == closes[39] == closes[59] == Decimal("2000.00")
    for before, after in pairwise(rows):
        assert abs(after[0] / before[3] - 1) < Decimal("0.0001")
        assert after[1] >= max(after[0], after[3])
        assert after[2] <= min(after[0], after[3])
    assert min(closes) > 1_500


def test_symbols_without_a_file_are_driven_by_the_model_and_named(tmp_path: Path):
    market = open_market(str(write(tmp_path, RISING)), speed=1, start_ms=START_MS)
    before = market.last_price("BTCUSDT")
    market.advance(START_MS + 60_000)
    assert market.last_price("BTCUSDT") != before
    assert any("BTCUSDT" in note and "driven by the model" in note for note in market.notes)


def test_a_file_of_a_contract_that_is_not_listed_is_named_and_not_used(tmp_path: Path):
    write(tmp_path, RISING)
    write(tmp_path, RISING, name="FOOUSDT-1m.csv")
    market = open_market(str(tmp_path), speed=1, start_ms=START_MS)
    assert "FOOUSDT" not in market.symbols
    assert any(note.startswith("FOOUSDT: not a contract") for note in market.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("open_time,open,high,low,close,volume\n1700000040000,1,2,1\n", r"ETHUSDT-1m\.csv line 2: 4 columns"),
        ("1700000040000,1,2,1,x,5\n", r"ETHUSDT-1m\.csv line 1: not a candle"),
        ("1700000040000,1,2,1,nan,5\n", r"ETHUSDT-1m\.csv line 1: not a candle: a value is not finite"),
        ("", "without a single candle"),
        ("open_time,open,high,low,close,volume\n", "without a single candle"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, content: str, message: str):
    (tmp_path / "ETHUSDT-1m.csv").write_text(content)
    with pytest.raises(MarketError, match=message) as caught:
        open_market(str(tmp_path), speed=1, start_ms=START_MS)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_missing_empty_or_a_file_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "readme.txt").write_text("not candles")
    for wrong in (tmp_path / "missing", tmp_path, tmp_path / "readme.txt"):
        with pytest.raises(MarketError) as caught:
            open_market(str(wrong), speed=1, start_ms=START_MS)
        assert str(wrong) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_same_folder_gives_the_same_market(tmp_path: Path):
    write(tmp_path, RISING)
    books = []
    for _ in range(2):
        market = open_simulated_market(str(tmp_path), speed=3, start_ms=START_MS)
        market.advance(START_MS + 77_000)
        books.append([market.book(symbol, 20) for symbol in market.symbols])
    assert books[0] == books[1]
    # Written down once: another process, another machine, the same books.
    assert hashlib.sha256(repr(books[0]).encode()).hexdigest()[:16] == "7b7d0da6a2f3ba6f"


def test_real_recordings_load_are_replayed_to_the_tick_and_their_gaps_are_named(recorded_data: Path):
    folder = recorded_data / "klines"
    market = open_market(str(folder), speed=1, start_ms=START_MS)
    for minute in range(1, 11):
        market.advance(START_MS + minute * MINUTE_MS - 1)
    for path in sorted(folder.glob("*-1m.csv")):
        symbol = path.name.removesuffix("-1m.csv")
        assert sum(note.startswith(f"{symbol}: ") and "minutes missing" in note for note in market.notes) in (2, 3)
        with path.open() as file:
            rows = [row for row, _ in zip(csv.DictReader(file), range(10), strict=False)]
        candles = market.klines(symbol, MINUTE_MS, START_MS, None, 10)
        assert [(c.open, c.high, c.low, c.close) for c in candles] == [
            tuple(Decimal(row[name]) for name in ("open", "high", "low", "close")) for row in rows
        ]


def test_a_real_recording_never_runs_dry_and_never_jumps_at_a_seam(recorded_data: Path):
    """Over every gap and 100 minutes beyond the end: no step moves more than half a percent."""
    recording = load_folder(recorded_data / "klines")["BTCUSDT"]
    path = RecordedPath(seed=0, recording=recording, price_tick=0.1, quantity_step=0.001)
    environment, before, widest = Environment(0), path.price_ticks, 0.0
    for _ in range((len(recording) + 100) * STEPS_PER_MINUTE):
        price = path.step(environment)
        widest = max(widest, abs(price / before - 1.0))
        before = price
    assert 0 < widest < 0.005
