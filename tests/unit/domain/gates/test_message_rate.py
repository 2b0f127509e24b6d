"""Gate: message rate."""

from app.domain.gates.message_rate import check_message_rate
from tests.unit.domain.builders import denies, passes


def test_the_attempt_that_makes_the_maximum_passes_and_the_next_denies() -> None:
    assert check_message_rate(entry_attempts_last_minute=599, maximum=600) == passes(
        "message_rate", attempts_last_minute="599", maximum="600"
    )
    assert check_message_rate(entry_attempts_last_minute=600, maximum=600) == denies(
        "message_rate", "MESSAGE_RATE_AT_MAXIMUM", attempts_last_minute="600", maximum="600"
    )
    assert check_message_rate(entry_attempts_last_minute=601, maximum=600).code == "MESSAGE_RATE_AT_MAXIMUM"


def test_an_unknown_count_denies() -> None:
    assert check_message_rate(entry_attempts_last_minute=None, maximum=600) == denies(
        "message_rate", "MESSAGE_RATE_UNKNOWN", attempts_last_minute="unknown"
    )


def test_without_a_policy_there_is_no_rate() -> None:
    assert check_message_rate(entry_attempts_last_minute=0, maximum=None) == denies(
        "message_rate", "POLICY_UNKNOWN", attempts_last_minute="0", maximum="unknown"
    )
