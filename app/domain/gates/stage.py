"""Gate: is it known how far an approved order goes?"""

from __future__ import annotations

from app.domain.gates.verdicts import Verdict, denied, passed
from app.domain.policy import Stage

GATE = "stage"
STAGE_UNKNOWN = "STAGE_UNKNOWN"


def check_stage(*, stage: Stage | None) -> Verdict:
    """Deny when the stage is unknown.

    OBSERVATION passes here, so that every other gate still decides and the decision is recorded; that nothing is sent
    follows from the judgement's outcome.
    """
    if stage is None:
        return denied(GATE, STAGE_UNKNOWN, stage=None)
    return passed(GATE, stage=stage.value)
