"""Gate: open positions."""

from app.domain.gates.open_positions import check_open_positions
from tests.unit.domain.builders import denies, make_exposure, passes

THREE = make_exposure(open_symbols=frozenset({"AUSDT", "BUSDT", "CUSDT"}))


def test_the_last_free_place_passes_and_one_more_denies() -> None:
    assert check_open_positions(symbol="DUSDT", exposure=THREE, maximum=4) == passes(
        "open_positions", symbol="DUSDT", open="3", maximum="4", takes_a_place="yes"
    )
    assert check_open_positions(symbol="DUSDT", exposure=THREE, maximum=3) == denies(
        "open_positions", "OPEN_POSITIONS_AT_MAXIMUM", symbol="DUSDT", open="3", maximum="3"
    )


def test_a_symbol_already_open_takes_no_further_place_even_above_the_maximum() -> None:
    assert check_open_positions(symbol="AUSDT", exposure=THREE, maximum=2) == passes(
        "open_positions", symbol="AUSDT", open="3", maximum="2", takes_a_place="no"
    )


def test_unknown_positions_deny() -> None:
    assert check_open_positions(symbol="AUSDT", exposure=None, maximum=2) == denies(
        "open_positions", "OPEN_POSITIONS_UNKNOWN", open="unknown"
    )


def test_without_a_policy_there_is_no_place() -> None:
    assert check_open_positions(symbol="AUSDT", exposure=THREE, maximum=None) == denies(
        "open_positions", "POLICY_UNKNOWN", open="3", maximum="unknown"
    )
