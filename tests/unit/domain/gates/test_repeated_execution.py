"""Gate: repeated execution."""

from app.domain.gates.repeated_execution import check_repeated_execution
from app.domain.gates.verdicts import Verdict
from app.domain.throttles import StrategyUse
from tests.unit.domain.builders import ago, denies, passes


def check(executions: int, *, disabled: bool = False, attempt_number: int = 1) -> Verdict:
    use = StrategyUse(executions=executions, disabled_at=ago(5) if disabled else None)
    return check_repeated_execution(use=use, maximum=30, window_seconds=600, attempt_number=attempt_number)


def test_the_execution_that_makes_the_maximum_passes_and_the_next_denies() -> None:
    assert check(29) == passes("repeated_execution", executions="29", maximum="30", window_seconds="600")
    assert check(30) == denies(
        "repeated_execution", "STRATEGY_EXECUTIONS_AT_MAXIMUM", executions="30", maximum="30", window_seconds="600"
    )
    assert check(31).code == "STRATEGY_EXECUTIONS_AT_MAXIMUM"


def test_a_disabled_strategy_is_denied_however_seldom_it_was_executed_lately() -> None:
    assert check(0, disabled=True) == denies("repeated_execution", "STRATEGY_DISABLED", disabled_at=ago(5).isoformat())
    assert check(30, disabled=True).code == "STRATEGY_DISABLED"


def test_a_chase_is_no_further_execution_but_ends_with_its_strategy() -> None:
    assert check(30, attempt_number=2).passed
    assert check(31, attempt_number=3).passed
    assert check(1, attempt_number=2, disabled=True).code == "STRATEGY_DISABLED"


def test_an_unknown_use_denies() -> None:
    assert check_repeated_execution(use=None, maximum=30, window_seconds=600, attempt_number=1) == denies(
        "repeated_execution", "STRATEGY_USE_UNKNOWN", executions="unknown"
    )


def test_without_a_policy_there_is_no_maximum() -> None:
    use = StrategyUse(executions=2, disabled_at=ago(5))
    expected = denies("repeated_execution", "POLICY_UNKNOWN", executions="2", maximum="unknown")
    assert check_repeated_execution(use=use, maximum=None, window_seconds=600, attempt_number=1) == expected
    assert check_repeated_execution(use=use, maximum=30, window_seconds=None, attempt_number=1) == expected
