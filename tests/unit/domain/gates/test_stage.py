"""Gate: stage."""

import pytest

from app.domain.gates.stage import check_stage
from app.domain.policy import Stage
from tests.unit.domain.builders import denies, passes


@pytest.mark.parametrize("stage", list(Stage))
def test_every_known_stage_passes_so_that_the_other_gates_still_decide(stage: Stage) -> None:
    assert check_stage(stage=stage) == passes("stage", stage=stage.value)


def test_an_unknown_stage_denies() -> None:
    assert check_stage(stage=None) == denies("stage", "STAGE_UNKNOWN", stage="unknown")
